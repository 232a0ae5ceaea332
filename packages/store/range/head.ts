/** What a range goes through side by side: rows of one segment, or one run of a memtable, from where the range begins. */

import { compareBytes } from '../row/bytes.ts';
import type { KeyBytes } from './key-block.ts';
import type { RangeBounds } from './range-wish.ts';

/** Rows that are looked ahead for the end of the range. */
const AHEAD = 24;

/** Compares the key of a row, by its number in a block or a run, with some bytes. */
type CompareRow = (row: number, bytes: Uint8Array, start: number, length: number) => number;

/**
 * Rows in key order that a range goes over one way: those from `row` on that are within its bounds. Where the range ends
 * among them is looked for only as far as rows are wanted.
 */
export class Stretch {
  readonly #bounds: RangeBounds;
  readonly #step: 1 | -1;
  readonly #compare: CompareRow;
  /** The first row that is not in the range any more, as far as it is known. */
  #end = 0;
  /** False once it is known that all rows before the end are in the range. */
  #isOpen = true;
  #isCut = false;
  /** The last row that is known to be in the range; before the first when none is. */
  #sure = 0;

  constructor(bounds: RangeBounds, compare: CompareRow) {
    this.#bounds = bounds;
    this.#step = bounds.direction === 'ascending' ? 1 : -1;
    this.#compare = compare;
  }

  /** Rows 0 … count − 1 from now on. @param isWithin true when it is known that none is beyond the range's end */
  begin(count: number, isWithin: boolean): void {
    this.#end = this.#step === 1 ? count : -1;
    this.#isOpen = !isWithin;
    this.#sure = this.#step === 1 ? -1 : count;
  }

  /** Rows that may be left from that one on. */
  left(row: number): number {
    return (this.#end - row) * this.#step;
  }

  /** True when rows it has are known to lie beyond the range: there is no more of it behind them. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Whether the row, which is left, is within the range; if not, nothing is left. */
  has(row: number): boolean {
    if (!this.#isOpen || (this.#sure - row) * this.#step >= 0) return true;
    // Mostly many more are, and one that comes later tells of those before it.
    const ahead = row + this.#step * Math.min(AHEAD, this.left(row) - 1);
    if (this.#isWithin(ahead)) {
      this.#sure = ahead;
      return true;
    }
    if (ahead !== row && this.#isWithin(row)) {
      this.#sure = row;
      return true;
    }
    this.#cutAt(row);
    return false;
  }

  /** How many rows from that one on, which is in the range, are in it and come before a key; at most `max`. */
  count(row: number, before: KeyBytes | null, max: number): number {
    const most = Math.min(max, this.left(row));
    const count = before === null ? most : this.#before(row, before, most);
    const last = row + this.#step * (count - 1);
    if (!this.#isOpen || (this.#sure - last) * this.#step >= 0) return count;
    if (this.#isWithin(last)) {
      this.#sure = last;
      return count;
    }
    const within = this.#first(1, count - 1, (i) => !this.#isWithin(row + this.#step * i));
    this.#cutAt(row + this.#step * within);
    return within;
  }

  #cutAt(row: number): void {
    this.#end = row;
    this.#isOpen = false;
    this.#isCut = true;
  }

  #isWithin(row: number): boolean {
    const { from, to } = this.#bounds;
    if (this.#step === 1) return to === null || this.#compare(row, to, 0, to.length) < 0;
    return from === null || this.#compare(row, from, 0, from.length) >= 0;
  }

  /** Gallops, as the other key is mostly near. */
  #before(row: number, { bytes, start, length }: KeyBytes, most: number): number {
    const comes = (i: number): boolean => this.#compare(row + this.#step * i, bytes, start, length) * this.#step < 0;
    let low = 1;
    let step = 1;
    while (low + step - 1 < most && comes(low + step - 1)) {
      low += step;
      step *= 2;
    }
    return this.#first(low, Math.min(most, low + step - 1), (i) => !comes(i));
  }

  /** The first of `low … high − 1` for which it holds; `high` when for none. */
  #first(low: number, high: number, is: (i: number) => boolean): number {
    let [first, end] = [low, high];
    while (first < end) {
      const middle = (first + end) >> 1;
      if (is(middle)) end = middle;
      else first = middle + 1;
    }
    return first;
  }
}

/** True when no key from `first` to `last` is beyond the end of the range, whichever way it goes. */
export function endsBehind({ from, to, direction }: RangeBounds, first: Uint8Array, last: Uint8Array): boolean {
  if (direction === 'ascending') return to === null || compareBytes(last, to) < 0;
  return from === null || compareBytes(first, from) >= 0;
}
