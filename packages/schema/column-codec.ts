/**
 * A column of some rows as bytes, in a record and in a file's block.
 *
 *   u8 presence   0: every row has a value · 1: two bits a row follow (row 0 lowest): 0 absent, 1 value, 2 deleted
 *   u8 encoding   see ENCODING; then the values of the rows that have one, in row order, little-endian
 */

import { Fault } from '@tidemark/world/fault';
import { CELL, type ColumnVector } from './column-vector.ts';

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

const DICTIONARY_ENTRIES_MAX = 65_536;
/** A dictionary is worth it when entries are at most this share of the values. */
const DICTIONARY_SHARE_MAX = 0.5;

/** Encodes rows `rows[from … to)` of a vector; `rows` null means the row numbers themselves. */
export function encodeColumn(vector: ColumnVector, rows: Uint32Array | null, from: number, to: number): Buffer {
  const presence = encodePresence(vector, rows, from, to);
  const picked = pickValues(vector, rows, from, to);
  const values = encodeValues(vector, picked);
  return Buffer.concat([presence, values]);
}

/** Row numbers that hold a value, in order. */
function pickValues(vector: ColumnVector, rows: Uint32Array | null, from: number, to: number): Uint32Array {
  const picked = new Uint32Array(to - from);
  let count = 0;
  for (let i = from; i < to; i++) {
    const row = rows === null ? i : rows[i]!;
    if (vector.presence[row] === CELL.value) picked[count++] = row;
  }
  return picked.subarray(0, count);
}

function encodePresence(vector: ColumnVector, rows: Uint32Array | null, from: number, to: number): Buffer {
  const bits = Buffer.alloc(1 + Math.ceil((to - from) / 4));
  let full = true;
  for (let i = from; i < to; i++) {
    const state = vector.presence[rows === null ? i : rows[i]!]!;
    if (state !== CELL.value) full = false;
    bits[1 + ((i - from) >> 2)]! |= state << (((i - from) & 3) * 2);
  }
  if (full) return Buffer.from([0]);
  bits[0] = 1;
  return bits;
}

function encodeValues(vector: ColumnVector, picked: Uint32Array): Buffer {
  switch (vector.kind) {
    case 'u8': {
      const out = Buffer.allocUnsafe(1 + picked.length);
      out[0] = ENCODING.u8;
      for (let i = 0; i < picked.length; i++) out[1 + i] = vector.u8[picked[i]!]!;
      return out;
    }
    case 'f64': {
      const out = Buffer.allocUnsafe(1 + picked.length * 8);
      out[0] = ENCODING.f64;
      for (let i = 0; i < picked.length; i++) out.writeDoubleLE(vector.f64[picked[i]!]!, 1 + i * 8);
      return out;
    }
    case 'i32':
      return encodeWhole(vector.i32, picked, 'i32');
    case 'whole':
      return encodeWhole(vector.f64, picked, 'whole');
    case 'i64':
      return encodeLong(vector.i64, picked);
    case 'bytes':
      return encodeDictionary(vector, picked) ?? encodeBytes(vector, picked);
  }
}

/** i32 and whole numbers: a frame when it is narrower, else plain. */
function encodeWhole(values: Int32Array | Float64Array, picked: Uint32Array, kind: 'i32' | 'whole'): Buffer {
  let min = picked.length === 0 ? 0 : values[picked[0]!]!;
  let max = min;
  for (let i = 1; i < picked.length; i++) {
    const value = values[picked[i]!]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const width = widthFor(max - min);
  if (width !== null && (kind === 'whole' || width < 4)) {
    const out = Buffer.allocUnsafe(10 + picked.length * width);
    out[0] = ENCODING.frame;
    writeWhole(out, 1, min);
    out[9] = width;
    for (let i = 0; i < picked.length; i++) writeUnsigned(out, 10 + i * width, width, values[picked[i]!]! - min);
    return out;
  }
  const size = kind === 'i32' ? 4 : 8;
  const out = Buffer.allocUnsafe(1 + picked.length * size);
  out[0] = kind === 'i32' ? ENCODING.i32 : ENCODING.i64;
  for (let i = 0; i < picked.length; i++) {
    if (kind === 'i32') out.writeInt32LE(values[picked[i]!]!, 1 + i * 4);
    else writeWhole(out, 1 + i * 8, values[picked[i]!]!);
  }
  return out;
}

function encodeLong(values: BigInt64Array, picked: Uint32Array): Buffer {
  let min = picked.length === 0 ? 0n : values[picked[0]!]!;
  let max = min;
  for (let i = 1; i < picked.length; i++) {
    const value = values[picked[i]!]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const span = max - min;
  const width = span > 0xffff_ffffn ? null : widthFor(Number(span));
  const out = Buffer.allocUnsafe(width === null ? 1 + picked.length * 8 : 10 + picked.length * width);
  if (width === null) {
    out[0] = ENCODING.i64;
    for (let i = 0; i < picked.length; i++) out.writeBigInt64LE(values[picked[i]!]!, 1 + i * 8);
    return out;
  }
  out[0] = ENCODING.frame;
  out.writeBigInt64LE(min, 1);
  out[9] = width;
  for (let i = 0; i < picked.length; i++) {
    writeUnsigned(out, 10 + i * width, width, Number(values[picked[i]!]! - min));
  }
  return out;
}

function encodeBytes(vector: ColumnVector, picked: Uint32Array): Buffer {
  let total = 0;
  for (let i = 0; i < picked.length; i++) total += vector.lengths[picked[i]!]!;
  const out = Buffer.allocUnsafe(1 + picked.length * 4 + total);
  out[0] = ENCODING.bytes;
  let at = 1 + picked.length * 4;
  for (let i = 0; i < picked.length; i++) {
    const row = picked[i]!;
    const start = vector.starts[row]!;
    out.writeUInt32LE(vector.lengths[row]!, 1 + i * 4);
    at += vector.arena.copy(out, at, start, start + vector.lengths[row]!);
  }
  return out;
}

/** After this many values a column of mostly different ones is given up as a dictionary. */
const DICTIONARY_SAMPLE = 2048;
const DICTIONARY_SAMPLE_SHARE_MAX = 0.75;

/** Null when there are too many different values for a dictionary to pay. */
function encodeDictionary(vector: ColumnVector, picked: Uint32Array): Buffer | null {
  const entriesMax = Math.min(DICTIONARY_ENTRIES_MAX, Math.floor(picked.length * DICTIONARY_SHARE_MAX));
  if (entriesMax < 1) return null;
  const { arena, starts, lengths } = vector;
  const codes = new Uint16Array(picked.length);
  const firsts = new Uint32Array(entriesMax);
  let entries = 0;
  // Open addressing, at most half full: entry + 1, or 0 where free.
  const slots = new Uint32Array(2 ** Math.ceil(Math.log2(entriesMax * 2 + 2)));
  const mask = slots.length - 1;
  for (let i = 0; i < picked.length; i++) {
    const row = picked[i]!;
    const start = starts[row]!;
    const length = lengths[row]!;
    let slot = hashBytes(arena, start, length) & mask;
    while (slots[slot] !== 0) {
      const first = firsts[slots[slot]! - 1]!;
      if (lengths[first] === length && sameBytes(arena, starts[first]!, start, length)) break;
      slot = (slot + 1) & mask;
    }
    if (slots[slot] === 0) {
      if (entries === entriesMax) return null;
      firsts[entries++] = row;
      slots[slot] = entries;
    }
    codes[i] = slots[slot]! - 1;
    if (i === DICTIONARY_SAMPLE && entries > DICTIONARY_SAMPLE * DICTIONARY_SAMPLE_SHARE_MAX) return null;
  }
  const head = encodeBytes(vector, firsts.subarray(0, entries));
  const width = entries <= 256 ? 1 : 2;
  const out = Buffer.allocUnsafe(5 + head.length - 1 + picked.length * width);
  out[0] = ENCODING.dictionary;
  out.writeUInt32LE(entries, 1);
  const at = 5 + head.copy(out, 5, 1);
  for (let i = 0; i < codes.length; i++) writeUnsigned(out, at + i * width, width, codes[i]!);
  return out;
}

function hashBytes(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function sameBytes(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Bytes that hold 0 … span; null when four do not. */
function widthFor(span: number): number | null {
  if (span === 0) return 0;
  if (span <= 0xff) return 1;
  if (span <= 0xffff) return 2;
  return span <= 0xffff_ffff ? 4 : null;
}

function writeUnsigned(out: Buffer, at: number, width: number, value: number): void {
  if (width === 1) out[at] = value;
  else if (width === 2) out.writeUInt16LE(value, at);
  else if (width === 4) out.writeUInt32LE(value, at);
}

function readUnsigned(bytes: Buffer, at: number, width: number): number {
  if (width === 1) return bytes[at]!;
  if (width === 2) return bytes.readUInt16LE(at);
  return width === 4 ? bytes.readUInt32LE(at) : 0;
}

function writeWhole(out: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 4_294_967_296);
  out.writeUInt32LE(value - high * 4_294_967_296, at);
  out.writeInt32LE(high, at + 4);
}

function readWhole(bytes: Buffer, at: number): number {
  return bytes.readInt32LE(at + 4) * 4_294_967_296 + bytes.readUInt32LE(at);
}

/**
 * Decodes `rowCount` rows into rows `toRow …` of `vector`.
 * @throws {Fault} `corrupt`: lengths do not add up, or the encoding is not one of the column's kind.
 */
export function decodeColumn(bytes: Uint8Array, rowCount: number, vector: ColumnVector, toRow = 0): void {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  vector.reserveRows(toRow + rowCount);
  const at = decodePresence(source, rowCount, vector, toRow);
  let count = 0;
  for (let row = toRow; row < toRow + rowCount; row++) if (vector.presence[row] === CELL.value) count++;
  new ValueReader(source, at, count).into(vector, toRow, rowCount);
}

function decodePresence(source: Buffer, rowCount: number, vector: ColumnVector, toRow: number): number {
  if (source[0] === 0) {
    vector.presence.fill(CELL.value, toRow, toRow + rowCount);
    return 1;
  }
  const end = 1 + Math.ceil(rowCount / 4);
  need(source, end);
  if (source[0] !== 1)
    throw new Fault('corrupt', `column presence is ${source[0]}, expected 0 or 1`, { got: source[0] });
  for (let i = 0; i < rowCount; i++) {
    const state = (source[1 + (i >> 2)]! >> ((i & 3) * 2)) & 3;
    if (state > CELL.deleted) throw new Fault('corrupt', `cell state ${state}, expected 0, 1 or 2`, { got: state });
    vector.presence[toRow + i] = state;
  }
  return end;
}

function need(source: Buffer, end: number): void {
  if (end <= source.length) return;
  throw new Fault('corrupt', `column bytes end at ${source.length}, expected ${end}`, {
    got: source.length,
    expected: end,
  });
}

/** Reads `count` values that begin at `at` with their encoding byte. */
class ValueReader {
  readonly #source: Buffer;
  readonly #at: number;
  readonly #count: number;

  constructor(source: Buffer, at: number, count: number) {
    need(source, at + 1);
    this.#source = source;
    this.#at = at + 1;
    this.#count = count;
  }

  into(vector: ColumnVector, toRow: number, rowCount: number): void {
    const encoding = this.#source[this.#at - 1]!;
    const rows = rowsWithValues(vector, toRow, rowCount, this.#count);
    const { kind } = vector;
    if (kind === 'u8' && encoding === ENCODING.u8) this.#u8(vector, rows);
    else if (kind === 'i32' && encoding === ENCODING.i32) this.#i32(vector, rows);
    else if (kind === 'i64' && encoding === ENCODING.i32) this.#widened(vector, rows);
    else if (kind === 'f64' && encoding === ENCODING.f64) this.#f64(vector, rows);
    else if ((kind === 'i64' || kind === 'whole') && encoding === ENCODING.i64) this.#i64(vector, rows);
    else if ((kind === 'i32' || kind === 'i64' || kind === 'whole') && encoding === ENCODING.frame)
      this.#frame(vector, rows);
    else if (kind === 'bytes' && encoding === ENCODING.bytes) this.#bytes(vector, rows);
    else if (kind === 'bytes' && encoding === ENCODING.dictionary) this.#dictionary(vector, rows);
    else throw new Fault('corrupt', `column of kind ${kind} has encoding ${encoding}`, { got: encoding });
  }

  #u8(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + rows.length);
    for (let i = 0; i < rows.length; i++) vector.u8[rows[i]!] = this.#source[this.#at + i]!;
  }

  #i32(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + rows.length * 4);
    for (let i = 0; i < rows.length; i++) vector.i32[rows[i]!] = this.#source.readInt32LE(this.#at + i * 4);
  }

  /** What was written while the column was still an int. */
  #widened(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + rows.length * 4);
    for (let i = 0; i < rows.length; i++) vector.i64[rows[i]!] = BigInt(this.#source.readInt32LE(this.#at + i * 4));
  }

  #f64(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + rows.length * 8);
    for (let i = 0; i < rows.length; i++) vector.f64[rows[i]!] = this.#source.readDoubleLE(this.#at + i * 8);
  }

  #i64(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + rows.length * 8);
    for (let i = 0; i < rows.length; i++) {
      const at = this.#at + i * 8;
      if (vector.kind === 'i64') vector.i64[rows[i]!] = this.#source.readBigInt64LE(at);
      else vector.f64[rows[i]!] = readWhole(this.#source, at);
    }
  }

  #frame(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + 9);
    const width = this.#source[this.#at + 8]!;
    const first = this.#at + 9;
    if (width > 2 && width !== 4)
      throw new Fault('corrupt', `frame width ${width}, expected 0, 1, 2 or 4`, { got: width });
    need(this.#source, first + rows.length * width);
    if (vector.kind === 'i64') {
      const base = this.#source.readBigInt64LE(this.#at);
      for (let i = 0; i < rows.length; i++) {
        vector.i64[rows[i]!] = base + BigInt(readUnsigned(this.#source, first + i * width, width));
      }
      return;
    }
    const base = readWhole(this.#source, this.#at);
    const values = vector.kind === 'i32' ? vector.i32 : vector.f64;
    for (let i = 0; i < rows.length; i++) {
      const value = base + readUnsigned(this.#source, first + i * width, width);
      values[rows[i]!] = value;
      if (values[rows[i]!] !== value) throw new Fault('corrupt', `${value} in a column of 32 bits`, { got: value });
    }
  }

  #bytes(vector: ColumnVector, rows: Uint32Array): void {
    const first = this.#at + rows.length * 4;
    need(this.#source, first);
    let at = 0;
    const base = this.#copyArena(vector, first);
    for (let i = 0; i < rows.length; i++) {
      const length = this.#source.readUInt32LE(this.#at + i * 4);
      vector.starts[rows[i]!] = base + at;
      vector.lengths[rows[i]!] = length;
      at += length;
    }
    need(this.#source, first + at);
    vector.arenaUsed = base + at;
  }

  #dictionary(vector: ColumnVector, rows: Uint32Array): void {
    need(this.#source, this.#at + 4);
    const entries = this.#source.readUInt32LE(this.#at);
    const lengthsAt = this.#at + 4;
    const textAt = lengthsAt + entries * 4;
    need(this.#source, textAt);
    const starts = new Uint32Array(entries);
    const lengths = new Uint32Array(entries);
    let at = 0;
    for (let i = 0; i < entries; i++) {
      starts[i] = at;
      lengths[i] = this.#source.readUInt32LE(lengthsAt + i * 4);
      at += lengths[i]!;
    }
    const width = entries <= 256 ? 1 : 2;
    const codesAt = textAt + at;
    need(this.#source, codesAt + rows.length * width);
    const base = this.#copyArena(vector, textAt, codesAt);
    for (let i = 0; i < rows.length; i++) {
      const code = readUnsigned(this.#source, codesAt + i * width, width);
      if (code >= entries) throw new Fault('corrupt', `dictionary code ${code} of ${entries}`, { got: code });
      vector.starts[rows[i]!] = base + starts[code]!;
      vector.lengths[rows[i]!] = lengths[code]!;
    }
    vector.arenaUsed = base + at;
  }

  /** Takes the bytes from `from` into the vector's arena at once; rows then share them. */
  #copyArena(vector: ColumnVector, from: number, to = this.#source.length): number {
    const base = vector.arenaUsed;
    vector.reserveBytes(to - from);
    this.#source.copy(vector.arena, base, from, to);
    return base;
  }
}

function rowsWithValues(vector: ColumnVector, toRow: number, rowCount: number, count: number): Uint32Array {
  const rows = new Uint32Array(count);
  let at = 0;
  for (let row = toRow; row < toRow + rowCount; row++) if (vector.presence[row] === CELL.value) rows[at++] = row;
  return rows;
}
