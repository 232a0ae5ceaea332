/** How old writes are when they are applied here, as quantiles of the last minute and of the whole run. */

import type { Clock } from '@tidemark/platform/clock';

/** Each bucket is 5 % wider than the one before: quantiles are right to within that. */
const GROWTH = 1.05;
const BUCKETS = 400;
const SLICE_MS = 10_000;
const SLICES = 6;

/** Of `count` samples; in ms here. */
export type Quantiles = { readonly count: number; readonly p50: number; readonly p99: number };

/** Counts of durations in ms, in buckets. Negative ones (clocks of two machines differ) count as 0. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;

  add(ms: number): void {
    this.#counts[bucketOf(ms)]!++;
    this.#count++;
  }

  addAll(other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i]! += other.#counts[i]!;
    this.#count += other.#count;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
  }

  /** In ms, to within 5 % upward; 0 when nothing was counted, which `count` tells apart. */
  quantiles(): Quantiles {
    return { count: this.#count, p50: this.#quantile(0.5), p99: this.#quantile(0.99) };
  }

  #quantile(share: number): number {
    const wanted = Math.ceil(this.#count * share);
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#counts[i]!;
      if (seen >= wanted && seen > 0) return i === 0 ? 0 : Math.round(GROWTH ** (i - 1) * 10) / 10;
    }
    return 0;
  }
}

function bucketOf(ms: number): number {
  if (ms <= 1) return ms <= 0 ? 0 : 1;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(ms) / Math.log(GROWTH)) + 1);
}

/** Lag of what has been applied: now − stamp, taken when a record is applied. */
export class Lag {
  readonly #clock: Clock;
  readonly #run = new Histogram();
  readonly #slices = Array.from({ length: SLICES }, () => new Histogram());
  #slice = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#slice = this.#now();
  }

  add(stampMs: number): void {
    this.#roll();
    const ms = this.#clock.nowMs() - stampMs;
    this.#run.add(ms);
    this.#slices[this.#slice % SLICES]!.add(ms);
  }

  /** `minute` covers the last 50 to 60 s. */
  quantiles(): { readonly minute: Quantiles; readonly run: Quantiles } {
    this.#roll();
    const minute = new Histogram();
    for (const slice of this.#slices) minute.addAll(slice);
    return { minute: minute.quantiles(), run: this.#run.quantiles() };
  }

  #now(): number {
    return Math.floor(this.#clock.monotonicMs() / SLICE_MS);
  }

  /** Empties the slices whose time has come round. */
  #roll(): void {
    const now = this.#now();
    for (let i = Math.max(this.#slice + 1, now - SLICES + 1); i <= now; i++) this.#slices[i % SLICES]!.clear();
    this.#slice = now;
  }
}
