/**
 * Finding a key among key columns, without putting their keys together: rows are in key order, so each column narrows the
 * rows that are left to those with its part of the key, and the next one is searched among these alone.
 */

import { readKeyPart } from '@tidemark/columnar/key';
import { type Physical, physicalOf } from '@tidemark/model/column-type';
import { keyColumns, type Table } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { type BytesChunk, type Chunk, entryOf, type Numbers, numberAt } from '../encoding/chunk.ts';
import { compareRaw } from '../encoding/zone.ts';
import { compareRanges, prefixOf } from '../row/bytes.ts';

/** Kinds of a table's key columns in order. */
const keyKinds = new WeakMap<Table, readonly Physical[]>();

/** How the table's key columns are held in memory, in key order; worked out once per table. */
export function keyKindsOf(table: Table): readonly Physical[] {
  let kinds = keyKinds.get(table);
  if (kinds === undefined) {
    kinds = keyColumns(table).map(({ type }) => physicalOf(type));
    keyKinds.set(table, kinds);
  }
  return kinds;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
const SIGN = 0x8000_0000;
const HALF = 4_294_967_296;

const TYPE_OF = {
  bytes: { name: 'bytes' },
  u8: { name: 'boolean' },
  i32: { name: 'int' },
  whole: { name: 'timestamp' },
  i64: { name: 'long' },
  f64: { name: 'double' },
} as const;

/** Goes through the parts of a key; what the current one is stands in its fields, so that none is made an object. */
export class KeyParts {
  /** Bytes where they lie. */
  arena = NO_BYTES;
  start = 0;
  length = 0;
  /** A number; the nearest one of a long that doubles do not hold. */
  number = 0;
  /** That long; else null. */
  long: bigint | null = null;
  #key = NO_BYTES;
  #at = 0;

  /** Goes to the front of a key. */
  begin(key: Uint8Array): void {
    this.#key = key;
    this.#at = 0;
  }

  /** True when there is no part behind the current one. */
  get isAtEnd(): boolean {
    return this.#at === this.#key.length;
  }

  /** Goes to the next part, which is of that kind. False when the key ends before or within it, or has there what no value has. */
  next(kind: Physical): boolean {
    const key = this.#key;
    const at = this.#at;
    if (kind === 'bytes') {
      const end = endOfPlain(key, at);
      if (end === CUT_SHORT) return false;
      if (end === ESCAPED) return this.#readOther(kind);
      this.#setBytes(key, at, end - at, end + 2);
    } else if (at + PART_BYTES[kind] > key.length) {
      return false;
    } else if (kind === 'i32') {
      this.#setNumber((wordAt(key, at) ^ SIGN) | 0, at + 4);
    } else if (kind === 'whole' || kind === 'i64') {
      const high = (wordAt(key, at) ^ SIGN) | 0;
      if (high < -0x20_0000 || high >= 0x20_0000) return this.#readOther(kind);
      this.#setNumber(high * HALF + (wordAt(key, at + 4) >>> 0), at + 8);
    } else if (kind === 'u8') {
      // The end of a range may be what follows the last value there is.
      if (key[at]! > 1) return false;
      this.#setNumber(key[at]!, at + 1);
    } else return this.#readOther(kind) && !(Number.isNaN(this.number) && isBeyondNaN(key, at));
    return true;
  }

  #setBytes(arena: Uint8Array, start: number, length: number, end: number): void {
    this.arena = arena;
    this.start = start;
    this.length = length;
    this.#at = end;
  }

  #setNumber(number: number, end: number): void {
    this.number = number;
    this.long = null;
    this.#at = end;
  }

  /** What is rare, or cut short. */
  #readOther(kind: Physical): boolean {
    try {
      const { value, next } = readKeyPart(TYPE_OF[kind], this.#key, this.#at);
      if (typeof value === 'object') this.#setBytes(value as Uint8Array, 0, (value as Uint8Array).length, next);
      else this.#setNumber(Number(value), next);
      if (typeof value === 'bigint') this.long = value;
      return true;
    } catch (error) {
      if (isFault(error, 'corrupt')) return false;
      throw error;
    }
  }
}

/** NaN is the last double, and has one form in keys. */
function isBeyondNaN(key: Uint8Array, at: number): boolean {
  return wordAt(key, at) >>> 0 > 0xfff8_0000 || wordAt(key, at + 4) !== 0;
}

const PART_BYTES = { u8: 1, i32: 4, f64: 8, whole: 8, i64: 8 } as const;
const ESCAPED = -1;
const CUT_SHORT = -2;

/** Where bytes without a zero among them end; ESCAPED when they have one, CUT_SHORT when they do not end as a part does. */
function endOfPlain(key: Uint8Array, from: number): number {
  for (let at = from; at + 1 < key.length; at++) {
    if (key[at] === 0) return key[at + 1] === 1 ? at : key[at + 1] === 0xff ? ESCAPED : CUT_SHORT;
  }
  return CUT_SHORT;
}

function wordAt(key: Uint8Array, at: number): number {
  return (key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!;
}

/** Looking for a key waits for nothing, so one serves all. */
const parts = new KeyParts();

/**
 * The row whose key these columns make; −1 when there is none. Every row has a value in each column.
 * @param kinds the columns', in order
 */
export function rowOfKey(
  columns: readonly Chunk[],
  kinds: readonly Physical[],
  key: Uint8Array,
  rowCount: number,
): number {
  let from = 0;
  let to = rowCount;
  const part = parts;
  part.begin(key);
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!;
    if (!part.next(kinds[i]!)) return -1;
    // The first column's runs are ascending; those of others only within the rows that are left.
    if (i === 0 && column.form === 'bytes' && column.runEnds !== null) {
      const run = runOf(column, column.runEnds, column.runPrefixes!, part);
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
  return part.isAtEnd ? from : -1;
}

/**
 * The first of the rows `from … to` whose key is not before `key`, which may be a shorter one or go on behind the last
 * part; `to` when all are. −1 when the bytes end within a part, or are none of the kind: they have to be compared then.
 */
export function firstRowFrom(
  columns: readonly Chunk[],
  kinds: readonly Physical[],
  key: Uint8Array,
  from: number,
  to: number,
): number {
  let begin = from;
  let end = to;
  const part = parts;
  part.begin(key);
  for (let i = 0; i < columns.length; i++) {
    if (part.isAtEnd) return begin;
    const column = columns[i]!;
    if (!part.next(kinds[i]!)) return -1;
    const first = firstAtOrAfter(column, part, begin, end);
    if (first === end || order(column, first, part) !== 0) return first;
    if (i + 1 < columns.length) end = firstAfter(column, part, first, end);
    begin = first;
  }
  return part.isAtEnd ? begin : begin + 1;
}

/** The row of the bytes among ascending ones, none twice; −1 when there is none. */
export function rowOfBytes(column: BytesChunk, bytes: Uint8Array): number {
  const orderAt = (row: number): number => {
    const entry = entryOf(column, row);
    return compareRanges(column.arena, column.starts[entry]!, column.lengths[entry]!, bytes, 0, bytes.length);
  };
  const row = firstWhere(column.rowCount, (one) => orderAt(one) >= 0);
  return row < column.rowCount && orderAt(row) === 0 ? row : -1;
}

/** Order of a row's value and a part. NaN is the largest number. */
function order(column: Chunk, row: number, part: KeyParts): number {
  if (column.form === 'bytes') return bytesOrder(column, entryOf(column, row), part);
  if (column.form === 'longs') return compareRaw(column.data[row]!, part.long ?? part.number);
  const value = numberAt(column, row);
  const wanted = part.number;
  if (value === wanted) return 0;
  return value < wanted ? -1 : value > wanted ? 1 : compareRaw(value, wanted);
}

function bytesOrder({ arena, starts, lengths }: BytesChunk, entry: number, part: KeyParts): number {
  return compareRanges(arena, starts[entry]!, lengths[entry]!, part.arena, part.start, part.length);
}

/** The first of the rows `from … to` that is not before the part. */
function firstAtOrAfter(column: Chunk, part: KeyParts, from: number, to: number): number {
  if (column.form === 'numbers' && column.kind !== 'f64') {
    const wanted = part.number;
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
function firstAfter(column: Chunk, part: KeyParts, from: number, to: number): number {
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

/** The run of the part among ascending ones, none like its neighbour; −1 when there is none. Mostly told by first bytes. */
function runOf(column: BytesChunk, runEnds: Uint32Array, prefixes: Float64Array, part: KeyParts): number {
  const prefix = prefixOf(part.arena, part.start, part.length);
  for (let run = numberPlace(prefixes, prefix, 0, prefixes.length); prefixes[run] === prefix; run++) {
    if (bytesOrder(column, entryOf(column, runEnds[run]! - 1), part) === 0) return run;
  }
  return -1;
}

// The same once per kind of array, as in `kernels.ts`, and without branches: which way a step goes cannot be foreseen.

/** Fewer numbers than this are searched by halves from the start. */
const GUESS_ROWS_MIN = 64;
/** A guess is wrong by about so much. */
const GUESS_ROWS = 16;

/**
 * The first of the ascending numbers `from … to` that is not below `wanted`; `to` when all are. Guesses where it must be if
 * numbers rise evenly, and looks around there: memory that is far apart is what a search spends its time on.
 */
export function numberPlace(data: Numbers, wanted: number, from: number, to: number): number {
  if (to - from < GUESS_ROWS_MIN) return placeWithin(data, wanted, from, to);
  const first = data[from]!;
  const last = data[to - 1]!;
  if (!(wanted > first)) return from;
  if (wanted > last) return to;
  const guess = from + Math.floor(((wanted - first) / (last - first)) * (to - 1 - from));
  let step = GUESS_ROWS;
  if (data[guess]! < wanted) {
    let low = guess + 1;
    for (; low + step < to && data[low + step - 1]! < wanted; step *= 2) low += step;
    return placeWithin(data, wanted, low, Math.min(to, low + step));
  }
  let high = guess;
  for (; high - step > from && data[high - step]! >= wanted; step *= 2) high -= step;
  return placeWithin(data, wanted, Math.max(from, high - step), high);
}

/** The first of the ascending prefixes that is not below `wanted`; their number when all are. */
export function prefixPlace(prefixes: Float64Array, wanted: number): number {
  let low = 0;
  let high = prefixes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (prefixes[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function placeWithin(data: Numbers, wanted: number, from: number, to: number): number {
  if (from === to) return to;
  if (data instanceof Int32Array) return place32(data, wanted, from, to);
  if (data instanceof Uint16Array) return place16(data, wanted, from, to);
  if (data instanceof Uint8Array) return place8(data, wanted, from, to);
  return place64(data, wanted, from, to);
}

// One for each kind of array, so that each loop only ever meets one kind.
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
