/**
 * Texts that come again and again are kept once in an arena: who asks for runs, bounds or a dictionary of them then
 * compares places instead of bytes. A small table that forgets: a text it no longer knows is kept once more.
 */

import { sameWords } from '../row/words.ts';

const SLOT_BITS = 10;
const SLOTS = 2 ** SLOT_BITS;
/** Longer texts are not looked for. */
const BYTES_MAX = 64;
/** After so many texts it is given up where fewer than half of them had been there before. */
const SAMPLE = 512;

/** No word of three bytes has it: tells the empty text from a free slot. */
const SHORT = 1 << 24;

/** One arena's table of texts; a fixed size, and a slot that is taken is written over. */
export class StringInterner {
  /** Where the text of a slot begins, and its bytes + 1; 0: free. */
  readonly #starts = new Uint32Array(SLOTS);
  readonly #lengths = new Uint32Array(SLOTS);
  /** The same of texts of up to three bytes, none of which is zero: each is one number. */
  readonly #shortStarts = new Uint32Array(SLOTS);
  readonly #shorts = new Int32Array(SLOTS);
  #tries = 0;
  #found = 0;

  /** For an arena that begins anew. */
  clear(): void {
    this.#lengths.fill(0);
    this.#shorts.fill(0);
    this.#tries = 0;
    this.#found = 0;
  }

  /** Where the text of up to three bytes, none of them zero, that begins `word` (its first byte lowest) was kept, or else is put now: `start`. */
  placeOfShort(word: number, length: number, start: number): number {
    const short = (word & ((1 << (length * 8)) - 1)) | SHORT;
    const slot = Math.imul(short, 0x9e3779b1) >>> (32 - SLOT_BITS);
    if (this.#shorts[slot] === short) return this.#shortStarts[slot]!;
    this.#shorts[slot] = short;
    this.#shortStarts[slot] = start;
    return start;
  }

  /** Where a text that was written at `start` of an arena was kept, or else is kept now: there. */
  placeOf(arena: DataView, start: number, length: number): number {
    if (length < 4 || length > BYTES_MAX || (this.#tries >= SAMPLE && this.#found * 2 < this.#tries)) return start;
    this.#tries++;
    const ends = Math.imul(arena.getInt32(start, true), 0x9e3779b1) ^ arena.getInt32(start + length - 4, true);
    const slot = Math.imul(ends ^ length, 0x85ebca6b) >>> (32 - SLOT_BITS);
    if (this.#lengths[slot] === length + 1 && sameWords(arena, this.#starts[slot]!, arena, start, length)) {
      this.#found++;
      return this.#starts[slot]!;
    }
    this.#starts[slot] = start;
    this.#lengths[slot] = length + 1;
    return start;
  }
}
