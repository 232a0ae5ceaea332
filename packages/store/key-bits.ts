/** Which bits of some keys differ, and those bits alone of each: what a sort of the keys has to look at. */

import type { ColumnVector } from '@tidemark/schema/column-vector';
import { wordsOf } from './words.ts';

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

  /** Row `begin … end` of `rows` as pairs: the upper bits; the lower ones, above the place in `rows`. */
  pack(keys: ColumnVector, rows: Uint32Array, begin: number, end: number, placeBits: number, pairs: Uint32Array): void {
    this.#upper.pack(keys, this.#depth, rows, begin, end, pairs, 0, 0);
    this.#lower.pack(keys, this.#depth, rows, begin, end, pairs, 1, placeBits);
    for (let i = begin; i < end; i++) pairs[i * 2 + 1]! |= i;
  }
}

class Pieces {
  readonly #count: number;
  readonly #bytes: Uint8Array;
  readonly #shifts: Uint8Array;
  readonly #widths: Uint8Array;
  readonly #masks: Uint8Array;
  readonly #end: number;

  constructor(pieces: readonly Piece[]) {
    this.#count = pieces.length;
    this.#bytes = Uint8Array.from(pieces, ({ byte }) => byte);
    this.#shifts = Uint8Array.from(pieces, ({ shift }) => shift);
    this.#widths = Uint8Array.from(pieces, ({ width }) => width);
    this.#masks = Uint8Array.from(pieces, ({ width }) => 2 ** width - 1);
    this.#end = (pieces.at(-1)?.byte ?? -1) + 1;
  }

  /** One half of the pairs, shifted left by `left`. */
  pack(
    { arena, starts, lengths }: ColumnVector,
    depth: number,
    rows: Uint32Array,
    begin: number,
    end: number,
    pairs: Uint32Array,
    half: 0 | 1,
    left: number,
  ): void {
    const count = this.#count;
    const bytes = this.#bytes;
    const shifts = this.#shifts;
    const widths = this.#widths;
    const masks = this.#masks;
    const needed = this.#end;
    for (let i = begin; i < end; i++) {
      const row = rows[i]!;
      const start = starts[row]! + depth;
      const length = lengths[row]! - depth;
      let bits = 0;
      if (length >= needed) {
        for (let k = 0; k < count; k++) {
          bits = (bits << widths[k]!) | ((arena[start + bytes[k]!]! >>> shifts[k]!) & masks[k]!);
        }
      } else {
        for (let k = 0; k < count; k++) {
          const byte = bytes[k]! < length ? arena[start + bytes[k]!]! : 0;
          bits = (bits << widths[k]!) | ((byte >>> shifts[k]!) & masks[k]!);
        }
      }
      pairs[i * 2 + half] = bits << left;
    }
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
  { arena, starts, lengths }: ColumnVector,
  rows: Uint32Array,
  depth: number,
): { differing: Uint8Array; longest: number; shortest: number } {
  const words = wordsOf(arena);
  // Four bytes to a number.
  const all = new Int32Array(BYTES / 4).fill(-1);
  const any = new Int32Array(BYTES / 4);
  let longest = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const start = starts[row]! + depth;
    const length = lengths[row]! - depth;
    if (length > longest) longest = length;
    if (length < shortest) shortest = length;
    const count = length < BYTES ? length : BYTES;
    let byte = 0;
    for (; byte + 4 <= count; byte += 4) {
      const word = words.getInt32(start + byte, true);
      all[byte >> 2]! &= word;
      any[byte >> 2]! |= word;
    }
    if (byte === BYTES) continue;
    // Where a key has ended it counts as zeros.
    let rest = 0;
    for (let at = count - 1; at >= byte; at--) rest = (rest << 8) | arena[start + at]!;
    all[byte >> 2]! &= rest;
    any[byte >> 2]! |= rest;
  }
  for (let byte = (shortest >> 2) * 4 + 4; byte < BYTES; byte += 4) all[byte >> 2] = 0;
  return { differing: new Uint8Array(any.map((bits, word) => bits & ~all[word]!).buffer), longest, shortest };
}
