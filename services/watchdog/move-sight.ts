/** What the sites say just now that a move of a keyspace is judged by. Asks all of them at once; who does not answer is away. */

import type { SiteCopies } from '@tidemark/control/election';
import { estimateLoss, type LossEstimate } from '@tidemark/control/loss';
import { type MoveSight, receivedSeqs } from '@tidemark/control/move-rules';
import { newestReign, type RegisterValue } from '@tidemark/control/register-value';
import type { Signs } from '@tidemark/control/suspicion';
import type { Clock } from '@tidemark/world/clock';
import { isFault } from '@tidemark/world/fault';
import type { Network } from '@tidemark/world/network';
import type { LastWords } from './last-words.ts';
import { PULSE_ROUTE } from './sentry.ts';
import type { Status } from './status.ts';

const ASK_MS = 1_500;
/** A writer of a local keyspace ends this long after it was cut off (protocol rule 15). */
const LEASE_MS = 16_000;

export type MoveSightParts = {
  readonly network: Network;
  /** Finds the process of a site that writes and mirrors. */
  readonly services: Network;
  readonly placeOf: (site: string) => string;
  readonly clock: Clock;
  /** Whether a site's log answers, with or without the site's processes. */
  readonly reachesLog: (site: string) => Promise<boolean>;
  readonly partitions: (keyspace: string) => number;
  /** What this site hears of the primary itself; all null at the primary's own. */
  readonly signs: (keyspace: string) => Signs;
  readonly lastWords: LastWords;
  /** As applied here; 1 where nothing was. */
  readonly rowsPerRecord: (keyspace: string, origin: string) => number;
  readonly suspectAfterMs: number;
};

export async function lookAround(parts: MoveSightParts, value: RegisterValue, to: string): Promise<MoveSight> {
  const { keyspace } = value;
  const from = newestReign(value)?.site ?? null;
  const [pulse, isLogReachable, targetLagMs, ...copies] = await Promise.all([
    from === null ? null : ask(parts.network, parts, from, PULSE_ROUTE),
    from === null ? false : within(parts.clock, parts.reachesLog(from)),
    from === null ? null : lagAt(parts, keyspace, to, from),
    ...value.members.map(({ site }) => ask(parts.services, parts, site, `/v1/internal/copies/${keyspace}`)),
  ]);
  const heard = copies.filter((answer) => answer !== null) as unknown as SiteCopies[];
  const { dataMs } = parts.signs(keyspace);
  const answers = pulse !== null;
  return {
    // Where no barrier can be heard, a process that answers is taken to write.
    primary: { answers, writes: answers && (dataMs === null || dataMs <= parts.suspectAfterMs) },
    isLogReachable,
    copies: heard,
    targetLagMs,
    estimate: estimateOf(parts, value, heard),
  };
}

/** What is known to have been written, or may have been, and no site that answers holds. */
function estimateOf(parts: MoveSightParts, value: RegisterValue, copies: readonly SiteCopies[]): LossEstimate | null {
  const { lastWords, clock, rowsPerRecord, partitions } = parts;
  const { keyspace, ack } = value;
  const reign = newestReign(value);
  if (reign === null) return null;
  const unheardMsMax = ack.name === 'local' ? LEASE_MS : Number.MAX_SAFE_INTEGER;
  const perRecord = rowsPerRecord(keyspace, reign.site);
  const heard = lastWords.of(keyspace, reign.epoch, perRecord, clock.monotonicMs(), unheardMsMax);
  return heard === null ? null : estimateLoss(receivedSeqs(value, copies, partitions(keyspace)), heard);
}

/** How far a site says it is behind an origin, ms; null: it does not know, or does not answer. */
async function lagAt(parts: MoveSightParts, keyspace: string, site: string, origin: string): Promise<number | null> {
  const status = (await ask(parts.network, parts, site, '/v1/status')) as Status | null;
  const own = status?.keyspaces.find((one) => one.keyspace === keyspace)?.sites.find((one) => one.site === site);
  const lag = own?.origins.find((one) => one.origin === origin);
  if (lag === undefined || lag.lagState !== 'live' || lag.lagSeconds === null) return null;
  return lag.lagSeconds * 1_000;
}

async function ask(network: Network, { placeOf }: MoveSightParts, site: string, path: string): Promise<unknown> {
  try {
    const { status, body } = await network.ask(`${placeOf(site)}${path}`, null, ASK_MS);
    return status === 200 ? body : null;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** False when it takes too long. */
async function within(clock: Clock, answer: Promise<boolean>): Promise<boolean> {
  const done = new AbortController();
  const late = clock.sleep(ASK_MS, done.signal).then(() => false);
  return Promise.race([answer, late]).finally(() => done.abort());
}
