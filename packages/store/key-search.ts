/**
 * Finding a key among key columns, without putting their keys together: rows are in key order, so each column narrows the
 * rows that are left to those with its part of the key, and the next one is searched among these alone.
 */

import { type Physical, physicalOf } from '@tidemark/schema/column-type';
import { readKeyPart } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';
import { compareRanges } from './bytes.ts';
import { type BytesChunk, type Chunk, entryOf, type Numbers, numberAt } from './chunk.ts';
import { compareRaw } from './zone.ts';

/** A part of a key: bytes where they lie, or a number (a bigint only beyond what doubles hold exactly). */
export type KeyPart = {
  readonly arena: Uint8Array;
  readonly start: number;
  readonly length: number;
  readonly number: number | bigint;
};

const NO_BYTES = new Uint8Array(0);
/** Kinds of a table's key columns in order. */
const keyKinds = new WeakMap<Table, readonly Physical[]>();
const SIGN = 0x8000_0000;
const HALF = 4_294_967_296;

/** The parts of a whole row key; null when it is not one of the table's. */
export function partsOf(table: Table, key: Uint8Array): KeyPart[] | null {
  const parts: KeyPart[] = [];
  let at = 0;
  for (const kind of keyKindsOf(table)) {
    if (kind === 'bytes') {
      const end = endOfPlain(key, at);
      if (end !== -1) {
        parts.push({ arena: key, start: at, length: end - at, number: 0 });
        at = end + 2;
        continue;
      }
    } else if (kind === 'i32' && at + 4 <= key.length) {
      parts.push(partOf((wordAt(key, at) ^ SIGN) | 0));
      at += 4;
      continue;
    } else if ((kind === 'whole' || kind === 'i64') && at + 8 <= key.length) {
      const high = (wordAt(key, at) ^ SIGN) | 0;
      if (high >= -0x20_0000 && high < 0x20_0000) {
        parts.push(partOf(high * HALF + (wordAt(key, at + 4) >>> 0)));
        at += 8;
        continue;
      }
    }
    const next = readOther(kind, key, at);
    if (next === null) return null;
    parts.push(next.part);
    at = next.end;
  }
  return at === key.length ? parts : null;
}

function keyKindsOf(table: Table): readonly Physical[] {
  let kinds = keyKinds.get(table);
  if (kinds === undefined) {
    kinds = keyColumns(table).map(({ type }) => physicalOf(type));
    keyKinds.set(table, kinds);
  }
  return kinds;
}

function partOf(number: number | bigint): KeyPart {
  return { arena: NO_BYTES, start: 0, length: 0, number };
}

/** Where bytes without a zero among them end; −1 when these are not such. */
function endOfPlain(key: Uint8Array, from: number): number {
  for (let at = from; at + 1 < key.length; at++) if (key[at] === 0) return key[at + 1] === 1 ? at : -1;
  return -1;
}

function wordAt(key: Uint8Array, at: number): number {
  return (key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!;
}

const TYPE_OF = {
  bytes: { name: 'bytes' },
  u8: { name: 'boolean' },
  i32: { name: 'int' },
  whole: { name: 'timestamp' },
  i64: { name: 'long' },
  f64: { name: 'double' },
} as const;

/** What is rare, or cut short: then null. */
function readOther(kind: Physical, key: Uint8Array, at: number): { part: KeyPart; end: number } | null {
  try {
    const { value, next } = readKeyPart(TYPE_OF[kind], key, at);
    if (typeof value === 'object') {
      const arena = value as Uint8Array;
      return { part: { arena, start: 0, length: arena.length, number: 0 }, end: next };
    }
    return { part: partOf(typeof value === 'bigint' ? value : Number(value)), end: next };
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}

/** The row whose key these columns make of the parts; −1 when there is none. Every row has a value in each. */
export function rowOfKey(columns: readonly Chunk[], parts: readonly KeyPart[], rowCount: number): number {
  let from = 0;
  let to = rowCount;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!;
    const part = parts[i]!;
    // The first column's runs are ascending; those of others only within the rows that are left.
    if (i === 0 && column.form === 'bytes' && column.runEnds !== null) {
      const run = runOf(column, column.runEnds, part);
      if (run === -1) return -1;
      if (run > 0) from = column.runEnds[run - 1]!;
      to = column.runEnds[run]!;
    } else {
      const first = to - from === 1 ? from : firstAtOrAfter(column, part, from, to);
      if (first === to || order(column, first, part) !== 0) return -1;
      // No key is there twice, so the last column has one such row.
      if (i + 1 < columns.length) to = firstAfter(column, part, first, to);
      from = first;
    }
  }
  return from;
}

/** Order of a row's value and a part. NaN is the largest number. */
function order(column: Chunk, row: number, part: KeyPart): number {
  if (column.form === 'bytes') return bytesOrder(column, entryOf(column, row), part);
  if (column.form === 'longs') return compareRaw(column.data[row]!, part.number);
  const value = numberAt(column, row);
  const wanted = Number(part.number);
  return value < wanted ? -1 : value > wanted ? 1 : compareRaw(value, wanted);
}

function bytesOrder({ arena, starts, lengths }: BytesChunk, entry: number, part: KeyPart): number {
  return compareRanges(arena, starts[entry]!, lengths[entry]!, part.arena, part.start, part.length);
}

/** The first of the rows `from … to` that is not before the part. */
function firstAtOrAfter(column: Chunk, part: KeyPart, from: number, to: number): number {
  if (column.form === 'numbers' && column.kind !== 'f64') {
    const wanted = Number(part.number);
    const moved = column.unit === 0 ? wanted : (wanted - column.base) / column.unit;
    // What is looked for may lie between two numbers: then any place will do, as its row is not the wanted one.
    if (Math.abs(wanted - column.base) <= Number.MAX_SAFE_INTEGER) return numberPlace(column.data, moved, from, to);
  }
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order(column, middle, part) >= 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The first of the rows `from … to` that is beyond the part, which `from` has. Gallops: few rows may have it. */
function firstAfter(column: Chunk, part: KeyPart, from: number, to: number): number {
  let low = from + 1;
  let step = 1;
  while (low + step <= to && order(column, low + step - 1, part) === 0) {
    low += step;
    step *= 2;
  }
  let high = Math.min(to, low + step - 1);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order(column, middle, part) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The run of the part among ascending ones, none like its neighbour; −1 when there is none. */
function runOf(column: BytesChunk, runEnds: Uint32Array, part: KeyPart): number {
  let low = 0;
  let high = runEnds.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const difference = bytesOrder(column, entryOf(column, runEnds[middle]! - 1), part);
    if (difference === 0) return middle;
    if (difference > 0) high = middle - 1;
    else low = middle + 1;
  }
  return -1;
}

// The same once per kind of array, as in `kernels.ts`, and without branches: which way a step goes cannot be foreseen.

/** The first of the ascending numbers `from … to` that is not below `wanted`; `to` when all are. */
export function numberPlace(data: Numbers, wanted: number, from: number, to: number): number {
  if (from === to) return to;
  if (data instanceof Int32Array) return place32(data, wanted, from, to);
  if (data instanceof Uint16Array) return place16(data, wanted, from, to);
  if (data instanceof Uint8Array) return place8(data, wanted, from, to);
  return place64(data, wanted, from, to);
}

function place8(data: Uint8Array, wanted: number, from: number, to: number): number {
  let low = from;
  for (let count = to - from; count > 1; ) {
    const half = count >> 1;
    low += half & -Number(data[low + half - 1]! < wanted);
    count -= half;
  }
  return low + Number(data[low]! < wanted);
}

function place16(data: Uint16Array, wanted: number, from: number, to: number): number {
  let low = from;
  for (let count = to - from; count > 1; ) {
    const half = count >> 1;
    low += half & -Number(data[low + half - 1]! < wanted);
    count -= half;
  }
  return low + Number(data[low]! < wanted);
}

function place32(data: Int32Array, wanted: number, from: number, to: number): number {
  let low = from;
  for (let count = to - from; count > 1; ) {
    const half = count >> 1;
    low += half & -Number(data[low + half - 1]! < wanted);
    count -= half;
  }
  return low + Number(data[low]! < wanted);
}

function place64(data: Float64Array, wanted: number, from: number, to: number): number {
  let low = from;
  for (let count = to - from; count > 1; ) {
    const half = count >> 1;
    low += half & -Number(data[low + half - 1]! < wanted);
    count -= half;
  }
  return low + Number(data[low]! < wanted);
}

/** The first of 0 … count − 1 for which `is` holds, given that it holds for all after; `count` when for none. */
export function firstWhere(count: number, is: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
