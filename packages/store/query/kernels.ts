/**
 * The loops that scans spend their time in. Each is there once per kind of array, as one loop that meets several kinds is
 * several times slower.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import type { NumberChunk, Numbers } from '../encoding/chunk.ts';
import type { Interval } from '../encoding/interval.ts';

/** Rows `from … to` of dense numbers within `low … high`, into `into`. @returns how many */
export function rowsWithin(
  data: Numbers,
  from: number,
  to: number,
  low: number,
  high: number,
  into: Uint32Array,
): number {
  if (data instanceof Uint8Array) return within8(data, from, to, low, high, into);
  if (data instanceof Uint16Array) return within16(data, from, to, low, high, into);
  if (data instanceof Int32Array) return within32(data, from, to, low, high, into);
  return within64(data, from, to, low, high, into);
}

// Without branches: whether a row counts cannot be foreseen, so a branch would often be guessed wrongly.

function within8(data: Uint8Array, from: number, to: number, low: number, high: number, into: Uint32Array): number {
  let count = 0;
  for (let row = from; row < to; row++) {
    const value = data[row]!;
    into[count] = row;
    count += Number(value >= low) & Number(value <= high);
  }
  return count;
}

function within16(data: Uint16Array, from: number, to: number, low: number, high: number, into: Uint32Array): number {
  let count = 0;
  for (let row = from; row < to; row++) {
    const value = data[row]!;
    into[count] = row;
    count += Number(value >= low) & Number(value <= high);
  }
  return count;
}

function within32(data: Int32Array, from: number, to: number, low: number, high: number, into: Uint32Array): number {
  let count = 0;
  for (let row = from; row < to; row++) {
    const value = data[row]!;
    into[count] = row;
    count += Number(value >= low) & Number(value <= high);
  }
  return count;
}

function within64(data: Float64Array, from: number, to: number, low: number, high: number, into: Uint32Array): number {
  let count = 0;
  for (let row = from; row < to; row++) {
    const value = data[row]!;
    into[count] = row;
    count += Number(value >= low) & Number(value <= high);
  }
  return count;
}

/** Those of `rows` that have a value for which the interval holds, into `into` (which may be `rows`). @returns how many */
export function rowsOfInterval(chunk: NumberChunk, rows: Uint32Array, interval: Interval, into: Uint32Array): number {
  const { data, presence } = chunk;
  const { low, high, nan, isNot } = interval;
  let count = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (presence !== null && presence[row] !== CELL.value) continue;
    const value = data[row]!;
    const holds = (value >= low && value <= high) || (nan && Number.isNaN(value));
    if (holds !== isNot) into[count++] = row;
  }
  return count;
}

/** Those of `rows` whose code's entry is wanted (1), into `into`. @returns how many */
export function rowsOfCodes(
  codes: Uint8Array | Uint16Array,
  wanted: Uint8Array,
  rows: Uint32Array,
  into: Uint32Array,
): number {
  if (codes instanceof Uint8Array) return ofCodes8(codes, wanted, rows, into);
  return ofCodes16(codes, wanted, rows, into);
}

function ofCodes8(codes: Uint8Array, wanted: Uint8Array, rows: Uint32Array, into: Uint32Array): number {
  let count = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    into[count] = row;
    count += wanted[codes[row]!]!;
  }
  return count;
}

function ofCodes16(codes: Uint16Array, wanted: Uint8Array, rows: Uint32Array, into: Uint32Array): number {
  let count = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    into[count] = row;
    count += wanted[codes[row]!]!;
  }
  return count;
}

/** The numbers that a chunk holds at `rows`, not yet `base + unit ×`, into `into`. Every row has a value. */
export function gatherNumbers(data: Numbers, rows: Uint32Array, into: Float64Array): void {
  if (data instanceof Uint8Array) gather8(data, rows, into);
  else if (data instanceof Uint16Array) gather16(data, rows, into);
  else if (data instanceof Int32Array) gather32(data, rows, into);
  else gather64(data, rows, into);
}

function gather8(data: Uint8Array, rows: Uint32Array, into: Float64Array): void {
  for (let i = 0; i < rows.length; i++) into[i] = data[rows[i]!]!;
}

function gather16(data: Uint16Array, rows: Uint32Array, into: Float64Array): void {
  for (let i = 0; i < rows.length; i++) into[i] = data[rows[i]!]!;
}

function gather32(data: Int32Array, rows: Uint32Array, into: Float64Array): void {
  for (let i = 0; i < rows.length; i++) into[i] = data[rows[i]!]!;
}

function gather64(data: Float64Array, rows: Uint32Array, into: Float64Array): void {
  for (let i = 0; i < rows.length; i++) into[i] = data[rows[i]!]!;
}
