/**
 * One page of a range, read at once: heads in segments and memtables go through it side by side, and stretches of rows
 * that only one of them has are taken together. What it costs follows from the rows that it gives.
 */

import type { Table } from '@tidemark/model/table';
import { rawOfChunk } from '../encoding/chunk.ts';
import { keyKindsOf } from '../key/key-search.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { BlocksAtHand } from './blocks-at-hand.ts';
import { emptyRow, fill, fillShared, wantedOf } from './fill.ts';
import { MemtableHead } from './memtable-head.ts';
import type { RangePage, RangeWish, RowValues } from './range-wish.ts';
import { RowOfHeads } from './row-of-heads.ts';
import { SegmentHead } from './segment-head.ts';

/** Rows that are taken together at most: a page may end in the midst of them. */
const STRETCH_ROWS = 64;

/** What a partition is made of at one moment. */
export type RangeSources = {
  readonly table: Table;
  readonly segments: readonly LiveSegment[];
  /** Their rows can be had in order at once (`SortedRuns.of`). */
  readonly memtables: readonly Memtable[];
};

/**
 * A page of what there is; undefined when something has to be read first, as `atHand` knows.
 * @param scannedMax once so many rows were looked at it ends, however few it gives
 * @throws {Fault} `corrupt`: a segment lacks a part of its keys
 */
export function rangePage(
  sources: RangeSources,
  wish: RangeWish,
  scannedMax: number,
  atHand: BlocksAtHand,
): RangePage | undefined {
  const read = new RangeRead(sources.table, wish, atHand);
  return read.start(sources, atHand) ? read.page(scannedMax) : undefined;
}

class RangeRead {
  readonly #wish: RangeWish;
  readonly #made: RowOfHeads;
  readonly #step: 1 | -1;
  /** In the order of the keys that they are at. */
  readonly #heads: (SegmentHead | MemtableHead)[] = [];
  /** Those that are at the next key, and the one that comes first behind them. */
  readonly #same: (SegmentHead | MemtableHead)[] = [];
  #other: SegmentHead | MemtableHead | null = null;
  readonly #rows: RowValues[] = [];
  /** Of each row behind the weighed ones, its number in its block or memtable. */
  readonly #numbers: number[] = [];
  /** Rows that pass, and whose bytes are counted. */
  #weighed = 0;
  #bytes = 0;
  /** Rows of the page at most: fewer, once its bytes are enough. */
  #limit: number;
  #after: Uint8Array | null = null;
  #scanned = 0;
  #isUnfinished = false;

  constructor(table: Table, wish: RangeWish, atHand: BlocksAtHand) {
    this.#wish = wish;
    this.#limit = wish.limit;
    this.#step = wish.bounds.direction === 'ascending' ? 1 : -1;
    this.#made = new RowOfHeads(table, wish.columns, atHand);
  }

  /** Everything is at its first row. False after a miss. */
  start({ table, segments, memtables }: RangeSources, atHand: BlocksAtHand): boolean {
    const { bounds, columns } = this.#wish;
    const wanted = wantedOf(columns);
    const kinds = keyKindsOf(table);
    const started: (SegmentHead | MemtableHead)[] = [];
    for (const live of segments) {
      const head = new SegmentHead(live, bounds, wanted, kinds, atHand);
      if (head.start() === true) started.push(head);
    }
    if (atHand.isMissing) return false;
    for (const memtable of memtables) {
      for (const run of memtable.runs.of(memtable.rowCount)!) {
        const head = new MemtableHead(memtable, run, bounds);
        if (head.start()) started.push(head);
      }
    }
    for (const head of started) this.#place(head);
    return true;
  }

  page(scannedMax: number): RangePage | undefined {
    let isDone: boolean | undefined = false;
    while (isDone === false && this.#heads.length > 0) isDone = this.#next(scannedMax);
    if (isDone === undefined) return undefined;
    if (this.#rows.length > this.#limit) this.#rows.length = this.#limit;
    const after = isDone ? this.#after : null;
    return { rows: this.#rows, after, scanned: this.#scanned, bytes: this.#bytes, isUnfinished: this.#isUnfinished };
  }

  /** Takes what comes next. True when the page ends there, though there is more; undefined after a miss. */
  #next(scannedMax: number): boolean | undefined {
    this.#choose();
    const same = this.#same;
    const head = same[0]!;
    const count = same.length > 1 ? 1 : head.count(this.#other?.key ?? null, this.#wanted);
    if (!this.#take(head, count)) return undefined;
    this.#scanned += count;
    if (this.#weigh(head)) return true;
    const last = this.#scanned < scannedMax ? null : lastKey(head, count);
    if (!this.#advance(count)) return undefined;
    if (last === null || this.#heads.length === 0) return false;
    // Of the rows given so far none is left out: it goes on behind the last that was looked at.
    this.#after = last;
    this.#isUnfinished = true;
    return true;
  }

  /** Those that were taken from move on, each to its new place. False after a miss. */
  #advance(count: number): boolean {
    const same = this.#same;
    const heads = this.#heads;
    if (heads.length === 1) {
      const isLeft = heads[0]!.advance(count);
      if (isLeft === false) heads.length = 0;
      return isLeft !== undefined;
    }
    heads.splice(0, same.length);
    for (let i = 0; i < same.length; i++) {
      const isLeft = same[i]!.advance(count);
      if (isLeft === undefined) return false;
      if (isLeft) this.#place(same[i]!);
    }
    return true;
  }

  /** Rows that may be taken together: one more than the page has tells that there is more. */
  get #wanted(): number {
    if (this.#wish.passes !== null) return STRETCH_ROWS;
    return Math.min(STRETCH_ROWS, this.#limit + 1 - this.#rows.length);
  }

  /** The first of the heads, which are in order, and those that are at the same key. */
  #choose(): void {
    const heads = this.#heads;
    const same = this.#same;
    same.length = 1;
    same[0] = heads[0]!;
    while (same.length < heads.length && orderOf(heads[same.length]!, same[0]!) === 0) same.push(heads[same.length]!);
    this.#other = heads[same.length] ?? null;
  }

  /** Puts a head in its place among those that are in order. Mostly that is the first, or near it. */
  #place(head: SegmentHead | MemtableHead): void {
    const heads = this.#heads;
    let at = 0;
    while (at < heads.length && orderOf(head, heads[at]!) * this.#step > 0) at++;
    heads.splice(at, 0, head);
  }

  /** False after a miss. */
  #take(head: SegmentHead | MemtableHead, count: number): boolean {
    if (this.#same.length > 1) {
      const row = this.#made.of(this.#same);
      if (row !== null && row !== undefined) this.#add(row, head instanceof SegmentHead ? head.row : head.row());
      return row !== undefined;
    }
    if (head instanceof SegmentHead) {
      this.#takeStored(head, count);
      return true;
    }
    for (let ahead = 0; ahead < count; ahead++) {
      const number = head.row(ahead);
      const row = this.#made.ofMemtable(head.memtable, number);
      if (row !== null) this.#add(row, number);
    }
    return true;
  }

  #add(row: RowValues, number: number): void {
    this.#rows.push(row);
    this.#numbers.push(number);
  }

  #takeStored(head: SegmentHead, count: number): void {
    const { puts, cells } = head;
    const { columns } = this.#wish;
    const first = this.#rows.length;
    for (let i = 0; i < count; i++) {
      const row = head.row + this.#step * i;
      if (!head.isLive(row) || (puts !== null && (Number(rawOfChunk(puts, row)) & 1) === 0)) continue;
      this.#add(emptyRow(columns.length), row);
    }
    for (let i = 0; i < cells.length; i++) {
      const { place, chunk } = cells[i]!;
      fill(this.#rows, first, this.#numbers, place, chunk, columns[place]!, head);
    }
    if (head.shared !== null) fillShared(this.#rows, first, this.#numbers, columns, head);
  }

  /** Leaves out rows that do not pass, and counts bytes. True when there are more rows than the page has. */
  #weigh(head: SegmentHead | MemtableHead): boolean {
    const { passes, bytesMax } = this.#wish;
    const rows = this.#rows;
    let kept = this.#weighed;
    for (let i = kept; i < rows.length; i++) {
      const row = rows[i]!;
      if (passes !== null && !passes(row)) continue;
      rows[kept++] = row;
      if (bytesMax !== Number.POSITIVE_INFINITY && kept <= this.#limit) {
        this.#bytes += bytesOf(row);
        if (this.#bytes >= bytesMax) this.#limit = kept;
      }
      if (kept === this.#limit) this.#after = keyOf(head, this.#numbers[i - this.#weighed]!);
    }
    rows.length = kept;
    this.#weighed = kept;
    this.#numbers.length = 0;
    return kept > this.#limit;
  }
}

/** Order of the keys that two are at. That of a memtable lies there whole; that of a segment is not put together for one. */
function orderOf(a: SegmentHead | MemtableHead, b: SegmentHead | MemtableHead): number {
  return a instanceof MemtableHead && !(b instanceof MemtableHead) ? -b.compare(a.key) : a.compare(b.key);
}

function bytesOf(row: RowValues): number {
  let bytes = 0;
  for (const value of row)
    if (typeof value === 'string' || (typeof value === 'object' && value !== null)) bytes += value.length;
  return bytes;
}

/** The key of a row by its number in the head's block or memtable. */
function keyOf(head: SegmentHead | MemtableHead, number: number): Uint8Array {
  return head instanceof SegmentHead ? head.keyOf(number) : new Uint8Array(head.memtable.keys.bytesAt(number));
}

/** The key of the last of so many rows from the current one on. */
function lastKey(head: SegmentHead | MemtableHead, count: number): Uint8Array {
  return keyOf(head, head instanceof SegmentHead ? head.rowAhead(count - 1) : head.row(count - 1));
}
