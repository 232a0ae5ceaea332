/**
 * As of when a keyspace can be read here: the stamp of the newest BARRIER whose heads are all applied. A barrier is
 * the writer's word that nothing with a smaller stamp follows beyond those heads.
 */

import { comparePositions, type Position } from '@tidemark/model/position';

/** A moment on the hybrid clock; the later `ms` wins, then `counter`. */
export type Tick = { readonly ms: number; readonly counter: number };

/** A BARRIER that has been applied. */
export type Barrier = {
  readonly origin: string;
  /** Its place in partition 0. */
  readonly at: Position;
  readonly stamp: Tick;
  /** By partition: seq in the barrier's epoch, −1 for none. */
  readonly heads: readonly number[];
};

/** A BARRIER whose heads are all applied. */
export type Reached = Barrier & {
  /** When that was, on the monotonic clock. */
  readonly monotonicMs: number;
};

/** Most barriers that wait for their heads; beyond it every second one is forgotten, so that asOf moves in longer steps. */
const WAITING_MAX = 1024;

/** The closed timestamp of one keyspace here, from barriers noticed and heads applied. */
export class ClosedTimestamp {
  #current: Barrier | null = null;
  readonly #reached = new Map<string, Reached>();
  readonly #newest = new Map<string, Barrier>();
  readonly #waiting = new Map<string, Barrier[]>();
  #before: Barrier | null;
  readonly #isCutOff: (barrier: Barrier) => boolean;

  /**
   * @param before one whose heads had been applied when an earlier process ran, and which need not be read again: it is
   *   reached once they are applied, if it is not beyond an epoch end by then
   */
  constructor(before: Barrier | null = null, isCutOff: (barrier: Barrier) => boolean = () => false) {
    this.#before = before;
    this.#isCutOff = isCutOff;
  }

  /** Null until the first barrier's heads are applied. Never goes back. */
  get current(): Tick | null {
    return this.#current?.stamp ?? null;
  }

  /** The barrier that `current` is the stamp of. */
  get barrier(): Barrier | null {
    return this.#current;
  }

  /** Epoch of the barrier that `current` is the stamp of; 0 before. */
  get epoch(): number {
    return this.#current?.at.epoch ?? 0;
  }

  /** The newest of the origin's barriers whose heads are all applied, or null. */
  reached(origin: string): Reached | null {
    return this.#reached.get(origin) ?? null;
  }

  /** The newest of the origin's barriers that was applied itself, or null. */
  newest(origin: string): Barrier | null {
    return this.#newest.get(origin) ?? null;
  }

  /** Takes a barrier that has been applied itself; an origin's come in order. */
  add(barrier: Barrier): void {
    const waiting = this.#waiting.get(barrier.origin) ?? [];
    const thinned = waiting.length < WAITING_MAX ? waiting : waiting.filter((_, i) => i % 2 === 1);
    thinned.push(barrier);
    this.#newest.set(barrier.origin, barrier);
    this.#waiting.set(barrier.origin, thinned);
  }

  /**
   * Looks which waiting barriers have all their heads applied.
   * @param applied how far an origin's partition has been applied here
   * @param nowMs on the monotonic clock
   */
  settle(applied: (origin: string, partition: number) => Position, nowMs: number): void {
    for (const [origin, waiting] of this.#waiting) {
      let count = 0;
      while (count < waiting.length && covers(waiting[count]!, applied)) count++;
      if (count === 0) continue;
      const newest = waiting[count - 1]!;
      waiting.splice(0, count);
      this.#reached.set(origin, { ...newest, monotonicMs: nowMs });
      this.#take(newest);
    }
    if (this.#before === null || !covers(this.#before, applied)) return;
    if (!this.#isCutOff(this.#before)) this.#take(this.#before);
    this.#before = null;
  }

  #take(barrier: Barrier): void {
    if (this.#current === null || compareTicks(barrier.stamp, this.#current.stamp) > 0) this.#current = barrier;
  }
}

/** Negative when `a` is earlier. */
export function compareTicks(a: Tick, b: Tick): number {
  return a.ms - b.ms || a.counter - b.counter;
}

function covers(barrier: Barrier, applied: (origin: string, partition: number) => Position): boolean {
  const { epoch } = barrier.at;
  return barrier.heads.every((seq, partition) => {
    return seq < 0 || comparePositions(applied(barrier.origin, partition), { epoch, seq }) >= 0;
  });
}
