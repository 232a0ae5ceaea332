/**
 * A moment up to which deletions may be forgotten: every member of the keyspace has applied everything with a smaller
 * stamp (protocol rule 18), so that nothing a tombstone below it hides can arrive any more.
 */

import { stampLow } from '@tidemark/model/stamp';

/** The moment, ordered as stamps are; it only rises. */
export type GcWatermark = {
  /** As in stamps: wall time in ms since 1970, and ticks within it. */
  readonly ms: number;
  readonly counter: number;
};

/** True when a stamp, as it stands in columns, is below the GC watermark. */
export function isBelow(ms: number, low: number, gcWatermark: GcWatermark): boolean {
  return ms < gcWatermark.ms || (ms === gcWatermark.ms && low < stampLow(gcWatermark.counter, 0, 0));
}

/** Negative when `a` is earlier. */
export function compareGcWatermarks(a: GcWatermark, b: GcWatermark): number {
  return a.ms - b.ms || a.counter - b.counter;
}

/** The later one; null stands for "before everything". */
export function laterGcWatermark(a: GcWatermark | null, b: GcWatermark | null): GcWatermark | null {
  if (a === null || b === null) return a ?? b;
  return compareGcWatermarks(a, b) >= 0 ? a : b;
}
