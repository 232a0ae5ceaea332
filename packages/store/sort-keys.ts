/**
 * Row numbers in the order of their keys. Of the keys' next bytes only the bits in which they differ are packed, with the
 * row, into 64 bits, and those go through a radix sort, which reads and writes memory in order; keys that are equal so
 * far are told apart by the bytes that follow.
 */

import { setImmediate } from 'node:timers/promises';
import type { ColumnVector } from '@tidemark/schema/column-vector';
import { compareRanges } from './bytes.ts';
import { surveyKeys } from './key-bits.ts';

/** Below this, insertion. */
const SMALL = 24;
/** Rows a step goes over between two turns of the event loop: a ms or two. */
const SLICE = 65_536;
const DIGIT_BITS = 11;
const BUCKETS = 2 ** DIGIT_BITS;

type Range = { readonly from: number; readonly to: number; readonly depth: number };

/**
 * Rows 0 … rowCount − 1 in ascending order of key. The vector must not change meanwhile.
 * Cost: linear in the bytes that tell keys apart. Yields to the event loop every few ms.
 */
export async function sortKeys(keys: ColumnVector, rowCount: number): Promise<Uint32Array> {
  const sorter = new Sorter(keys, rowCount);
  await sorter.run();
  sorter.giveBack();
  return sorter.rows;
}

/** Numbers that two arrays kept for the next sort have together at most: 16 MB, which a large memtable needs. */
const KEPT_MAX = 4_194_304;
/** Of the last sort that gave them back. New ones cost more than what is done with them: each page is touched first here. */
let kept: readonly [Uint32Array, Uint32Array] | null = null;

/** Two arrays of at least so many numbers. Nobody else has them. */
function takePairs(length: number): readonly [Uint32Array, Uint32Array] {
  const taken = kept;
  if (taken === null || taken[0].length < length) return [new Uint32Array(length), new Uint32Array(length)];
  kept = null;
  return taken;
}

class Sorter {
  readonly rows: Uint32Array;
  readonly #keys: ColumnVector;
  /** Pairs: packed bits, and packed bits above the place in the range. */
  #pairs: Uint32Array;
  #spare: Uint32Array;
  readonly #counts: Uint32Array;
  /** Ranges whose keys share `depth` bytes. */
  readonly #pending: Range[] = [];
  /** Rows gone over since the last turn of the event loop. */
  #done = 0;

  constructor(keys: ColumnVector, rowCount: number) {
    this.#keys = keys;
    this.rows = new Uint32Array(rowCount);
    for (let i = 0; i < rowCount; i++) this.rows[i] = i;
    const isSmall = rowCount <= SMALL;
    const [pairs, spare] = takePairs(isSmall ? 0 : rowCount * 2);
    this.#pairs = pairs;
    this.#spare = spare;
    this.#counts = new Uint32Array(isSmall ? 0 : BUCKETS);
    this.#pending.push({ from: 0, to: rowCount, depth: 0 });
  }

  /** When it has run. */
  giveBack(): void {
    const { length } = this.#pairs;
    if (length * 2 <= KEPT_MAX && length > (kept?.[0].length ?? 0)) kept = [this.#pairs, this.#spare];
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
    const placeBits = 32 - Math.clz32(count - 1);
    const bits = surveyKeys(this.#keys, rows, depth, 64 - placeBits);
    await this.#paused(count);
    if (bits.isEnd) {
      // Nothing but what zero bytes and ends have in common: as no table's keys are.
      rows.sort((a, b) => this.#compare(a, b, depth));
      return;
    }
    if (bits.count > 0) {
      await this.#slices(count, (begin, end) => bits.pack(this.#keys, rows, begin, end, placeBits, this.#pairs));
      const low = Math.max(0, bits.count - 32);
      for (let bit = placeBits; bit < placeBits + low; bit += DIGIT_BITS) {
        await this.#pass(count, 1, bit, Math.min(DIGIT_BITS, placeBits + low - bit));
      }
      const high = bits.count - low;
      for (let bit = 0; bit < high; bit += DIGIT_BITS) {
        await this.#pass(count, 0, bit, Math.min(DIGIT_BITS, high - bit));
      }
      await this.#takeOrder(rows, placeBits);
    }
    await this.#splitEqual(from, count, placeBits, depth + bits.wholeBytes, bits.count > 0);
  }

  /** One pass of a radix sort by some bits of one half of the pairs. */
  async #pass(count: number, half: 0 | 1, shift: number, width: number): Promise<void> {
    const counts = this.#counts.fill(0);
    const mask = 2 ** width - 1;
    const pairs = this.#pairs;
    const spare = this.#spare;
    for (let at = half; at < count * 2; at += 2) counts[(pairs[at]! >>> shift) & mask]!++;
    let place = 0;
    for (let bucket = 0; bucket <= mask; bucket++) {
      const size = counts[bucket]!;
      counts[bucket] = place;
      place += size * 2;
    }
    await this.#slices(count, (begin, end) => {
      for (let at = begin * 2; at < end * 2; at += 2) {
        const digit = (pairs[at + half]! >>> shift) & mask;
        const to = counts[digit]!;
        counts[digit] = to + 2;
        spare[to] = pairs[at]!;
        spare[to + 1] = pairs[at + 1]!;
      }
    });
    this.#pairs = spare;
    this.#spare = pairs;
  }

  /** The range of all rows is put in order once, and until then its rows are their places. */
  async #takeOrder(rows: Uint32Array, placeBits: number): Promise<void> {
    const isFirst = rows.length === this.rows.length;
    const before = isFirst ? null : rows.slice();
    const mask = 2 ** placeBits - 1;
    const pairs = this.#pairs;
    await this.#slices(rows.length, (begin, end) => {
      if (before === null) for (let i = begin; i < end; i++) rows[i] = pairs[i * 2 + 1]! & mask;
      else for (let i = begin; i < end; i++) rows[i] = before[pairs[i * 2 + 1]! & mask]!;
    });
  }

  /** Neighbours whose packed bits are the same are still to be sorted. */
  async #splitEqual(from: number, count: number, placeBits: number, depth: number, isPacked: boolean): Promise<void> {
    if (!isPacked) {
      this.#pending.push({ from, to: from + count, depth });
      return;
    }
    const pairs = this.#pairs;
    /** The first of the neighbours that are the same as far as looked at. */
    let first = 0;
    await this.#slices(count, (begin, end) => {
      for (let i = begin + 1; i <= end; i++) {
        if (i < count && pairs[i * 2] === pairs[i * 2 - 2]) {
          if ((pairs[i * 2 + 1]! ^ pairs[i * 2 - 1]!) >>> placeBits === 0) continue;
        }
        if (i - first > SMALL) this.#pending.push({ from: from + first, to: from + i, depth });
        else if (i - first > 1) this.#insert(from + first, from + i, depth);
        first = i;
      }
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

  async #slices(count: number, step: (begin: number, end: number) => void): Promise<void> {
    for (let begin = 0; begin < count; begin += SLICE) {
      const end = Math.min(begin + SLICE, count);
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
