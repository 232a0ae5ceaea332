/**
 * `POST /v1/jobs {kind: 'repair', with: 'paris'}` at a site whose rows differ from another's at equal positions: what differs
 * is set aside and built again from this site's own log and its copies of the others', whose records are chained. It asks no
 * majority, and takes no rows from another site: where both still differ, it is the other one that is wrong.
 */

import type { JobWork } from '@tidemark/jobs/jobs';
import { parsed } from '@tidemark/model/parsed';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { z } from 'zod';
import type { Membership } from '../membership.ts';
import { type Comparison, compareSites, type Verdict } from '../read/compare.ts';
import type { RunningKeyspace } from '../running.ts';

const LOOK_MS = 250;
const ASKED = z.strictObject({ kind: z.string(), keyspace: z.string(), with: z.string() });

type RepairParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly membership: Membership;
  /** @throws {Fault} `notFound`: no such keyspace */
  readonly runningOf: (keyspace: string) => RunningKeyspace;
};

/** How it ended. */
export type Repaired = {
  readonly keyspace: string;
  readonly site: string;
  /** The site it was compared with. */
  readonly with: string;
  /** Partitions that differed, and were built again. */
  readonly differed: readonly number[];
  /** As they compare now. */
  readonly verdicts: readonly Verdict[];
  readonly equal: boolean;
};

/**
 * Checks what is asked, and gives the steps. Killed at any of them, the site goes on building at its next start.
 * @throws {Fault} `invalid`: not what can be asked, or with a site that has no rows to compare with
 */
export function repairWork(parts: RepairParts, body: Readonly<Record<string, unknown>>): JobWork {
  const { site, runningOf } = parts;
  const { keyspace, with: other } = parsed(ASKED, body, 'repair');
  const running = runningOf(keyspace);
  const { sites } = running.opened.stores.keyspace;
  const expected = sites.filter(({ role, name }) => role === 'data' && name !== site).map(({ name }) => name);
  if (!expected.includes(other)) {
    const message = `keyspace ${keyspace}: ${site} cannot be compared with "${other}", but with ${expected.join(', ')}`;
    throw new Fault('invalid', message, { got: other, expected });
  }
  return async (tell, signal): Promise<Repaired> => {
    tell({ keyspace, site, with: other, phase: 'comparing' });
    const before = ownOf(parts, await compared(parts, running, other, signal));
    const differed = before.filter(({ verdict }) => verdict === 'DIVERGED').map(({ partition }) => partition);
    if (differed.length > 0) {
      tell({ phase: 'building again', differed });
      await running.buildAgain(differed, `it differs from ${other}'s at equal positions`);
      await readable(parts, running, tell, signal);
      tell({ phase: 'comparing again', waitsFor: null });
    }
    const after = differed.length === 0 ? before : ownOf(parts, await compared(parts, running, other, signal));
    const equal = after.every(({ verdict }) => verdict === 'MATCH');
    return { keyspace, site, with: other, differed, verdicts: after, equal };
  };
}

/** @throws {Fault} `unavailable`: one of the two cannot be compared now, and nothing is built again on the strength of that */
async function compared(
  { site, random, membership }: RepairParts,
  running: RunningKeyspace,
  other: string,
  signal: AbortSignal,
): Promise<Comparison> {
  const { name, partitions } = running.opened.stores.keyspace;
  const asked = { keyspace: name, partitions, sites: [other, site] };
  const comparison = await compareSites({ network: membership.network, random, signal }, asked);
  const silent = comparison.verdicts.find(({ verdict }) => verdict !== 'MATCH' && verdict !== 'DIVERGED');
  if (silent === undefined) return comparison;
  const message = `repair: ${silent.site} cannot be compared, ${silent.verdict}: ${silent.detail ?? ''}; ask again`;
  throw new Fault('unavailable', message, { retryAfterMs: 1_000 });
}

function ownOf({ site }: RepairParts, { verdicts }: Comparison): readonly Verdict[] {
  return verdicts.filter((verdict) => verdict.site === site);
}

/** Until the keyspace is read again here. */
async function readable(
  { clock, site }: RepairParts,
  running: RunningKeyspace,
  tell: (facts: object) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    if (signal.aborted) throw new Fault('unavailable', `repair: ${site} is stopping, and goes on when it starts again`);
    if (running.applier !== null && running.refusal === null) return;
    tell({ waitsFor: running.refusal ?? 'the keyspace is being opened' });
    await clock.sleep(LOOK_MS, signal);
  }
}
