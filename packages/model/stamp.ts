/**
 * Stamps: a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) with the writer as the tie-break.
 * The larger stamp wins a cell.
 */

import type { Clock } from '@tidemark/platform/clock';

/**
 * Orders two writes to one cell: the later `ms` wins, then `counter`, then `site`, then `writer`. A writer never uses
 * an (ms, counter) twice, so two different writes never tie.
 */
export type Stamp = {
  /** Wall time in ms since 1970, 48 bits. */
  readonly ms: number;
  /** 0–65,535 within the ms. */
  readonly counter: number;
  /** Site number, 0–255. */
  readonly site: number;
  /** The epoch its writer led in, 24 bits: unique to one writer process. */
  readonly writer: number;
};

const COUNTER_SPAN = 65_536;

/**
 * A stamp takes two doubles in columns: `ms`, and this, its lower 48 bits (counter, site, writer) as a whole number.
 * Ordering by `ms` and then by this is ordering by stamp.
 */
export function stampLow(counter: number, site: number, writer: number): number {
  return counter * 4_294_967_296 + site * 16_777_216 + writer;
}

/** The stamp of its two stored numbers: `low` is counter × 2³² + site × 2²⁴ + writer, as `stampLow` makes it. */
export function stampFromColumns(ms: number, low: number): Stamp {
  const counter = Math.floor(low / 4_294_967_296);
  const rest = low - counter * 4_294_967_296;
  return { ms, counter, site: Math.floor(rest / 16_777_216), writer: rest % 16_777_216 };
}

/** Negative when `a` is smaller. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.ms - b.ms || a.counter - b.counter || a.site - b.site || a.writer - b.writer;
}

/** The moment `offset` ticks after (ms, counter); 65,536 ticks make one ms. */
export function tickAfter(ms: number, counter: number, offset: number): { ms: number; counter: number } {
  const ticks = counter + offset;
  return { ms: ms + Math.floor(ticks / COUNTER_SPAN), counter: ticks % COUNTER_SPAN };
}

/** `1700000000000.17@2.5`: ms.counter@site.writer. */
export function formatStamp(stamp: Stamp): string {
  return `${stamp.ms}.${stamp.counter}@${stamp.site}.${stamp.writer}`;
}

/** Gives each tick once, strictly rising, never behind the wall clock. */
export class StampClock {
  #ms = 0;
  #counter = 0;
  readonly #clock: Clock;
  readonly #isRight: () => boolean;

  /** @param isRight false while the wall clock is not to be followed: ticks go on rising from the last one */
  constructor(clock: Clock, isRight: () => boolean = () => true) {
    this.#clock = clock;
    this.#isRight = isRight;
  }

  /** Takes `count` consecutive ticks (≥ 1) and returns the first. */
  take(count: number): { ms: number; counter: number } {
    // Once a tick is an hour ahead, all later ones are: a wrong clock would outlive its mending.
    const nowMs = this.#ms === 0 || this.#isRight() ? this.#clock.nowMs() : this.#ms;
    if (nowMs > this.#ms) {
      this.#ms = nowMs;
      this.#counter = 0;
    }
    const first = { ms: this.#ms, counter: this.#counter };
    const next = tickAfter(this.#ms, this.#counter, count);
    this.#ms = next.ms;
    this.#counter = next.counter;
    return first;
  }

  /** Lifts the clock above a tick seen elsewhere, so that what is written next wins over it. */
  liftAbove(ms: number, counter: number): void {
    const above = tickAfter(ms, counter, 1);
    if (above.ms > this.#ms || (above.ms === this.#ms && above.counter > this.#counter)) {
      this.#ms = above.ms;
      this.#counter = above.counter;
    }
  }

  /** How far the clock runs ahead of the wall, in ms; 0 when it does not. */
  aheadMs(): number {
    return Math.max(0, this.#ms - this.#clock.nowMs());
  }
}
