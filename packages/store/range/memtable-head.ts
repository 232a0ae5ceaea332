/** A range's place in one run of a memtable's rows. */

import type { Memtable } from '../memtable/memtable.ts';
import type { Run } from '../memtable/sorted-runs.ts';
import { compareRanges } from '../row/bytes.ts';
import { Stretch } from './head.ts';
import { KeyBytes } from './key-block.ts';
import type { RangeBounds } from './range-wish.ts';

/** One run's rows in a range. Everything is in memory. */
export class MemtableHead {
  readonly memtable: Memtable;
  readonly #run: Run;
  readonly #bounds: RangeBounds;
  readonly #step: 1 | -1;
  readonly #stretch: Stretch;
  /** Place in the run. */
  #at = 0;
  readonly #key = new KeyBytes();

  constructor(memtable: Memtable, run: Run, bounds: RangeBounds) {
    this.memtable = memtable;
    this.#run = run;
    this.#bounds = bounds;
    this.#step = bounds.direction === 'ascending' ? 1 : -1;
    this.#stretch = new Stretch(bounds, (at, bytes, start, length) => this.#compare(at, bytes, start, length));
  }

  /** Goes to the first row of the range. False when there is none. */
  start(): boolean {
    const { count } = this.#run;
    const { from, to } = this.#bounds;
    this.#stretch.begin(count, false);
    if (this.#step === 1) this.#at = from === null ? 0 : this.#firstFrom(from);
    else this.#at = (to === null ? count : this.#firstFrom(to)) - 1;
    return this.#settle();
  }

  /** The current row of the memtable, or the one that comes `ahead` rows later. */
  row(ahead = 0): number {
    return this.#run.rows[this.#at + this.#step * ahead]!;
  }

  /** The current row's key, where it lies; good until it moves. */
  get key(): KeyBytes {
    const { arena, starts, lengths } = this.memtable.keys;
    const row = this.row();
    this.#key.point(arena, starts[row]!, lengths[row]!);
    return this.#key;
  }

  /** Order of the current row's key and another. */
  compare({ bytes, start, length }: KeyBytes): number {
    return this.#compare(this.#at, bytes, start, length);
  }

  /** How many rows, from the current one on and at most `max`, come before that key. */
  count(before: KeyBytes | null, max: number): number {
    return this.#stretch.count(this.#at, before, max);
  }

  /** Moves on by so many rows, as `count` told. False when the range ends before. */
  advance(count: number): boolean {
    this.#at += this.#step * count;
    return this.#settle();
  }

  #settle(): boolean {
    return this.#stretch.left(this.#at) > 0 && this.#stretch.has(this.#at);
  }

  #firstFrom(bytes: Uint8Array): number {
    let low = 0;
    let high = this.#run.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(middle, bytes, 0, bytes.length) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(at: number, bytes: Uint8Array, start: number, length: number): number {
    const { arena, starts, lengths } = this.memtable.keys;
    const row = this.#run.rows[at]!;
    return compareRanges(arena, starts[row]!, lengths[row]!, bytes, start, length);
  }
}
