/**
 * Tells in one memory access that a segment does not hold a key; wrong about one in a hundred of those it lets through.
 * A blocked Bloom filter: a key's xxh32 chooses 64 bytes, and six bits in them. In `filter.col`, whose only block has one
 * section, not a column: the lines of 64 bytes. Key → h = xxh32(key); line = ⌊h × lines / 2^32⌋; g = h × 0x9E3779B1
 * mod 2^32 and d = (h × 0x85EBCA77 mod 2^32) | 1; bit i of six: ((g + i × d) mod 2^32) ≫ 23, in the line's 512, the lowest
 * bit of the first byte being 0.
 */

import { Fault } from '@tidemark/platform/fault';

const LINE_BYTES = 64;
const KEYS_A_LINE = 51;
const PROBES = 6;

/** The filter of one segment's keys, made once or read from its file. */
export class KeyFilter {
  readonly bytes: Uint8Array;

  /** @throws {Fault} `corrupt`: not whole lines. */
  constructor(bytes: Uint8Array) {
    if (bytes.length === 0 || bytes.length % LINE_BYTES !== 0) {
      throw new Fault('corrupt', `a filter of ${bytes.length} bytes, expected lines of ${LINE_BYTES}`, {
        got: bytes.length,
      });
    }
    this.bytes = bytes;
  }

  /** Of keys with these hashes (xxh32): ten bits a key. */
  static of(hashes: Uint32Array): KeyFilter {
    const filter = new KeyFilter(new Uint8Array(LINE_BYTES * Math.max(1, Math.ceil(hashes.length / KEYS_A_LINE))));
    for (let i = 0; i < hashes.length; i++) filter.#add(hashes[i]!);
    return filter;
  }

  /** False only when no key with that hash was added. */
  mayHave(hash: number): boolean {
    const line = this.#lineOf(hash);
    const step = Math.imul(hash, 0x85ebca77) | 1;
    let bits = Math.imul(hash, 0x9e3779b1);
    for (let i = 0; i < PROBES; i++, bits = (bits + step) | 0) {
      const bit = bits >>> 23;
      if ((this.bytes[line + (bit >> 3)]! & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  #add(hash: number): void {
    const line = this.#lineOf(hash);
    const step = Math.imul(hash, 0x85ebca77) | 1;
    let bits = Math.imul(hash, 0x9e3779b1);
    for (let i = 0; i < PROBES; i++, bits = (bits + step) | 0) {
      const bit = bits >>> 23;
      this.bytes[line + (bit >> 3)]! |= 1 << (bit & 7);
    }
  }

  #lineOf(hash: number): number {
    return Math.floor((hash * (this.bytes.length / LINE_BYTES)) / 4_294_967_296) * LINE_BYTES;
  }
}
