/** Where a merge stands in a source; a block's keys are read only when its range is not enough to tell. */

import { compareRanges } from '../row/bytes.ts';
import type { Rows, Want } from '../row/rows.ts';
import type { Source } from '../row/source.ts';

type CursorBounds = {
  readonly from?: Uint8Array | null;
  readonly to?: Uint8Array | null;
  readonly skip?: (source: Source, block: number) => Promise<boolean>;
};

/** One source's place in a merge: a block and a row in it; `start` says whether there is any. */
export class Cursor {
  readonly source: Source;
  block = 0;
  /** The row in the block. */
  at = 0;
  readonly #want: Want;
  readonly #bounds: CursorBounds;
  #rows: Rows | null = null;
  /** The current key. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #length = 0;

  constructor(source: Source, want: Want, bounds: CursorBounds) {
    this.source = source;
    this.#want = want;
    this.#bounds = bounds;
  }

  get blockRowCount(): number {
    return this.source.blocks[this.block]!.rowCount;
  }

  /** Goes to the first row within the bounds. False when there is none. */
  async start(): Promise<boolean> {
    const { blocks } = this.source;
    const { from } = this.#bounds;
    if (from === undefined || from === null) return this.#enter(0);
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(blocks[middle]!.last, from) < 0) low = middle + 1;
      else high = middle;
    }
    if (!(await this.#enter(low))) return false;
    if (compare(this.source.blocks[this.block]!.first, from) >= 0) return true;
    return this.moveTo(this.#firstAtOrAfter(await this.load(), from, 0, 0, from.length));
  }

  /** The block it is in, once read; null before. */
  get rows(): Rows | null {
    return this.#rows;
  }

  /** Reads the block it is in. */
  async load(): Promise<Rows> {
    this.#rows = await this.source.read(this.block, this.#want);
    this.#takeKey();
    return this.#rows;
  }

  /**
   * Goes to that row of the block, or to the next block when it is beyond it. False at the end. Only the latter makes a
   * promise: this is called for every row of a merge.
   */
  moveTo(row: number): boolean | Promise<boolean> {
    if (row >= this.blockRowCount) return this.#enter(this.block + 1);
    this.at = row;
    this.#takeKey();
    return this.#isWithin();
  }

  compareKey(other: Cursor): number {
    return compareRanges(this.#bytes, this.#start, this.#length, other.#bytes, other.#start, other.#length);
  }

  compareRow(rows: Rows, row: number): number {
    const { arena, starts, lengths } = rows.keys;
    return compareRanges(this.#bytes, this.#start, this.#length, arena, starts[row]!, lengths[row]!);
  }

  /** True when the whole block, unread, comes before every other source's next key and lies within the bounds. */
  standsAlone(other: Cursor | null): boolean {
    if (this.at !== 0 || this.#rows !== null) return false;
    const { last } = this.source.blocks[this.block]!;
    const { to } = this.#bounds;
    if (to !== undefined && to !== null && compare(last, to) >= 0) return false;
    return other === null || compareRanges(last, 0, last.length, other.#bytes, other.#start, other.#length) < 0;
  }

  /** The first row of the (read) block whose key is not before the other's and not beyond the bounds. */
  stretchEnd(other: Cursor | null): number {
    const rows = this.#rows!;
    let end = rows.rowCount;
    if (other !== null) end = this.#firstAtOrAfter(rows, other.#bytes, this.at, other.#start, other.#length);
    const { to } = this.#bounds;
    if (to === undefined || to === null || compare(this.source.blocks[this.block]!.last, to) < 0) return end;
    return Math.min(end, this.#firstAtOrAfter(rows, to, this.at, 0, to.length));
  }

  /** Gallops from `from`: cheap when the answer is near. */
  #firstAtOrAfter(rows: Rows, bytes: Uint8Array, from: number, start: number, length: number): number {
    const { arena, starts, lengths } = rows.keys;
    const isBefore = (row: number): boolean =>
      compareRanges(arena, starts[row]!, lengths[row]!, bytes, start, length) < 0;
    let low = from;
    let step = 1;
    while (low + step <= rows.rowCount && isBefore(low + step - 1)) {
      low += step;
      step *= 2;
    }
    let high = Math.min(rows.rowCount, low + step - 1);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #enter(block: number): Promise<boolean> {
    this.#rows = null;
    this.at = 0;
    for (this.block = block; this.block < this.source.blocks.length; this.block++) {
      if ((await this.#bounds.skip?.(this.source, this.block)) === true) continue;
      const { first } = this.source.blocks[this.block]!;
      this.#bytes = first;
      this.#start = 0;
      this.#length = first.length;
      return this.#isWithin();
    }
    return false;
  }

  #takeKey(): void {
    const { keys } = this.#rows!;
    this.#bytes = keys.arena;
    this.#start = keys.starts[this.at]!;
    this.#length = keys.lengths[this.at]!;
  }

  #isWithin(): boolean {
    const { to } = this.#bounds;
    return (
      to === undefined || to === null || compareRanges(this.#bytes, this.#start, this.#length, to, 0, to.length) < 0
    );
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

/** Cursors, the one at the smallest key on top. */
export class CursorHeap {
  readonly #cursors: Cursor[] = [];

  get size(): number {
    return this.#cursors.length;
  }

  get top(): Cursor {
    return this.#cursors[0]!;
  }

  push(cursor: Cursor): void {
    const heap = this.#cursors;
    let at = heap.push(cursor) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (heap[above]!.compareKey(cursor) <= 0) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = cursor;
  }

  pop(): Cursor {
    const heap = this.#cursors;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.compareKey(heap[below]!) < 0) below++;
      if (heap[below]!.compareKey(last) >= 0) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return top;
  }
}
