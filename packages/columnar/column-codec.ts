/** A vector's rows to the bytes of a column (`column-encoding.ts` says what they are) and back. */

import { ENCODING, Scratch } from './column-encoding.ts';
import { CELL, type ColumnVector } from './column-vector.ts';
import { RecentPlaces } from './recent-places.ts';

export { decodeColumn } from './column-decode.ts';
export { ENCODING } from './column-encoding.ts';

const DICTIONARY_ENTRIES_MAX = 65_536;
/** A dictionary is worth it when entries are at most this share of the values. */
const DICTIONARY_SHARE_MAX = 0.5;
/** After this many values a column of mostly different ones is given up as a dictionary. */
const DICTIONARY_SAMPLE = 2048;
const DICTIONARY_SAMPLE_SHARE_MAX = 0.75;

/** Bytes that a loop moves faster than a call does. */
const SHORT = 32;

const scratch = new Scratch();
const slotScratch = new Scratch();
const pickScratch = new Scratch();
let identity = new Uint32Array(0);

/** Encodes rows `rows[from … to)` of a vector; `rows` null means the row numbers themselves. */
export function encodeColumn(vector: ColumnVector, rows: Uint32Array | null, from: number, to: number): Buffer {
  const asked = rows === null ? numbersTo(to).subarray(from, to) : rows.subarray(from, to);
  const picked = pickValues(vector, asked);
  if (picked.length === asked.length) {
    const out = encodeValues(vector, picked, 1);
    out[0] = 0;
    return out;
  }
  const presenceBytes = 1 + Math.ceil(asked.length / 4);
  const out = encodeValues(vector, picked, presenceBytes);
  writePresence(out, vector, asked, presenceBytes);
  return out;
}

/** 0, 1, 2 … up to `end`, and perhaps beyond. */
function numbersTo(end: number): Uint32Array {
  if (end > identity.length) identity = new Uint32Array(end * 2).map((_, i) => i);
  return identity;
}

/** Those of the rows that hold a value: `asked` itself when all do. */
function pickValues({ presence }: ColumnVector, asked: Uint32Array): Uint32Array {
  let count = 0;
  while (count < asked.length && presence[asked[count]!] === CELL.value) count++;
  if (count === asked.length) return asked;
  const { u32 } = pickScratch.reserve(asked.length * 4);
  u32.set(asked.subarray(0, count));
  for (let i = count; i < asked.length; i++) if (presence[asked[i]!] === CELL.value) u32[count++] = asked[i]!;
  return u32.subarray(0, count);
}

function writePresence(out: Buffer, { presence }: ColumnVector, asked: Uint32Array, end: number): void {
  out[0] = 1;
  out.fill(0, 1, end);
  for (let i = 0; i < asked.length; i++) out[1 + (i >> 2)]! |= presence[asked[i]!]! << ((i & 3) * 2);
}

/** A new buffer with room for what stands before, and from `at` on the encoding and the values. */
function encodeValues(vector: ColumnVector, picked: Uint32Array, at: number): Buffer {
  switch (vector.kind) {
    case 'u8': {
      const { u8 } = vector;
      const out = begin(at, ENCODING.u8, picked.length);
      for (let i = 0; i < picked.length; i++) out[at + 1 + i] = u8[picked[i]!]!;
      return out;
    }
    case 'f64': {
      const { f64 } = vector;
      const gathered = scratch.reserve(picked.length * 8).f64;
      for (let i = 0; i < picked.length; i++) gathered[i] = f64[picked[i]!]!;
      return unload(begin(at, ENCODING.f64, picked.length * 8), at + 1, picked.length * 8);
    }
    case 'i32':
      return encodeWhole(vector.i32, picked, at, 'i32');
    case 'whole':
      return encodeWhole(vector.f64, picked, at, 'whole');
    case 'i64':
      return encodeLong(vector.i64, picked, at);
    case 'bytes':
      return encodeDictionary(vector, picked, at) ?? encodeBytes(vector, picked, at);
  }
}

/** A buffer whose encoding stands at `at`, with room for so many bytes of values behind it. */
function begin(at: number, encoding: number, bytes: number): Buffer {
  const out = Buffer.allocUnsafe(at + 1 + bytes);
  out[at] = encoding;
  return out;
}

/** Copies the first bytes of the scratch memory to `at`. */
function unload(out: Buffer, at: number, bytes: number): Buffer {
  out.set(scratch.bytes.subarray(0, bytes), at);
  return out;
}

/** i32 and whole numbers: a frame when it is narrower, else plain. */
function encodeWhole(
  values: Int32Array | Float64Array,
  picked: Uint32Array,
  at: number,
  kind: 'i32' | 'whole',
): Buffer {
  let min = picked.length === 0 ? 0 : values[picked[0]!]!;
  let max = min;
  for (let i = 1; i < picked.length; i++) {
    const value = values[picked[i]!]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const width = widthFor(max - min);
  if (width !== null && (kind === 'whole' || width < 4)) {
    gatherAbove(values, picked, min, width);
    const out = begin(at, ENCODING.frame, 9 + picked.length * width);
    const high = Math.floor(min / 4_294_967_296);
    out.writeUInt32LE(min - high * 4_294_967_296, at + 1);
    out.writeInt32LE(high, at + 5);
    out[at + 9] = width;
    return unload(out, at + 10, picked.length * width);
  }
  if (kind === 'i32') {
    const { i32 } = scratch.reserve(picked.length * 4);
    for (let i = 0; i < picked.length; i++) i32[i] = values[picked[i]!]!;
    return unload(begin(at, ENCODING.i32, picked.length * 4), at + 1, picked.length * 4);
  }
  const { i32 } = scratch.reserve(picked.length * 8);
  for (let i = 0; i < picked.length; i++) {
    const value = values[picked[i]!]!;
    const high = Math.floor(value / 4_294_967_296);
    i32[i * 2] = value - high * 4_294_967_296;
    i32[i * 2 + 1] = high;
  }
  return unload(begin(at, ENCODING.i64, picked.length * 8), at + 1, picked.length * 8);
}

/** Brings how far each value lies above `min` into the scratch memory, `width` bytes each. */
function gatherAbove(values: Int32Array | Float64Array, picked: Uint32Array, min: number, width: number): void {
  const { bytes, u16, u32 } = scratch.reserve(picked.length * width);
  if (width === 1) for (let i = 0; i < picked.length; i++) bytes[i] = values[picked[i]!]! - min;
  else if (width === 2) for (let i = 0; i < picked.length; i++) u16[i] = values[picked[i]!]! - min;
  else if (width === 4) for (let i = 0; i < picked.length; i++) u32[i] = values[picked[i]!]! - min;
}

function encodeLong(values: BigInt64Array, picked: Uint32Array, at: number): Buffer {
  let min = picked.length === 0 ? 0n : values[picked[0]!]!;
  let max = min;
  for (let i = 1; i < picked.length; i++) {
    const value = values[picked[i]!]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const span = max - min;
  const width = span > 0xffff_ffffn ? null : widthFor(Number(span));
  if (width === null) {
    const { i64 } = scratch.reserve(picked.length * 8);
    for (let i = 0; i < picked.length; i++) i64[i] = values[picked[i]!]!;
    return unload(begin(at, ENCODING.i64, picked.length * 8), at + 1, picked.length * 8);
  }
  const { bytes, u16, u32 } = scratch.reserve(picked.length * 4);
  // The span fits into 32 bits, so the lower halves alone tell how far apart two values are.
  const halves = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const low = Number(BigInt.asUintN(32, min));
  for (let i = 0; i < picked.length; i++) {
    const above = (halves[picked[i]! * 2]! - low) >>> 0;
    if (width === 1) bytes[i] = above;
    else if (width === 2) u16[i] = above;
    else u32[i] = above;
  }
  const out = begin(at, ENCODING.frame, 9 + picked.length * width);
  out.writeBigInt64LE(min, at + 1);
  out[at + 9] = width;
  return unload(out, at + 10, picked.length * width);
}

function encodeBytes(vector: ColumnVector, picked: Uint32Array, at: number): Buffer {
  const lengthBytes = picked.length * 4;
  const out = begin(at, ENCODING.bytes, lengthBytes + gatherLengths(vector, picked));
  unload(out, at + 1, lengthBytes);
  writeTexts(out, at + 1 + lengthBytes, vector, picked);
  return out;
}

/** Brings the lengths into the scratch memory. @returns their sum */
function gatherLengths({ lengths }: ColumnVector, picked: Uint32Array): number {
  const { u32 } = scratch.reserve(picked.length * 4);
  let total = 0;
  for (let i = 0; i < picked.length; i++) {
    const length = lengths[picked[i]!]!;
    u32[i] = length;
    total += length;
  }
  return total;
}

/** Writes the rows' bytes one after the other. @returns the place after them */
function writeTexts(out: Buffer, from: number, vector: ColumnVector, picked: Uint32Array): number {
  const { arena, starts, lengths } = vector;
  let at = from;
  for (let i = 0; i < picked.length; i++) {
    const start = starts[picked[i]!]!;
    const length = lengths[picked[i]!]!;
    if (length > SHORT) out.set(arena.subarray(start, start + length), at);
    else for (let j = 0; j < length; j++) out[at + j] = arena[start + j]!;
    at += length;
  }
  return at;
}

/** Null when there are too many different values for a dictionary to pay. */
function encodeDictionary(vector: ColumnVector, picked: Uint32Array, at: number): Buffer | null {
  const entriesMax = Math.min(DICTIONARY_ENTRIES_MAX, Math.floor(picked.length * DICTIONARY_SHARE_MAX));
  if (entriesMax < 1) return null;
  const { codes, firsts } = codesOf(vector, picked, entriesMax);
  if (firsts === null) return null;
  const textBytes = gatherLengths(vector, firsts);
  const width = firsts.length <= 256 ? 1 : 2;
  const lengthBytes = firsts.length * 4;
  const out = begin(at, ENCODING.dictionary, 4 + lengthBytes + textBytes + picked.length * width);
  out.writeUInt32LE(firsts.length, at + 1);
  unload(out, at + 5, lengthBytes);
  const codesAt = writeTexts(out, at + 5 + lengthBytes, vector, firsts);
  if (width === 1) for (let i = 0; i < picked.length; i++) out[codesAt + i] = codes[i]!;
  else out.set(new Uint8Array(codes.buffer, 0, picked.length * 2), codesAt);
  return out;
}

type Codes = {
  /** For each value the number of its entry. */
  readonly codes: Uint16Array;
  /** The row in which each entry first stands; null when they are too many. */
  readonly firsts: Uint32Array | null;
};

/** The codes of texts. Used within one call. */
const known = new RecentPlaces();

function codesOf({ arena, starts, lengths }: ColumnVector, picked: Uint32Array, entriesMax: number): Codes {
  const codes = new Uint16Array(picked.length);
  const firsts = new Uint32Array(entriesMax);
  let entries = 0;
  // Open addressing, at most half full: entry + 1, or 0 where free.
  const slotCount = 2 ** Math.ceil(Math.log2(entriesMax * 2 + 2));
  const slots = slotScratch.reserve(slotCount * 4).u32.fill(0, 0, slotCount);
  const mask = slotCount - 1;
  // Texts that are kept once stand in the same place: what was found there needs no second look.
  known.clear();
  for (let i = 0; i < picked.length; i++) {
    const row = picked[i]!;
    const start = starts[row]!;
    const length = lengths[row]!;
    const before = known.find(start, length);
    if (before >= 0) {
      codes[i] = before;
      continue;
    }
    let slot = hashBytes(arena, start, length) & mask;
    while (slots[slot] !== 0) {
      const first = firsts[slots[slot]! - 1]!;
      if (lengths[first] === length && sameBytes(arena, starts[first]!, start, length)) break;
      slot = (slot + 1) & mask;
    }
    if (slots[slot] === 0) {
      if (entries === entriesMax) return { codes, firsts: null };
      firsts[entries++] = row;
      slots[slot] = entries;
    }
    const code = slots[slot]! - 1;
    codes[i] = code;
    known.note(start, length, code);
    if (i === DICTIONARY_SAMPLE && entries > DICTIONARY_SAMPLE * DICTIONARY_SAMPLE_SHARE_MAX)
      return { codes, firsts: null };
  }
  return { codes, firsts: firsts.subarray(0, entries) };
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
