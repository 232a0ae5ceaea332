/**
 * What one site can say of a keyspace's primary, for whoever has to judge a move: the primary's own site is the last to
 * know how it looks from elsewhere, so each move is judged by what all sites say. `/v1/internal/sight/{keyspace}`.
 */

import type { Heard } from '@tidemark/control/consensus/loss-rule';
import { newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { farthest, UNHEARD_MS_MAX } from '@tidemark/control/failover/loss';
import type { Signs } from '@tidemark/control/failover/suspicion';
import type { LastHeard, SiteSight } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import { within } from '@tidemark/platform/sync/deadline';
import type { LastKnownProgress } from './last-known-progress.ts';

/** A log that does not answer within this is out of reach. */
const REACH_MS = 1_000;

type SiteSightParts = {
  readonly site: string;
  readonly clock: Clock;
  /** Whether a site's log answers, with or without the site's processes. */
  readonly reachesLog: (site: string) => Promise<boolean>;
  /** What this site hears of the primary itself; all null at the primary's own. */
  readonly signs: (keyspace: string) => Signs;
  readonly clockTrouble: () => string | null;
  readonly lastKnown: LastKnownProgress;
};

/** This site's sight of the primary; the primary's log gets a bounded time to answer. */
export async function sightHere(parts: SiteSightParts, value: RegisterValue): Promise<SiteSight> {
  const { site, clock, reachesLog, signs, clockTrouble, lastKnown } = parts;
  const term = newestTerm(value);
  return {
    site,
    dataMs: signs(value.keyspace).dataMs,
    clockTrouble: clockTrouble(),
    reachesLog: term !== null && (await within(clock, REACH_MS, reachesLog(term.site)))?.value === true,
    lastHeard: term === null ? null : lastKnown.of(value.keyspace, term.epoch, clock.monotonicMs()),
  };
}

/** What several sites heard last of a primary, as one; null: none of them heard anything. */
export function heardOf({ ack }: RegisterValue, sights: readonly (LastHeard | null)[]): Heard | null {
  const all = sights.filter((sight) => sight !== null);
  if (all.length === 0) return null;
  const rowsPerSecond = Math.max(...all.map((one) => one.rowsPerSecond));
  // One of a local keyspace may have gone on until its lease ran out, however soon somebody asks.
  const unheardMs = ack.k === 0 ? UNHEARD_MS_MAX : Math.min(...all.map((one) => one.silentMs));
  return { ...farthest(all), unheardRows: Math.ceil((rowsPerSecond * unheardMs) / 1_000) };
}
