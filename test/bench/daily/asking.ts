/** How many of a thing are done in a second by so many askers, and how long each waits. */

import { type Figure, figureOf, percentile } from '../measure.ts';

/** One that asks: the n-th time for what `n` says. */
export type Asker = (n: number) => Promise<unknown>;

/** A second, and a millisecond at most, of one run. */
export type Asked = { readonly rate: number; readonly p50Ms: number; readonly p99Ms: number };

/** All askers at once, each one thing after the other, until `count` are done. */
export async function askedBy(askers: readonly Asker[], count: number): Promise<Asked> {
  const waits = new Float64Array(count);
  let next = 0;
  const lane = async (ask: Asker): Promise<void> => {
    while (next < count) {
      const n = next++;
      const startMs = performance.now();
      await ask(n);
      waits[n] = performance.now() - startMs;
    }
  };
  const startMs = performance.now();
  await Promise.all(askers.map(lane));
  const rate = (count / (performance.now() - startMs)) * 1_000;
  waits.sort();
  return { rate, p50Ms: percentile(waits, 0.5), p99Ms: percentile(waits, 0.99) };
}

/** Several runs: the middle one of each. */
export type AskedFigures = { readonly rate: Figure; readonly p50Ms: number; readonly p99Ms: number };

export function figuresOf(runs: readonly Asked[]): AskedFigures {
  return {
    rate: figureOf(runs.map(({ rate }) => rate)),
    p50Ms: figureOf(runs.map(({ p50Ms }) => p50Ms)).median,
    p99Ms: figureOf(runs.map(({ p99Ms }) => p99Ms)).median,
  };
}
