/** A vector's rows as a section of a column file's block: `block-encoding.ts` says what the bytes are. */

import { encodeColumn } from '@tidemark/columnar/column-codec';
import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { areAllValues } from '../row/presence.ts';
import { BLOCK_ENCODING, BLOCK_ROWS_MAX, DIGITS_MAX } from './block-encoding.ts';
import { encodeIntegers, integersOf, joinRuns, longsOf, type Span } from './integers.ts';

/** Runs of doubles and byte strings are worth it when they are at least this long on average. */
const RUN_ROWS = 16;
/** Decimals are tried on so many values before all are. */
const SAMPLE = 64;
const POWERS = Array.from({ length: DIGITS_MAX + 1 }, (_, digits) => 10 ** digits);

/** Rows `from … to` of a vector. `span`: the smallest and the largest of their numbers, where these are known. */
export function encodeBlock(vector: ColumnVector, from: number, to: number, span: Span | null = null): Buffer {
  const rows = rowsWithValues(vector, from, to);
  const values = encodeValues(vector, rows, span);
  if (rows.length === to - from) return Buffer.concat([Buffer.of(0), values]);
  return Buffer.concat([presenceOf(vector, from, to), values]);
}

/** 0, 1, 2 …: the rows of a block in which all have a value. */
const ALL_ROWS = Uint32Array.from({ length: BLOCK_ROWS_MAX }, (_, row) => row);

function rowsWithValues({ presence }: ColumnVector, from: number, to: number): Uint32Array {
  if (to <= BLOCK_ROWS_MAX && areAllValues(presence, from, to)) return ALL_ROWS.subarray(from, to);
  const rows = new Uint32Array(to - from);
  let count = 0;
  for (let row = from; row < to; row++) if (presence[row] === CELL.value) rows[count++] = row;
  return rows.subarray(0, count);
}

function presenceOf({ presence }: ColumnVector, from: number, to: number): Buffer {
  const out = Buffer.alloc(1 + Math.ceil((to - from) / 4));
  out[0] = 1;
  for (let i = 0; i < to - from; i++) out[1 + (i >> 2)]! |= presence[from + i]! << ((i & 3) * 2);
  return out;
}

/** The encoding, and the values. */
function encodeValues(vector: ColumnVector, rows: Uint32Array, span: Span | null): Buffer {
  switch (vector.kind) {
    case 'u8':
      return encodeBits(vector.u8, rows) ?? plain(vector, rows);
    case 'f64':
      return encodeRepeated(vector, rows) ?? encodeDecimals(vector.f64, rows) ?? plain(vector, rows);
    case 'bytes':
      return encodeRepeated(vector, rows) ?? plain(vector, rows);
    case 'i64': {
      const integers = longsOf(vector.i64, rows);
      return (integers && encodeIntegers(integers)) ?? plain(vector, rows);
    }
    default: {
      const integers = integersOf(vector.kind === 'i32' ? vector.i32 : vector.f64, rows, span);
      return (integers && encodeIntegers(integers)) ?? plain(vector, rows);
    }
  }
}

/** As records have it, without the presence: every one of the rows has a value. */
function plain(vector: ColumnVector, rows: Uint32Array): Buffer {
  return encodeColumn(vector, rows, 0, rows.length).subarray(1);
}

function encodeBits(values: Uint8Array, rows: Uint32Array): Buffer | null {
  const out = Buffer.alloc(1 + Math.ceil(rows.length / 8));
  out[0] = BLOCK_ENCODING.bits;
  for (let i = 0; i < rows.length; i++) {
    const value = values[rows[i]!]!;
    if (value > 1) return null;
    out[1 + (i >> 3)]! |= value << (i & 7);
  }
  return out;
}

/** As runs, when neighbours mostly are the same, bit for bit; else null. */
function encodeRepeated(vector: ColumnVector, rows: Uint32Array): Buffer | null {
  const runsMax = Math.floor(rows.length / RUN_ROWS);
  if (runsMax === 0) return null;
  const heads = new Uint32Array(runsMax);
  const lengths = new Uint32Array(runsMax);
  let runs = 0;
  for (let i = 0; i < rows.length; i++) {
    if (i === 0 || !isSame(vector, rows[i - 1]!, rows[i]!)) {
      if (runs === runsMax) return null;
      heads[runs++] = rows[i]!;
    }
    lengths[runs - 1]!++;
  }
  return joinRuns(lengths.subarray(0, runs), plain(vector, heads.subarray(0, runs)));
}

function isSame(vector: ColumnVector, a: number, b: number): boolean {
  if (vector.kind === 'f64') return Object.is(vector.f64[a], vector.f64[b]);
  const { arena, starts, lengths } = vector;
  const length = lengths[a]!;
  if (length !== lengths[b]) return false;
  const [first, second] = [starts[a]!, starts[b]!];
  if (first === second) return true;
  for (let i = 0; i < length; i++) if (arena[first + i] !== arena[second + i]) return false;
  return true;
}

/** Money-like doubles as whole numbers; null when one of them is not exactly such a number, or nothing is saved. */
function encodeDecimals(values: Float64Array, rows: Uint32Array): Buffer | null {
  let digits = 0;
  for (let i = 0; i < Math.min(SAMPLE, rows.length); i++) {
    const value = values[rows[i]!]!;
    while (digits <= DIGITS_MAX && !isDecimal(value, POWERS[digits]!)) digits++;
  }
  if (digits > DIGITS_MAX) return null;
  const power = POWERS[digits]!;
  const wholes = new Float64Array(rows.length);
  const places = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const value = values[rows[i]!]!;
    if (!isDecimal(value, power)) return null;
    wholes[i] = Math.round(value * power);
    places[i] = i;
  }
  const integers = integersOf(wholes, places, null);
  const encoded = integers === null ? null : encodeIntegers(integers);
  return encoded === null ? null : Buffer.concat([Buffer.of(BLOCK_ENCODING.decimals, digits), encoded]);
}

function isDecimal(value: number, power: number): boolean {
  const whole = Math.round(value * power);
  // Not −0, which whole numbers do not have, nor NaN and the infinities.
  return Math.abs(whole) <= Number.MAX_SAFE_INTEGER && Object.is(whole / power, value) && !Object.is(whole, -0);
}
