/**
 * Zones: the smallest and largest value of a block, so that a scan can pass over it. Kept in files as bytes whose order
 * is the value order (see `packages/columnar/key.ts`; byte strings as they are, cut to 32 bytes), in hex.
 */

import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { prefixEnd, readKeyPart, writeKeyPart } from '@tidemark/columnar/key';
import { RecentPlaces } from '@tidemark/columnar/recent-places';
import type { ColumnType, Physical } from '@tidemark/model/column-type';
import { compareRanges } from '../row/bytes.ts';
import { areAllValues } from '../row/presence.ts';

/** A value as a vector holds it. */
export type RawValue = number | bigint | Uint8Array;

/** Counts of a block's cells, and its bounds. `min` ≤ every value; `max`, where there is one, ≥ every value. */
export type Zone = {
  readonly rowCount: number;
  readonly valueCount: number;
  readonly deletedCount: number;
  readonly min: RawValue | null;
  readonly max: RawValue | null;
};

const BOUND_BYTES_MAX = 32;

const TYPE_OF: Record<Exclude<Physical, 'bytes' | 'u8'>, ColumnType> = {
  i32: { name: 'int' },
  whole: { name: 'timestamp' },
  i64: { name: 'long' },
  f64: { name: 'double' },
};

/** Bounds of rows `from … to` of a vector. */
export function zoneOf(vector: ColumnVector, from: number, to: number): Zone {
  const { presence } = vector;
  const rowCount = to - from;
  if (rowCount > 0 && areAllValues(presence, from, to)) {
    return { rowCount, valueCount: rowCount, deletedCount: 0, ...boundsOf(vector, from, to, null) };
  }
  let valueCount = 0;
  let deletedCount = 0;
  for (let row = from; row < to; row++) {
    const state = presence[row]!;
    if (state === CELL.value) valueCount++;
    else if (state === CELL.deleted) deletedCount++;
  }
  const counts = { rowCount, valueCount, deletedCount };
  if (valueCount === 0) return { ...counts, min: null, max: null };
  return { ...counts, ...boundsOf(vector, from, to, presence) };
}

type Bounds = { readonly min: RawValue; readonly max: RawValue | null };

/** `presence` null: each of the rows has a value, and no time is spent on asking. */
function boundsOf(vector: ColumnVector, from: number, to: number, presence: Uint8Array | null): Bounds {
  const { kind } = vector;
  if (kind === 'bytes') return byteBounds(vector, from, to);
  if (kind === 'i64') return longBounds(vector, from, to);
  if (kind === 'i32') return intBounds(vector.i32, presence, from, to);
  return kind === 'u8' ? intBounds(vector.u8, presence, from, to) : doubleBounds(vector.f64, presence, from, to);
}

function intBounds(values: Int32Array | Uint8Array, presence: Uint8Array | null, from: number, to: number): Bounds {
  let min = 2_147_483_647;
  let max = -2_147_483_648;
  for (let row = from; row < to; row++) {
    if (presence !== null && presence[row] !== CELL.value) continue;
    const value = values[row]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** NaN counts as larger than everything, as in the order of keys. */
function doubleBounds(values: Float64Array, presence: Uint8Array | null, from: number, to: number): Bounds {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let nan = 0;
  let count = 0;
  for (let row = from; row < to; row++) {
    if (presence !== null && presence[row] !== CELL.value) continue;
    const value = values[row]!;
    count++;
    if (value < min) min = value;
    if (value > max) max = value;
    if (Number.isNaN(value)) nan++;
  }
  return { min: nan === count ? Number.NaN : min, max: nan > 0 ? Number.NaN : max };
}

function longBounds(vector: ColumnVector, from: number, to: number): Bounds {
  const values = vector.i64;
  let min = (1n << 63n) - 1n;
  let max = -(1n << 63n);
  for (let row = from; row < to; row++) {
    if (vector.presence[row] !== CELL.value) continue;
    const value = values[row]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** Texts that were looked at. Used within one call. */
const seen = new RecentPlaces();

function byteBounds(vector: ColumnVector, from: number, to: number): Bounds {
  const { arena, starts, lengths, presence } = vector;
  let min = -1;
  let max = -1;
  // What the first bytes of the bounds say, which settles most rows.
  let minPrefix = 0;
  let maxPrefix = 0;
  // Texts that are kept once stand in the same place.
  seen.clear();
  for (let row = from; row < to; row++) {
    if (presence[row] !== CELL.value) continue;
    const start = starts[row]!;
    const length = lengths[row]!;
    if (seen.meet(start, length)) continue;
    const prefix = prefixAt(arena, start, length);
    // As most rows are.
    if (prefix > minPrefix && prefix < maxPrefix) continue;
    if (min === -1 || isBelow(vector, row, prefix, min, minPrefix)) {
      min = row;
      minPrefix = prefix;
    }
    if (max === -1 || isBelow(vector, max, maxPrefix, row, prefix)) {
      max = row;
      maxPrefix = prefix;
    }
  }
  const low = new Uint8Array(vector.bytesAt(min).subarray(0, BOUND_BYTES_MAX));
  const high = vector.bytesAt(max);
  if (high.length <= BOUND_BYTES_MAX) return { min: low, max: new Uint8Array(high) };
  return { min: low, max: prefixEnd(high.subarray(0, BOUND_BYTES_MAX)) };
}

/** The first three bytes as one number; zeros after the end. */
function prefixAt(arena: Uint8Array, start: number, length: number): number {
  const first = length > 0 ? arena[start]! : 0;
  const second = length > 1 ? arena[start + 1]! : 0;
  return (first << 16) | (second << 8) | (length > 2 ? arena[start + 2]! : 0);
}

function isBelow(vector: ColumnVector, a: number, aPrefix: number, b: number, bPrefix: number): boolean {
  if (aPrefix !== bPrefix) return aPrefix < bPrefix;
  const { arena, starts, lengths } = vector;
  const [aLength, bLength] = [lengths[a]!, lengths[b]!];
  // Both end within it, and the longer one with zeros.
  if (aLength <= 3 && bLength <= 3) return aLength < bLength;
  return compareRanges(arena, starts[a]!, aLength, arena, starts[b]!, bLength) < 0;
}

/** A bound as it stands in a file. */
export function boundToHex(kind: Physical, value: RawValue): string {
  if (kind === 'bytes') return Buffer.from(value as Uint8Array).toString('hex');
  if (kind === 'u8') return Buffer.from([value as number]).toString('hex');
  const into = Buffer.alloc(8);
  return into.toString('hex', 0, writeKeyPart(into, 0, TYPE_OF[kind], value as number | bigint));
}

/** The inverse of `boundToHex`. */
export function boundFromHex(kind: Physical, hex: string): RawValue {
  const bytes = Buffer.from(hex, 'hex');
  if (kind === 'bytes') return bytes;
  if (kind === 'u8') return bytes[0]!;
  return readKeyPart(TYPE_OF[kind], bytes, 0).value as RawValue;
}

/** Order of two values of one kind; NaN is the largest number and equals itself, −0 equals 0. */
export function compareRaw(a: RawValue, b: RawValue): number {
  if (typeof a === 'object') {
    const other = b as Uint8Array;
    return compareRanges(a, 0, a.length, other, 0, other.length);
  }
  const other = b as number | bigint;
  if (a < other) return -1;
  if (a > other) return 1;
  // Equal, or one of them is NaN.
  return a === other ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(other));
}
