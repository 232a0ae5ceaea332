/** What the sites say just now that a move of a keyspace is judged by. Asks all of them at once; who does not answer is away. */

import type { Heard } from '@tidemark/control/consensus/loss-rule';
import { newestTerm, type RegisterValue, voters } from '@tidemark/control/consensus/register-value';
import { behindOf, closesWithoutLoss, type MoveSight } from '@tidemark/control/failover/move-rules';
import type { Peer } from '@tidemark/peer/peer';
import type { SiteSight } from '@tidemark/peer/shapes';
import { heardOf } from '../detect/primary-sight.ts';

const ASK_MS = 1_500;

/** How the sites are reached, and after how many ms of silence a primary counts as gone. */
type MoveSightParts = {
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  /** A site's process that writes and mirrors. */
  readonly writerAt: (site: string) => Peer;
  readonly suspectAfterMs: number;
};

/** What is seen; and what was last heard of the primary, for the target to count by. */
export type Sighted = { readonly sight: MoveSight; readonly heard: Heard | null };

/**
 * Asks every voter and member for what a move to site `to` is judged by; no answer is an answer, so it does not fail.
 */
export async function lookAround(parts: MoveSightParts, value: RegisterValue, to: string): Promise<Sighted> {
  const { keyspace } = value;
  const from = newestTerm(value)?.site ?? null;
  const at = parts.watcherAt;
  const [ping, targetLagMs, told, copies] = await Promise.all([
    from === null ? null : at(from).ping(),
    from === null ? null : lagAt(at(to), keyspace, to, from),
    Promise.all(voters(value).map((site) => at(site).sight(keyspace))),
    copiesOf(parts, value),
  ]);
  const sights = told.flatMap(({ answer }) => (answer === null ? [] : [answer]));
  const isLogReachable = (sights.find(({ site }) => site === to) ?? sights[0])?.reachesLog ?? false;
  const heard = heardOf(
    value,
    sights.map(({ lastHeard }) => lastHeard),
  );
  const seen = {
    primary: primaryOf(parts, sights, from, ping !== null && ping.answer !== null),
    isLogReachable,
    copies,
    targetLagMs,
  };
  const closes = closesWithoutLoss(value, { copies, isLogReachable });
  // Null too where the target does not say.
  const loss = closes ? null : (await parts.writerAt(to).loss(keyspace, heard)).answer;
  return { sight: { ...seen, targetBehind: behindOf(value, copies, to), loss }, heard };
}

/** What the members that answer hold. */
async function copiesOf({ writerAt }: MoveSightParts, { keyspace, members }: RegisterValue) {
  const told = await Promise.all(members.map(({ site }) => writerAt(site).copies(keyspace, ASK_MS)));
  return told.flatMap(({ answer }) => (answer === null ? [] : [answer]));
}

/** Whether the primary answers, and writes: as others hear its barriers, and by what it says of its own clock. */
function primaryOf(
  { suspectAfterMs }: MoveSightParts,
  sights: readonly SiteSight[],
  from: string | null,
  answers: boolean,
): MoveSight['primary'] {
  const heardMs = sights.flatMap(({ site, dataMs }) => (site === from || dataMs === null ? [] : [dataMs]));
  const clockTrouble = sights.find(({ site }) => site === from)?.clockTrouble ?? null;
  // Where no barrier can be heard, a process that answers is taken to write.
  const isHeard = heardMs.length === 0 || Math.min(...heardMs) <= suspectAfterMs;
  return { answers, writes: answers && isHeard && clockTrouble === null, clockTrouble };
}

/** How far a site says it is behind an origin, ms; null: it does not know, or does not answer. */
async function lagAt(peer: Peer, keyspace: string, site: string, origin: string): Promise<number | null> {
  const { answer } = await peer.lags();
  const own = answer?.keyspaces.find((one) => one.keyspace === keyspace)?.sites.find((one) => one.site === site);
  const lag = own?.origins.find((one) => one.origin === origin);
  if (lag === undefined || lag.lagState !== 'live' || lag.lagSeconds === null) return null;
  return lag.lagSeconds * 1_000;
}
