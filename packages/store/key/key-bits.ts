/** Which bits of some keys differ, and those bits alone of each: what a sort of the keys has to look at. */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import { wordsOf } from '../row/words.ts';

/** So many bytes of a key are looked at, at a time. */
const BYTES = 32;

/** Some bits of a byte of each key, the more significant first; a key that has ended has zeros. */
type Piece = { readonly byte: number; readonly shift: number; readonly width: number };

/** The bits in which rows differ, from a byte on. */
export class KeyBits {
  /** Bits there are: at most as many as were asked for. */
  readonly count: number;
  /** Bytes that are told by them, from the first on. */
  readonly wholeBytes: number;
  /** True when all keys end within what was looked at, and nothing was found to differ. */
  readonly isEnd: boolean;
  readonly #depth: number;
  /** Pieces of the upper 32 bits, then those of the others. */
  readonly #upper: Pieces;
  readonly #lower: Pieces;

  constructor(pieces: readonly Piece[], depth: number, wholeBytes: number, isEnd: boolean) {
    this.#depth = depth;
    this.wholeBytes = wholeBytes;
    this.isEnd = isEnd;
    this.count = pieces.reduce((sum, { width }) => sum + width, 0);
    const upper: Piece[] = [];
    const lower: Piece[] = [];
    let room = 32;
    for (const { byte, shift, width } of pieces) {
      const above = Math.min(room, width);
      room -= above;
      if (above > 0) upper.push({ byte, shift: shift + width - above, width: above });
      if (above < width) lower.push({ byte, shift, width: width - above });
    }
    this.#upper = new Pieces(upper);
    this.#lower = new Pieces(lower);
  }

  /** Rows `begin … end` of `rows`: pairs of the upper 32 bits and the place in `rows`; the lower bits apart. */
  pack(
    keys: ColumnVector,
    rows: Uint32Array,
    begin: number,
    end: number,
    pairs: Uint32Array,
    lowers: Uint32Array,
  ): void {
    for (let from = begin; from < end; from += CHUNK) {
      const to = Math.min(from + CHUNK, end);
      chunk.take(keys, rows, from, to, this.#depth);
      const upper = this.#upper.bitsOf(keys.arena, to - from);
      for (let i = from; i < to; i++) {
        pairs[i * 2] = upper[i - from]!;
        pairs[i * 2 + 1] = i;
      }
      const lower = this.#lower.bitsOf(keys.arena, to - from);
      for (let i = from; i < to; i++) lowers[i] = lower[i - from]!;
    }
  }
}

/** Rows that are looked at together, a byte or a word of all of them at a time, so that they stay in the nearest cache. */
const CHUNK = 1024;

/** What is left of the keys of some rows from a byte on. Used within one call. */
class Chunk {
  readonly starts = new Uint32Array(CHUNK);
  readonly lengths = new Uint32Array(CHUNK);
  shortest = 0;
  longest = 0;

  take({ starts, lengths }: ColumnVector, rows: Uint32Array, from: number, to: number, depth: number): void {
    let shortest = 0xffff_ffff;
    let longest = 0;
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      const length = lengths[row]! - depth;
      this.starts[i - from] = starts[row]! + depth;
      this.lengths[i - from] = length;
      if (length < shortest) shortest = length;
      if (length > longest) longest = length;
    }
    this.shortest = shortest;
    this.longest = longest;
  }
}

const chunk = new Chunk();
const bits = new Int32Array(CHUNK);

class Pieces {
  readonly #pieces: readonly Piece[];
  readonly #end: number;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
    this.#end = (pieces.at(-1)?.byte ?? -1) + 1;
  }

  /** Of the first `count` keys of the chunk; good until others are asked for. */
  bitsOf(arena: Uint8Array, count: number): Int32Array {
    const { starts, lengths } = chunk;
    bits.fill(0, 0, count);
    const areLong = chunk.shortest >= this.#end;
    for (const { byte, shift, width } of this.#pieces) {
      const mask = 2 ** width - 1;
      if (areLong) {
        for (let i = 0; i < count; i++) bits[i] = (bits[i]! << width) | ((arena[starts[i]! + byte]! >>> shift) & mask);
        continue;
      }
      for (let i = 0; i < count; i++) {
        const value = byte < lengths[i]! ? arena[starts[i]! + byte]! : 0;
        bits[i] = (bits[i]! << width) | ((value >>> shift) & mask);
      }
    }
    return bits;
  }
}

/** The first `bitsMax` bits at most, from byte `depth` on, in which the keys of some rows differ. */
export function surveyKeys(keys: ColumnVector, rows: Uint32Array, depth: number, bitsMax: number): KeyBits {
  const { differing, longest, shortest } = differingBits(keys, rows, depth);
  const pieces: Piece[] = [];
  let left = bitsMax;
  let byte = 0;
  for (; byte < Math.min(longest, BYTES) && left > 0; byte++) {
    const mask = differing[byte]!;
    if (mask === 0) continue;
    const shift = 31 - Math.clz32(mask & -mask);
    const width = 32 - Math.clz32(mask) - shift;
    const taken = Math.min(width, left);
    left -= taken;
    pieces.push({ byte, shift: shift + width - taken, width: taken });
    if (taken < width) break;
  }
  // A byte of which some bits are left is looked at again, and so is where the first key ends.
  const isEnd = pieces.length === 0 && shortest <= byte;
  return new KeyBits(pieces, depth, Math.min(byte, shortest), isEnd);
}

function differingBits(
  keys: ColumnVector,
  rows: Uint32Array,
  depth: number,
): { differing: Uint8Array; longest: number; shortest: number } {
  const words = wordsOf(keys.arena);
  // Four bytes to a number.
  const all = new Int32Array(BYTES / 4).fill(-1);
  const any = new Int32Array(BYTES / 4);
  let longest = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let from = 0; from < rows.length; from += CHUNK) {
    const to = Math.min(from + CHUNK, rows.length);
    chunk.take(keys, rows, from, to, depth);
    longest = Math.max(longest, chunk.longest);
    shortest = Math.min(shortest, chunk.shortest);
    for (let word = 0; word < BYTES / 4; word++) {
      if (word * 4 < chunk.longest) surveyWord(words, word, to - from, all, any);
      else all[word] = 0;
    }
  }
  return { differing: new Uint8Array(any.map((bits, word) => bits & ~all[word]!).buffer), longest, shortest };
}

/** Notes the bits that all, and that any, of the chunk's keys have in one of their words. Where a key has ended it counts as zeros. */
function surveyWord(words: DataView, word: number, count: number, all: Int32Array, any: Int32Array): void {
  const { starts, lengths } = chunk;
  const byte = word * 4;
  let allHave = all[word]!;
  let anyHas = any[word]!;
  if (chunk.shortest >= byte + 4) {
    for (let i = 0; i < count; i++) {
      const value = words.getInt32(starts[i]! + byte, true);
      allHave &= value;
      anyHas |= value;
    }
  } else {
    for (let i = 0; i < count; i++) {
      const left = lengths[i]! - byte;
      let value = 0;
      if (left >= 4) value = words.getInt32(starts[i]! + byte, true);
      else for (let at = left - 1; at >= 0; at--) value = (value << 8) | words.getUint8(starts[i]! + byte + at);
      allHave &= value;
      anyHas |= value;
    }
  }
  all[word] = allHave;
  any[word] = anyHas;
}
