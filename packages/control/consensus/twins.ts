/**
 * Two processes that do the same for one site, as when a second one is started with another data folder on the same
 * log: each would fence the other for ever. Both see each other on the site's heartbeat store, and the one that began later gives
 * way. Pure. The heartbeat store forgets, and so may not tell; it never says that one is there that is not: what a process of
 * before left on it does not change.
 */

import type { Beat } from '../heartbeats/heartbeat-store.ts';

/** Changes of a beat that were seen come from a process that lives; one or two may be of a write that was late. */
export const BEATS_OF_THE_LIVING = 3;

/** A process as far as it matters here. */
export type Doer = {
  readonly process: string;
  readonly roles: readonly string[];
  /** When it began, by its own clock: both sides compare the same two numbers, so they agree whatever the clocks say. */
  readonly beganMs: number;
};

/** Null for a beat that does not say. */
export function doerOf({ process, facts }: Beat): Doer | null {
  const { roles, beganMs } = facts;
  return Array.isArray(roles) && typeof beganMs === 'number' ? { process, roles, beganMs } : null;
}

/** Of the living, the one that `own` has to give way to: it does some of the same, and began before; null: none. */
export function elderOf(own: Doer, living: readonly Beat[]): Beat | null {
  const elders = living.filter((beat) => {
    const other = doerOf(beat);
    if (other === null || other.process === own.process) return false;
    if (!other.roles.some((role) => own.roles.includes(role))) return false;
    return other.beganMs < own.beganMs || (other.beganMs === own.beganMs && other.process < own.process);
  });
  return elders[0] ?? null;
}
