/**
 * Judges who is alive by the reader's own clock: by when it last saw a process's nonce change. No time written by
 * another machine counts, nor that a beat is there at all, as a heartbeat store may keep an old one or show it again.
 */

import type { Beat } from '../heartbeats/heartbeat-store.ts';

/**
 * - `alive`: its nonce changed, or it was first seen to change, no longer ago than the silence allowed
 * - `silent`: the heartbeat store answers and shows it, and the nonce has stood still for longer than that
 * - `unknown`: never seen changing, gone from the heartbeat store, or the heartbeat store itself has not been read for that long
 */
export type Freshness = 'alive' | 'silent' | 'unknown';

/** An earlier nonce that turns up again is an old command executed late, not a beat; so many are remembered. */
const NONCES_KEPT = 16;

/** A process that left the heartbeat store is forgotten after this long. */
const FORGOTTEN_MS = 600_000;

type Arrival = {
  beat: Beat;
  /** Newest last. */
  nonces: number[];
  /** When the nonce was last new to this reader, on its monotonic clock. */
  arrivedMs: number;
  /** False until the nonce has been seen to change: a first sight may be of a beat that is minutes old. */
  hasChanged: boolean;
  isOnBoard: boolean;
};

/** What one reader has heard of every heartbeat store it reads. All times are on its own monotonic clock, in ms. */
export class Arrivals {
  readonly #silenceMsMax: number;
  readonly #arrivals = new Map<string, Map<string, Arrival>>();
  readonly #readMs = new Map<string, number>();

  /** @param silenceMsMax silence allowed; exactly this long still counts as alive */
  constructor(silenceMsMax: number) {
    this.#silenceMsMax = silenceMsMax;
  }

  /** Takes in what a site's heartbeat store showed; not called when it could not be read. */
  observe(site: string, beats: readonly Beat[], nowMs: number): void {
    this.#readMs.set(site, nowMs);
    const arrivals = this.#arrivals.get(site) ?? new Map<string, Arrival>();
    this.#arrivals.set(site, arrivals);
    for (const arrival of arrivals.values()) arrival.isOnBoard = false;
    for (const beat of beats) if (beat.site === site) take(arrivals, beat, nowMs);
    for (const [key, arrival] of arrivals)
      if (!arrival.isOnBoard && nowMs - arrival.arrivedMs > FORGOTTEN_MS) arrivals.delete(key);
  }

  /** Of the processes that have this role at this site, the one heard last. */
  state(site: string, role: string, nowMs: number): Freshness {
    const readMs = this.#readMs.get(site);
    const arrival = this.#newest(site, role);
    if (readMs === undefined || arrival === null) return 'unknown';
    const isQuiet = nowMs - arrival.arrivedMs > this.#silenceMsMax;
    if (!isQuiet) return arrival.hasChanged && arrival.isOnBoard ? 'alive' : 'unknown';
    return arrival.isOnBoard && nowMs - readMs <= this.#silenceMsMax ? 'silent' : 'unknown';
  }

  /** Time since a new beat of this role arrived; since the first sight of it if no new one has; null if never seen. */
  ageMs(site: string, role: string, nowMs: number): number | null {
    const arrival = this.#newest(site, role);
    return arrival === null ? null : Math.max(0, nowMs - arrival.arrivedMs);
  }

  /** The newest beat of this role, however old it is; null if never seen. */
  latest(site: string, role: string): Beat | null {
    return this.#newest(site, role)?.beat ?? null;
  }

  /** The newest beats of a site's processes that have changed so many times at least, and not been silent since. */
  living(site: string, changes: number, nowMs: number): Beat[] {
    const arrivals = [...(this.#arrivals.get(site)?.values() ?? [])];
    return arrivals
      .filter(({ nonces, isOnBoard, arrivedMs }) => {
        return nonces.length > changes && isOnBoard && nowMs - arrivedMs <= this.#silenceMsMax;
      })
      .map(({ beat }) => beat);
  }

  /** Everyone ever heard at a site, in order: its roles. */
  roles(site: string): string[] {
    const roles = [...(this.#arrivals.get(site)?.values() ?? [])].map(({ beat }) => beat.role);
    return [...new Set(roles)].sort();
  }

  // One that was seen to change goes before one that was only found lying there.
  #newest(site: string, role: string): Arrival | null {
    let newest: Arrival | null = null;
    for (const arrival of this.#arrivals.get(site)?.values() ?? [])
      if (arrival.beat.role === role && (newest === null || isNewer(arrival, newest))) newest = arrival;
    return newest;
  }
}

function isNewer(one: Arrival, other: Arrival): boolean {
  if (one.hasChanged !== other.hasChanged) return one.hasChanged;
  return one.arrivedMs > other.arrivedMs;
}

function take(arrivals: Map<string, Arrival>, beat: Beat, nowMs: number): void {
  const key = `${beat.role}:${beat.process}`;
  const arrival = arrivals.get(key);
  if (arrival === undefined) {
    arrivals.set(key, { beat, nonces: [beat.nonce], arrivedMs: nowMs, hasChanged: false, isOnBoard: true });
    return;
  }
  arrival.isOnBoard = true;
  if (arrival.nonces.includes(beat.nonce)) return;
  arrival.nonces.push(beat.nonce);
  if (arrival.nonces.length > NONCES_KEPT) arrival.nonces.shift();
  arrival.beat = beat;
  arrival.arrivedMs = nowMs;
  arrival.hasChanged = true;
}
