/** Percentiles of many durations in a fixed amount of memory. */

/** Each bucket is 2 % wider than the one before: 1 µs to over an hour in 1,200 of them. */
const GROWTH = 1.02;
const SMALLEST_MS = 0.001;
const BUCKETS = 1_200;

/** Durations in ms, counted in buckets; a percentile is right to 2 %. */
export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / Math.log(GROWTH));
    this.#counts[Math.min(BUCKETS - 1, bucket)]!++;
    this.#total++;
  }

  /** The duration that `fraction` of all do not exceed, in ms; null when there is none. */
  percentileMs(fraction: number): number | null {
    let left = Math.ceil(this.#total * fraction);
    if (left === 0) return null;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) return Number((SMALLEST_MS * GROWTH ** bucket).toPrecision(3));
    }
    return null;
  }
}
