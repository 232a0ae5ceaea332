/**
 * A column of some rows as bytes, in a record and in a file's block.
 *
 *   u8 presence   0: every row has a value · 1: two bits a row follow (row 0 lowest): 0 absent, 1 value, 2 deleted
 *   u8 encoding   see ENCODING; then the values of the rows that have one, in row order, little-endian
 */

import assert from 'node:assert/strict';

/** Numbers that stand in files and records for ever. `n` is the number of values. */
export const ENCODING = {
  /** n bytes. */
  u8: 0,
  /** n × i32. */
  i32: 1,
  /** n × IEEE double. */
  f64: 2,
  /** n × i64. */
  i64: 3,
  /** n × u32 lengths, then the bytes. */
  bytes: 4,
  /** i64 base, u8 width (0, 1, 2 or 4), then n × unsigned of that width to add to the base. For i32, whole and i64. */
  frame: 5,
  /** u32 entries, their u32 lengths, their bytes, then n codes: u8 up to 256 entries, else u16. */
  dictionary: 6,
} as const;

// Values go between bytes and typed arrays by copying, so the machine has to have the bytes' order.
assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'a little-endian machine');

/**
 * Aligned memory to turn columns in: values stand at any address in a record, and typed arrays want theirs even. Used
 * between two lines of one function, never kept across a call.
 */
export class Scratch {
  bytes = new Uint8Array(0);
  u16 = new Uint16Array(0);
  i32 = new Int32Array(0);
  u32 = new Uint32Array(0);
  f64 = new Float64Array(0);
  i64 = new BigInt64Array(0);

  /** Makes room for `bytes`; what was there is gone. */
  reserve(bytes: number): this {
    if (bytes <= this.bytes.length) return this;
    const room = new ArrayBuffer(2 ** Math.ceil(Math.log2(Math.max(bytes, 1024))));
    this.bytes = new Uint8Array(room);
    this.u16 = new Uint16Array(room);
    this.i32 = new Int32Array(room);
    this.u32 = new Uint32Array(room);
    this.f64 = new Float64Array(room);
    this.i64 = new BigInt64Array(room);
    return this;
  }

  /** Takes in `length` bytes that begin at `from`. */
  load(source: Uint8Array, from: number, length: number): this {
    this.reserve(length);
    this.bytes.set(source.subarray(from, from + length));
    return this;
  }
}
