/**
 * How far a site is behind an origin. A lag is only worth showing if it cannot be small by mistake: when barriers stop
 * arriving, whatever the reason, it grows with the time since the last one, and it is never a comfortable zero.
 */

/** What an applier knows of one origin. */
export type Heard = {
  /** Stamp of the origin's newest applied BARRIER: everything it wrote with a smaller stamp is applied. ms since 1970. */
  readonly barrierMs: number;
  /** When that barrier was applied, on the reader's monotonic clock. */
  readonly heardMs: number;
  /** True when the local copy of the origin's log has nothing further to apply. */
  readonly isCaughtUp: boolean;
};

/** The reader's own clocks, read together. */
export type Now = { readonly wallMs: number; readonly monotonicMs: number };

/**
 * - `live`: barriers keep arriving; the lag is measured
 * - `stale`: they have stopped; the lag is the least it can be, and it grows
 * - `unknown`: none was ever applied, so there is nothing to measure from
 */
export type Lag =
  | { readonly lagMs: number; readonly state: 'live' | 'stale' }
  | { readonly lagMs: null; readonly state: 'unknown' };

/** An idle origin sends a barrier every second; three missing ones in a row are no accident. */
export const QUIET_MS_MAX = 3_000;

/**
 * The lag of a site behind an origin, in whole ms, rounded up.
 *
 * It is the larger of two readings. The age of the barrier's stamp by the wall clock counts all that lies between
 * the origin's promise and now, the mirror's backlog included, but compares two machines' clocks (kept within 500 ms
 * of each other). The time since the barrier was applied compares nothing, and grows when anything stops, so a slow
 * clock can hide neither a dead link nor a dead origin. With a backlog in the local copy it is at least 1.
 *
 * Worked example: an idle origin's barrier of 12:00:00.000 applied at 12:00:00.040 shows 40 then, 1,040 a second later
 * just before the next one, and 60,000 a minute later if there was no next one.
 *
 * @param heard null when no barrier of this origin was applied since this process started
 * @param quietMsMax silence after which the reading is `stale`; exactly this long is still `live`
 */
export function lagOf(heard: Heard | null, now: Now, quietMsMax: number = QUIET_MS_MAX): Lag {
  if (heard === null) return { lagMs: null, state: 'unknown' };
  const sinceHeardMs = Math.max(0, now.monotonicMs - heard.heardMs);
  const lagMs = Math.ceil(Math.max(sinceHeardMs, now.wallMs - heard.barrierMs, heard.isCaughtUp ? 0 : 1));
  return { lagMs, state: sinceHeardMs <= quietMsMax ? 'live' : 'stale' };
}
