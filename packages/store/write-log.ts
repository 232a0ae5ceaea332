/**
 * The stamps of a memtable's writes, by their numbers. Writes of one record follow one another by ticks, so a record's
 * stamp is kept once, and 4 bytes a write only where rows of the record went elsewhere.
 */

import type { RowBatch } from '@tidemark/schema/row-batch';
import { type Stamp, stampLow } from '@tidemark/schema/stamp';

const COUNTER_SPAN = 65_536;
const COUNTER_UNIT = 4_294_967_296;
const FIRST_RECORDS = 16;

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

  get memoryBytes(): number {
    return this.#firsts.length * 28 + this.#ticksBytes;
  }

  /** Numbers for the rows of a record. @returns the first of them */
  add({ rowCount, stampOffsets }: RowBatch, stamp: Stamp): number {
    const start = stampOffsets[0] ?? 0;
    const record = this.#addRecord(stamp.ms, stamp.counter + start, stampLow(0, stamp.site, stamp.writer));
    for (let i = 0; i < rowCount; i++) {
      if (stampOffsets[i] === start + i) continue;
      this.#keepTicks(
        record,
        Uint32Array.from({ length: rowCount }, (_, row) => stampOffsets[row]! - start),
      );
      break;
    }
    return this.#take(rowCount);
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
    return shift;
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
    let min: readonly [number, number] | null = null;
    for (let record = 0; record < this.#records; record++) {
      const ticks = this.#counters[record]!;
      const ms = this.#ms[record]! + Math.floor(ticks / COUNTER_SPAN);
      const low = (ticks % COUNTER_SPAN) * COUNTER_UNIT + this.#tails[record]!;
      if (min === null || ms < min[0] || (ms === min[0] && low < min[1])) min = [ms, low];
    }
    return min;
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
