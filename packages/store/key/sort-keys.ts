/**
 * Row numbers in the order of their keys. Of the keys' next bytes only the bits in which they differ are packed, 64 at a
 * time: the upper half goes through a radix sort with the rows' places, which reads and writes memory in order, and the
 * lower half settles what is equal so far. Keys that are equal in both are told apart by the bytes that follow.
 */

import { setImmediate } from 'node:timers/promises';
import type { ColumnVector } from '@tidemark/columnar/column-vector';
import { compareRanges } from '../row/bytes.ts';
import { surveyKeys } from './key-bits.ts';

/** Below this, insertion. */
const SMALL = 24;
/** Rows a step goes over between two turns of the event loop: a ms or two. */
const SLICE = 65_536;
const HALF_BITS = 32;
const DIGIT_BITS_MAX = 11;
const BUCKETS = 2 ** DIGIT_BITS_MAX;

type Range = { readonly from: number; readonly to: number; readonly depth: number };

/**
 * Rows `first` … rowCount − 1 in ascending order of key. Meanwhile rows may be added to the vector, and none changed.
 * Cost: linear in the bytes that tell keys apart. Yields to the event loop every few ms.
 */
export async function sortKeys(keys: ColumnVector, rowCount: number, first = 0): Promise<Uint32Array> {
  const sorter = new Sorter(keys, first, rowCount - first);
  await sorter.run();
  sorter.giveBack();
  return sorter.rows;
}

/** Pairs, room for as many, and lower halves. */
type Room = readonly [Uint32Array, Uint32Array, Uint32Array];

/** Rows whose room is kept for the next sort at most: 20 MB, which a large memtable needs. */
const KEPT_ROWS_MAX = 1_048_576;
/** Of the last sort that gave it back. New room costs more than what is done with it: each page is touched first here. */
let kept: Room | null = null;

/** For so many rows. Nobody else has it. */
function takeRoom(rowCount: number): Room {
  const taken = kept;
  if (taken === null || taken[2].length < rowCount) {
    return [new Uint32Array(rowCount * 2), new Uint32Array(rowCount * 2), new Uint32Array(rowCount)];
  }
  kept = null;
  return taken;
}

class Sorter {
  readonly rows: Uint32Array;
  readonly #keys: ColumnVector;
  readonly #first: number;
  /** Upper bits and place in the range, of each of its rows. */
  #pairs: Uint32Array;
  #spare: Uint32Array;
  /** By place in the range. */
  readonly #lowers: Uint32Array;
  readonly #counts: Uint32Array;
  /** Ranges whose keys share `depth` bytes. */
  readonly #pending: Range[] = [];
  /** Rows gone over since the last turn of the event loop. */
  #done = 0;

  constructor(keys: ColumnVector, first: number, rowCount: number) {
    this.#keys = keys;
    this.#first = first;
    this.rows = new Uint32Array(rowCount);
    for (let i = 0; i < rowCount; i++) this.rows[i] = first + i;
    const isSmall = rowCount <= SMALL;
    [this.#pairs, this.#spare, this.#lowers] = takeRoom(isSmall ? 0 : rowCount);
    this.#counts = new Uint32Array(isSmall ? 0 : BUCKETS);
    this.#pending.push({ from: 0, to: rowCount, depth: 0 });
  }

  /** When it has run. */
  giveBack(): void {
    const { length } = this.#lowers;
    if (length <= KEPT_ROWS_MAX && length > (kept?.[2].length ?? 0)) kept = [this.#pairs, this.#spare, this.#lowers];
  }

  async run(): Promise<void> {
    for (let range = this.#pending.pop(); range !== undefined; range = this.#pending.pop()) {
      const { from, to, depth } = range;
      if (to - from > SMALL) await this.#sort(range);
      else {
        this.#insert(from, to, depth);
        await this.#paused(to - from);
      }
    }
  }

  /** Ends with the range in order, as far as its next bytes tell, and what they do not tell pending. */
  async #sort({ from, to, depth }: Range): Promise<void> {
    const count = to - from;
    const rows = this.rows.subarray(from, to);
    const bits = surveyKeys(this.#keys, rows, depth, 2 * HALF_BITS);
    await this.#paused(count);
    if (bits.isEnd) {
      // Nothing but what zero bytes and ends have in common: as no table's keys are.
      rows.sort((a, b) => this.#compare(a, b, depth));
      return;
    }
    const next = depth + bits.wholeBytes;
    if (bits.count === 0) {
      this.#pending.push({ from, to, depth: next });
      return;
    }
    await this.#slices(0, count, (begin, end) => bits.pack(this.#keys, rows, begin, end, this.#pairs, this.#lowers));
    await this.#radix(0, count, Math.min(HALF_BITS, bits.count), true);
    const ties = await this.#settle(count, bits.count - HALF_BITS);
    await this.#takeOrder(rows);
    for (let i = 0; i < ties.length; i += 2) {
      const [begin, end] = [from + ties[i]!, from + ties[i + 1]!];
      if (end - begin > SMALL) this.#pending.push({ from: begin, to: end, depth: next });
      else this.#insert(begin, end, next);
    }
    await this.#paused(ties.length);
  }

  /** Sorts pairs `from … to` by the lowest `width` bits of the first of each, keeping the order of equal ones. */
  async #radix(from: number, to: number, width: number, isAll: boolean): Promise<void> {
    const passes = Math.ceil(width / DIGIT_BITS_MAX);
    const digit = Math.ceil(width / passes);
    for (let pass = 0; pass < passes; pass++) {
      await this.#pass(from, to, pass * digit, Math.min(digit, width - pass * digit));
      if (isAll) [this.#pairs, this.#spare] = [this.#spare, this.#pairs];
      else this.#pairs.set(this.#spare.subarray(from * 2, to * 2), from * 2);
    }
  }

  /** One pass of a radix sort by some bits, from the pairs into the buffer pool. */
  async #pass(from: number, to: number, shift: number, width: number): Promise<void> {
    const counts = this.#counts.fill(0);
    const mask = 2 ** width - 1;
    const pairs = this.#pairs;
    const spare = this.#spare;
    for (let at = from * 2; at < to * 2; at += 2) counts[(pairs[at]! >>> shift) & mask]!++;
    let place = from * 2;
    for (let bucket = 0; bucket <= mask; bucket++) {
      const size = counts[bucket]!;
      counts[bucket] = place;
      place += size * 2;
    }
    await this.#slices(from, to, (begin, end) => {
      for (let at = begin * 2; at < end * 2; at += 2) {
        const upper = pairs[at]!;
        const digit = (upper >>> shift) & mask;
        const into = counts[digit]!;
        counts[digit] = into + 2;
        spare[into] = upper;
        spare[into + 1] = pairs[at + 1]!;
      }
    });
  }

  /**
   * Puts pairs that have the same upper bits in the order of their lower ones.
   * @returns begin and end, and so on, of those that have the same lower bits too
   */
  async #settle(count: number, lowerWidth: number): Promise<number[]> {
    const ties: number[] = [];
    const large: number[] = [];
    const pairs = this.#pairs;
    /** The first of the neighbours that are the same as far as looked at. */
    let first = 0;
    await this.#slices(0, count, (begin, end) => {
      for (let i = begin + 1; i <= end; i++) {
        if (i < count && pairs[i * 2] === pairs[i * 2 - 2]) continue;
        if (i - first > SMALL) large.push(first, i);
        else if (i - first > 1) this.#settleFew(first, i, ties);
        first = i;
      }
    });
    for (let i = 0; i < large.length; i += 2) await this.#settleMany(large[i]!, large[i + 1]!, lowerWidth, ties);
    return ties;
  }

  #settleFew(from: number, to: number, ties: number[]): void {
    const pairs = this.#pairs;
    const lowers = this.#lowers;
    for (let i = from + 1; i < to; i++) {
      const place = pairs[i * 2 + 1]!;
      const lower = lowers[place]!;
      let at = i;
      for (; at > from && lowers[pairs[at * 2 - 1]!]! > lower; at--) pairs[at * 2 + 1] = pairs[at * 2 - 1]!;
      pairs[at * 2 + 1] = place;
    }
    let first = from;
    for (let i = from + 1; i <= to; i++) {
      if (i < to && lowers[pairs[i * 2 + 1]!] === lowers[pairs[first * 2 + 1]!]) continue;
      if (i - first > 1) ties.push(first, i);
      first = i;
    }
  }

  async #settleMany(from: number, to: number, lowerWidth: number, ties: number[]): Promise<void> {
    if (lowerWidth <= 0) {
      ties.push(from, to);
      return;
    }
    const pairs = this.#pairs;
    for (let i = from; i < to; i++) pairs[i * 2] = this.#lowers[pairs[i * 2 + 1]!]!;
    await this.#radix(from, to, lowerWidth, false);
    let first = from;
    for (let i = from + 1; i <= to; i++) {
      if (i < to && pairs[i * 2] === pairs[i * 2 - 2]) continue;
      if (i - first > 1) ties.push(first, i);
      first = i;
    }
  }

  /** The range of all rows is put in order once, and until then its rows are their places from the first on. */
  async #takeOrder(rows: Uint32Array): Promise<void> {
    const isFirst = rows.length === this.rows.length;
    const before = isFirst ? null : rows.slice();
    const pairs = this.#pairs;
    const first = this.#first;
    await this.#slices(0, rows.length, (begin, end) => {
      if (before === null) for (let i = begin; i < end; i++) rows[i] = first + pairs[i * 2 + 1]!;
      else for (let i = begin; i < end; i++) rows[i] = before[pairs[i * 2 + 1]!]!;
    });
  }

  #insert(from: number, to: number, depth: number): void {
    for (let i = from + 1; i < to; i++) {
      const row = this.rows[i]!;
      let at = i;
      for (; at > from && this.#compare(this.rows[at - 1]!, row, depth) > 0; at--) this.rows[at] = this.rows[at - 1]!;
      this.rows[at] = row;
    }
  }

  /** The rows' first `depth` bytes are the same. */
  #compare(a: number, b: number, depth: number): number {
    const { arena, starts, lengths } = this.#keys;
    return compareRanges(
      arena,
      starts[a]! + depth,
      lengths[a]! - depth,
      arena,
      starts[b]! + depth,
      lengths[b]! - depth,
    );
  }

  async #slices(from: number, to: number, step: (begin: number, end: number) => void): Promise<void> {
    for (let begin = from; begin < to; begin += SLICE) {
      const end = Math.min(begin + SLICE, to);
      step(begin, end);
      await this.#paused(end - begin);
    }
  }

  #paused(rows: number): Promise<void> | undefined {
    this.#done += rows;
    if (this.#done < SLICE) return undefined;
    this.#done = 0;
    return setImmediate();
  }
}
