/**
 * The smallest stamp of what is in memtables only. A purge keeps below it: what is not flushed may be older than a
 * tombstone in a segment, and after a crash it arrives again.
 */

import type { Stamp } from '@tidemark/model/stamp';
import { compareGcWatermarks, type GcWatermark } from '../gc-watermark.ts';

/** Keeps the smallest stamp apart for what is being written and for what came since. */
export class Unflushed {
  #active: GcWatermark | null = null;
  #flushing: GcWatermark | null = null;

  /** Rows were applied, the smallest of their stamps is this. */
  note({ ms, counter }: Stamp): void {
    if (this.#active === null || compareGcWatermarks({ ms, counter }, this.#active) < 0) this.#active = { ms, counter };
  }

  /** What was noted so far is being written; what is noted from now on belongs to the next flush. */
  begin(): void {
    this.#flushing = this.oldest;
    this.#active = null;
  }

  /** It is on disk, or it is still in memory. */
  end(isWritten: boolean): void {
    if (!isWritten) this.#active = this.oldest;
    this.#flushing = null;
  }

  /** Null when nothing is in memory only. */
  get oldest(): GcWatermark | null {
    const [a, b] = [this.#active, this.#flushing];
    if (a === null || b === null) return a ?? b;
    return compareGcWatermarks(a, b) <= 0 ? a : b;
  }

  /** As much of the GC watermark as lies below everything that is in memory only. */
  bounded(gcWatermark: GcWatermark | null): GcWatermark | null {
    const { oldest } = this;
    if (gcWatermark === null || oldest === null) return gcWatermark;
    return compareGcWatermarks(gcWatermark, oldest) <= 0 ? gcWatermark : oldest;
  }
}
