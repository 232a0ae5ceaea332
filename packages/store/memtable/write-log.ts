/**
 * The stamps of a memtable's writes, by their numbers. Writes of one record follow one another by ticks, so a record's
 * stamp is kept once, and 4 bytes a write only where rows of the record went elsewhere.
 */

import type { RowBatch } from '@tidemark/columnar/row-batch';
import { type Stamp, stampLow } from '@tidemark/model/stamp';

const COUNTER_SPAN = 65_536;
const COUNTER_UNIT = 4_294_967_296;
const FIRST_RECORDS = 16;
/** Writes of a page: from its first write's record on, that of any other is near. */
const PAGE_BITS = 6;

/** Write numbers to stamps; numbers rise with each write applied and say nothing about which stamp is larger. */
export class WriteLog {
  /** The number of the next write; 0 is none, older than every other. */
  count = 1;
  #records = 0;
  /** Per record: the number of its first write, and the stamp of tick 0: ms, counter, and site and writer. */
  #firsts = new Uint32Array(FIRST_RECORDS);
  #ms = new Float64Array(FIRST_RECORDS);
  #counters = new Float64Array(FIRST_RECORDS);
  #tails = new Float64Array(FIRST_RECORDS);
  /** Ticks of its writes, where write i is not simply i ticks after the first. */
  readonly #ticks = new Map<number, Uint32Array>();
  #ticksBytes = 0;
  /** The record found last: neighbours are asked for together. */
  #last = 0;
  /** No stamp so far is larger. */
  #maxMs = -1;
  #maxLow = 0;
  /** The smallest stamp of the first so many records. */
  #min: readonly [number, number] | null = null;
  #lookedAt = 0;
  /** The record of every PAGE-th write, once asked for. */
  #pages = new Uint32Array(0);

  get memoryBytes(): number {
    return this.#firsts.length * 28 + this.#ticksBytes;
  }

  /**
   * Numbers for the rows of a record.
   * @returns the first of them, and whether each write has a larger stamp than all before it
   */
  add({ rowCount, stampOffsets }: RowBatch, stamp: Stamp): { readonly first: number; readonly isNewest: boolean } {
    const start = stampOffsets[0] ?? 0;
    const tail = stampLow(0, stamp.site, stamp.writer);
    const record = this.#addRecord(stamp.ms, stamp.counter + start, tail);
    let isRising = true;
    let isPlain = true;
    let most = start;
    for (let i = 1; i < rowCount; i++) {
      const offset = stampOffsets[i]!;
      isRising &&= offset > most;
      isPlain &&= offset === start + i;
      if (offset > most) most = offset;
    }
    if (!isPlain)
      this.#keepTicks(
        record,
        stampOffsets.slice(0, rowCount).map((offset) => offset - start),
      );
    const first = this.#take(rowCount);
    if (rowCount === 0) return { first, isNewest: true };
    const isNewest = isRising && this.#isAboveAll(stamp.ms, stamp.counter + start, tail);
    this.#raise(stamp.ms, stamp.counter + most, tail);
    return { first, isNewest };
  }

  #isAboveAll(ms: number, ticks: number, tail: number): boolean {
    const own = ms + Math.floor(ticks / COUNTER_SPAN);
    return own > this.#maxMs || (own === this.#maxMs && (ticks % COUNTER_SPAN) * COUNTER_UNIT + tail > this.#maxLow);
  }

  #raise(ms: number, ticks: number, tail: number): void {
    if (!this.#isAboveAll(ms, ticks, tail)) return;
    this.#maxMs = ms + Math.floor(ticks / COUNTER_SPAN);
    this.#maxLow = (ticks % COUNTER_SPAN) * COUNTER_UNIT + tail;
  }

  /** All writes of another log; write i of it becomes i + the result. */
  append(other: WriteLog): number {
    const shift = this.count - 1;
    for (let i = 0; i < other.#records; i++) {
      const record = this.#addRecord(other.#ms[i]!, other.#counters[i]!, other.#tails[i]!);
      this.#firsts[record] = other.#firsts[i]! + shift;
      const ticks = other.#ticks.get(i);
      if (ticks !== undefined) this.#keepTicks(record, ticks);
    }
    this.#take(other.count - 1);
    this.#raise(other.#maxMs, Math.floor(other.#maxLow / COUNTER_UNIT), other.#maxLow % COUNTER_UNIT);
    return shift;
  }

  /**
   * The stamps of the writes that `writeOf` names for some rows, into `ms` and `low`; write 0 changes nothing. No more
   * writes are added after that.
   */
  stampsOf(writeOf: Uint32Array, rows: Uint32Array, ms: Float64Array, low: Float64Array): void {
    if (this.#pages.length === 0) this.#fillPages();
    const pages = this.#pages;
    const firsts = this.#firsts;
    const counters = this.#counters;
    const millis = this.#ms;
    const tails = this.#tails;
    const end = this.#records;
    const isTicked = this.#ticks.size > 0;
    for (let i = 0; i < rows.length; i++) {
      const write = writeOf[rows[i]!]!;
      if (write === 0) continue;
      let record = pages[write >>> PAGE_BITS]!;
      while (record + 1 < end && firsts[record + 1]! <= write) record++;
      const ticks = isTicked ? this.#counterAt(write) : counters[record]! + (write - firsts[record]!);
      const over = ticks < COUNTER_SPAN ? 0 : Math.floor(ticks / COUNTER_SPAN);
      ms[i] = millis[record]! + over;
      low[i] = (ticks - over * COUNTER_SPAN) * COUNTER_UNIT + tails[record]!;
    }
  }

  #fillPages(): void {
    this.#pages = new Uint32Array((this.count >>> PAGE_BITS) + 1);
    let record = 0;
    for (let page = 0; page < this.#pages.length; page++) {
      const write = page << PAGE_BITS;
      while (record + 1 < this.#records && this.#firsts[record + 1]! <= write) record++;
      this.#pages[page] = record;
    }
  }

  msAt(write: number): number {
    if (write === 0) return -1;
    return this.#ms[this.#recordOf(write)]! + Math.floor(this.#counterAt(write) / COUNTER_SPAN);
  }

  /** Counter, site and writer in one number. */
  lowAt(write: number): number {
    if (write === 0) return 0;
    return (this.#counterAt(write) % COUNTER_SPAN) * COUNTER_UNIT + this.#tails[this.#recordOf(write)]!;
  }

  /** No write has a smaller stamp than this, [ms, low]; null when there are none. */
  get min(): readonly [number, number] | null {
    for (; this.#lookedAt < this.#records; this.#lookedAt++) {
      const ticks = this.#counters[this.#lookedAt]!;
      const ms = this.#ms[this.#lookedAt]! + Math.floor(ticks / COUNTER_SPAN);
      const low = (ticks % COUNTER_SPAN) * COUNTER_UNIT + this.#tails[this.#lookedAt]!;
      const min = this.#min;
      if (min === null || ms < min[0] || (ms === min[0] && low < min[1])) this.#min = [ms, low];
    }
    return this.#min;
  }

  /** Negative when write `a` has the smaller stamp. */
  compare(a: number, b: number): number {
    if (a === b) return 0;
    return this.msAt(a) - this.msAt(b) || this.lowAt(a) - this.lowAt(b);
  }

  #counterAt(write: number): number {
    const record = this.#recordOf(write);
    const at = write - this.#firsts[record]!;
    const ticks = this.#ticks.size === 0 ? undefined : this.#ticks.get(record);
    return this.#counters[record]! + (ticks === undefined ? at : ticks[at]!);
  }

  #recordOf(write: number): number {
    const firsts = this.#firsts;
    const last = this.#last;
    if (firsts[last]! <= write && (last + 1 === this.#records || firsts[last + 1]! > write)) return last;
    let low = 0;
    let high = this.#records;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (firsts[middle]! <= write) low = middle;
      else high = middle;
    }
    this.#last = low;
    return low;
  }

  #addRecord(ms: number, counter: number, tail: number): number {
    if (this.#records === this.#firsts.length) this.#grow();
    const record = this.#records++;
    this.#firsts[record] = this.count;
    this.#ms[record] = ms;
    this.#counters[record] = counter;
    this.#tails[record] = tail;
    return record;
  }

  #keepTicks(record: number, ticks: Uint32Array): void {
    this.#ticks.set(record, ticks);
    this.#ticksBytes += ticks.byteLength + 128;
  }

  #take(count: number): number {
    const first = this.count;
    this.count += count;
    return first;
  }

  #grow(): void {
    const room = this.#firsts.length * 2;
    const firsts = new Uint32Array(room);
    firsts.set(this.#firsts);
    this.#firsts = firsts;
    this.#ms = larger(this.#ms, room);
    this.#counters = larger(this.#counters, room);
    this.#tails = larger(this.#tails, room);
  }
}

function larger(old: Float64Array, room: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(room);
  grown.set(old);
  return grown;
}
