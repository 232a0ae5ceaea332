/** Bytes of a column into a vector. Values come in densely, by whole arrays; where rows have none, they are spread. */

import { Fault } from '@tidemark/platform/fault';
import { ENCODING, Scratch } from './column-encoding.ts';
import { CELL, type ColumnVector } from './column-vector.ts';

const scratch = new Scratch();

/**
 * Decodes `rowCount` rows into rows `toRow …` of `vector`.
 * @throws {Fault} `corrupt`: lengths do not add up, or the encoding is not one of the column's kind.
 */
export function decodeColumn(bytes: Uint8Array, rowCount: number, vector: ColumnVector, toRow = 0): void {
  vector.reserveRows(toRow + rowCount);
  const encodingAt = decodePresence(bytes, rowCount, vector, toRow);
  need(bytes, encodingAt + 1);
  const rows = bytes[0] === 0 ? null : rowsWithValues(vector, toRow, rowCount);
  const count = rows === null ? rowCount : rows.length;
  const values = { bytes, at: encodingAt + 1, count, vector, toRow };
  decodeValues(values, bytes[encodingAt]!);
  if (rows !== null && count < rowCount) spread(vector, toRow, rows);
}

/** `count` values of `bytes` from `at` on, which become rows `toRow …` one after the other. */
type Values = {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly count: number;
  readonly vector: ColumnVector;
  readonly toRow: number;
};

function decodeValues(values: Values, encoding: number): void {
  const { kind } = values.vector;
  if (kind === 'u8' && encoding === ENCODING.u8) copyValues(values, values.vector.u8);
  else if (kind === 'i32' && encoding === ENCODING.i32) copyValues(values, values.vector.i32);
  else if (kind === 'f64' && encoding === ENCODING.f64) copyValues(values, values.vector.f64);
  else if (kind === 'i64' && encoding === ENCODING.i64) copyValues(values, values.vector.i64);
  else if (kind === 'i64' && encoding === ENCODING.i32) widen(values);
  else if (kind === 'whole' && encoding === ENCODING.i64) decodeWhole(values);
  else if (kind === 'i64' && encoding === ENCODING.frame) decodeLongFrame(values);
  else if ((kind === 'i32' || kind === 'whole') && encoding === ENCODING.frame) decodeFrame(values);
  else if (kind === 'bytes' && encoding === ENCODING.bytes) decodeBytes(values);
  else if (kind === 'bytes' && encoding === ENCODING.dictionary) decodeDictionary(values);
  else throw new Fault('corrupt', `column of kind ${kind} has encoding ${encoding}`, { got: encoding });
}

function decodePresence(bytes: Uint8Array, rowCount: number, vector: ColumnVector, toRow: number): number {
  if (bytes[0] === 0) {
    vector.presence.fill(CELL.value, toRow, toRow + rowCount);
    return 1;
  }
  const end = 1 + Math.ceil(rowCount / 4);
  need(bytes, end);
  if (bytes[0] !== 1) throw new Fault('corrupt', `column presence is ${bytes[0]}, expected 0 or 1`, { got: bytes[0] });
  const { presence } = vector;
  for (let i = 0; i < rowCount; i++) {
    const state = (bytes[1 + (i >> 2)]! >> ((i & 3) * 2)) & 3;
    if (state > CELL.deleted) throw new Fault('corrupt', `cell state ${state}, expected 0, 1 or 2`, { got: state });
    presence[toRow + i] = state;
  }
  return end;
}

function need(bytes: Uint8Array, end: number): void {
  if (end <= bytes.length) return;
  throw new Fault('corrupt', `column bytes end at ${bytes.length}, expected ${end}`, {
    got: bytes.length,
    expected: end,
  });
}

function rowsWithValues(vector: ColumnVector, toRow: number, rowCount: number): Uint32Array {
  const rows = new Uint32Array(rowCount);
  const { presence } = vector;
  let count = 0;
  for (let row = toRow; row < toRow + rowCount; row++) if (presence[row] === CELL.value) rows[count++] = row;
  return rows.subarray(0, count);
}

/** Puts what came in densely where it belongs. Backwards, as no value moves to a lower row. */
function spread(vector: ColumnVector, toRow: number, rows: Uint32Array): void {
  if (vector.kind === 'bytes') {
    spreadArray(vector.starts, toRow, rows);
    spreadArray(vector.lengths, toRow, rows);
  } else if (vector.kind === 'i64') {
    const { i64 } = vector;
    for (let i = rows.length - 1; i >= 0; i--) i64[rows[i]!] = i64[toRow + i]!;
  } else if (vector.kind === 'i32') spreadArray(vector.i32, toRow, rows);
  else if (vector.kind === 'u8') spreadArray(vector.u8, toRow, rows);
  else spreadArray(vector.f64, toRow, rows);
}

function spreadArray(
  array: Uint8Array | Int32Array | Uint32Array | Float64Array,
  toRow: number,
  rows: Uint32Array,
): void {
  for (let i = rows.length - 1; i >= 0; i--) array[rows[i]!] = array[toRow + i]!;
}

/** Values that stand in the bytes as they do in memory. */
function copyValues(
  { bytes, at, count, toRow }: Values,
  into: Uint8Array | Int32Array | Float64Array | BigInt64Array,
): void {
  const size = into.BYTES_PER_ELEMENT;
  need(bytes, at + count * size);
  const target = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  target.set(bytes.subarray(at, at + count * size), toRow * size);
}

/** What was written while the column was still an int. */
function widen({ bytes, at, count, vector, toRow }: Values): void {
  need(bytes, at + count * 4);
  const { i32 } = scratch.load(bytes, at, count * 4);
  const halves = halvesOf(vector);
  for (let i = 0, to = toRow * 2; i < count; i++, to += 2) {
    halves[to] = i32[i]!;
    halves[to + 1] = i32[i]! >> 31;
  }
}

/** The longs of a vector as pairs of 32 bits, the lower half first. */
function halvesOf({ i64 }: ColumnVector): Uint32Array {
  return new Uint32Array(i64.buffer, i64.byteOffset, i64.length * 2);
}

function decodeWhole({ bytes, at, count, vector, toRow }: Values): void {
  need(bytes, at + count * 8);
  const { u32, i32 } = scratch.load(bytes, at, count * 8);
  const { f64 } = vector;
  for (let i = 0; i < count; i++) f64[toRow + i] = i32[i * 2 + 1]! * 4_294_967_296 + u32[i * 2]!;
}

/** The unsigned numbers of a frame, after its base; their width may be none. */
function loadFrame({ bytes, at, count }: Values): Uint8Array | Uint16Array | Uint32Array | null {
  need(bytes, at + 9);
  const width = bytes[at + 8]!;
  if (width > 2 && width !== 4)
    throw new Fault('corrupt', `frame width ${width}, expected 0, 1, 2 or 4`, { got: width });
  need(bytes, at + 9 + count * width);
  if (width === 0) return null;
  scratch.load(bytes, at + 9, count * width);
  return width === 1 ? scratch.bytes : width === 2 ? scratch.u16 : scratch.u32;
}

function decodeFrame(values: Values): void {
  const { bytes, at, count, vector, toRow } = values;
  const deltas = loadFrame(values);
  const base = readWhole(bytes, at);
  if (vector.kind === 'i32') {
    checkIntFrame(base, deltas, count);
    place(vector.i32, toRow, deltas, count);
    addToInts(vector.i32, toRow, toRow + count, base | 0);
  } else {
    place(vector.f64, toRow, deltas, count);
    addToDoubles(vector.f64, toRow, toRow + count, base);
  }
}

function place(
  into: Int32Array | Float64Array,
  toRow: number,
  deltas: Uint8Array | Uint16Array | Uint32Array | null,
  count: number,
): void {
  if (deltas === null) into.fill(0, toRow, toRow + count);
  else into.set(deltas.subarray(0, count), toRow);
}

// A loop for each kind of array, so that neither is slowed by the other. 32 bits wrap to the right sum.
function addToInts(into: Int32Array, from: number, to: number, base: number): void {
  for (let row = from; row < to; row++) into[row] = (into[row]! + base) | 0;
}

function addToDoubles(into: Float64Array, from: number, to: number, base: number): void {
  for (let row = from; row < to; row++) into[row]! += base;
}

/** No value of a column of 32 bits may lie beyond them. */
function checkIntFrame(base: number, deltas: Uint8Array | Uint16Array | Uint32Array | null, count: number): void {
  const mostPossible = deltas === null ? 0 : 2 ** (deltas.BYTES_PER_ELEMENT * 8) - 1;
  if (count === 0 || (base >= -2_147_483_648 && base + mostPossible <= 2_147_483_647)) return;
  let largest = 0;
  if (deltas !== null) for (let i = 0; i < count; i++) if (deltas[i]! > largest) largest = deltas[i]!;
  if (base >= -2_147_483_648 && base + largest <= 2_147_483_647) return;
  const got = base < -2_147_483_648 ? base : base + largest;
  throw new Fault('corrupt', `${got} in a column of 32 bits`, { got });
}

function decodeLongFrame(values: Values): void {
  const { bytes, at, count, vector, toRow } = values;
  const deltas = loadFrame(values);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  const low = view.getUint32(0, true);
  const high = view.getInt32(4, true);
  const halves = halvesOf(vector);
  for (let i = 0, to = toRow * 2; i < count; i++, to += 2) {
    const sum = low + (deltas === null ? 0 : deltas[i]!);
    halves[to] = sum;
    halves[to + 1] = sum > 0xffff_ffff ? high + 1 : high;
  }
}

function readWhole(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  return view.getInt32(4, true) * 4_294_967_296 + view.getUint32(0, true);
}

function decodeBytes({ bytes, at, count, vector, toRow }: Values): void {
  const first = at + count * 4;
  need(bytes, first);
  const target = new Uint8Array(vector.lengths.buffer, vector.lengths.byteOffset, vector.lengths.byteLength);
  target.set(bytes.subarray(at, first), toRow * 4);
  const { starts, lengths } = vector;
  const base = vector.arenaUsed;
  let next = base;
  for (let row = toRow; row < toRow + count; row++) {
    starts[row] = next;
    next += lengths[row]!;
  }
  need(bytes, first + next - base);
  takeArena(vector, bytes, first, first + next - base);
}

function decodeDictionary({ bytes, at, count, vector, toRow }: Values): void {
  need(bytes, at + 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = view.getUint32(at, true);
  const textAt = at + 4 + entries * 4;
  need(bytes, textAt);
  const entryStarts = new Uint32Array(entries);
  const entryLengths = new Uint32Array(entries);
  let textBytes = 0;
  for (let i = 0; i < entries; i++) {
    entryStarts[i] = vector.arenaUsed + textBytes;
    entryLengths[i] = view.getUint32(at + 4 + i * 4, true);
    textBytes += entryLengths[i]!;
  }
  const codesAt = textAt + textBytes;
  const width = entries <= 256 ? 1 : 2;
  need(bytes, codesAt + count * width);
  scratch.load(bytes, codesAt, count * width);
  const codes = width === 1 ? scratch.bytes : scratch.u16;
  const { starts, lengths } = vector;
  for (let i = 0; i < count; i++) {
    const code = codes[i]!;
    if (code >= entries) throw new Fault('corrupt', `dictionary code ${code} of ${entries}`, { got: code });
    starts[toRow + i] = entryStarts[code]!;
    lengths[toRow + i] = entryLengths[code]!;
  }
  takeArena(vector, bytes, textAt, codesAt);
}

/** Takes bytes `from … to` into the vector's arena at once; rows then share them. */
function takeArena(vector: ColumnVector, bytes: Uint8Array, from: number, to: number): void {
  vector.reserveBytes(to - from);
  vector.arena.set(bytes.subarray(from, to), vector.arenaUsed);
  vector.arenaUsed += to - from;
}
