/**
 * A cell's value as bytes, whatever its column's kind, so that cells of many columns can stand one behind the other:
 * u8 one byte, i32 four, f64, whole and i64 eight (whole as an i64), little-endian; byte strings as they are.
 */

import { type ColumnType, type Physical, physicalOf, type Value } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { CELL, type ColumnVector } from './column-vector.ts';

/** A value as vectors hold it. */
type RawValue = number | bigint | Uint8Array;

const HALF = 4_294_967_296;
const BYTES_OF = { u8: 1, i32: 4, f64: 8, whole: 8, i64: 8 } as const;

/** Row `row` of a vector of byte strings becomes what `source` holds at a row: its value as bytes of `kind`, or deleted. */
export function setCellBytes(
  into: ColumnVector,
  row: number,
  source: ColumnVector,
  sourceRow: number,
  kind: Physical,
): void {
  const state = source.presence[sourceRow];
  if (state !== CELL.value) {
    into.reserveRows(row + 1);
    into.presence[row] = state!;
    return;
  }
  if (kind === 'bytes') {
    into.setBytes(row, source.arena, source.starts[sourceRow]!, source.lengths[sourceRow]!);
    return;
  }
  const length = BYTES_OF[kind];
  into.reserveBytes(length);
  const { arena, arenaUsed: at } = into;
  if (kind === 'f64') arena.writeDoubleLE(source.f64[sourceRow]!, at);
  else if (kind === 'u8') arena[at] = source.u8[sourceRow]!;
  else if (kind === 'i32') arena.writeInt32LE(source.i32[sourceRow]!, at);
  else if (kind === 'i64' && source.kind === 'i64') arena.writeBigInt64LE(source.i64[sourceRow]!, at);
  else writeWhole(arena, source.kind === 'i32' ? source.i32[sourceRow]! : source.f64[sourceRow]!, at);
  into.takeBytes(row, length);
}

/** The same, of a value as vectors of its column hold it; a whole number where it was an int that became a long. */
export function setCellRaw(into: ColumnVector, row: number, raw: RawValue, kind: Physical): void {
  if (typeof raw === 'object') {
    into.setBytes(row, raw);
    return;
  }
  const length = kind === 'bytes' ? 0 : BYTES_OF[kind];
  into.reserveBytes(length);
  const { arena, arenaUsed: at } = into;
  if (typeof raw === 'bigint') arena.writeBigInt64LE(raw, at);
  else if (kind === 'f64') arena.writeDoubleLE(raw, at);
  else if (kind === 'u8') arena[at] = raw;
  else if (kind === 'i32') arena.writeInt32LE(raw, at);
  else writeWhole(arena, raw, at);
  into.takeBytes(row, length);
}

function writeWhole(arena: Buffer, value: number, at: number): void {
  const high = Math.floor(value / HALF);
  arena.writeUInt32LE(value - high * HALF, at);
  arena.writeInt32LE(high, at + 4);
}

/**
 * Row `row` of a vector of byte strings becomes the value that `length` bytes are, as bytes of `kind`: an int that became
 * a long is widened. @throws {Fault} `corrupt`: no value of the kind has so many bytes
 */
export function copyCellBytes(
  into: ColumnVector,
  row: number,
  arena: Buffer,
  start: number,
  length: number,
  kind: Physical,
): void {
  if (kind === 'bytes' || length === BYTES_OF[kind]) {
    into.setBytes(row, arena, start, length);
    return;
  }
  const value = numberIn(kind, arena, start, length);
  into.reserveBytes(8);
  writeWhole(into.arena, value, into.arenaUsed);
  into.takeBytes(row, 8);
}

/** Sets a row of a vector to the value that these bytes are. Throws as `copyCellBytes`. */
export function setFromCellBytes(into: ColumnVector, row: number, arena: Buffer, start: number, length: number): void {
  if (into.kind === 'bytes') into.setBytes(row, arena, start, length);
  else if (into.kind === 'i64') into.setBigint(row, longIn(arena, start, length));
  else into.setNumber(row, numberIn(into.kind, arena, start, length));
}

/** The value that these bytes are, as users know it. Throws as `copyCellBytes`. */
export function valueOfCellBytes(type: ColumnType, arena: Buffer, start: number, length: number): Value {
  switch (type.name) {
    case 'string':
      return arena.toString('utf8', start, start + length);
    case 'bytes':
      return new Uint8Array(arena.subarray(start, start + length));
    case 'boolean':
      return numberIn('u8', arena, start, length) === 1;
    case 'long':
    case 'decimal':
      return longIn(arena, start, length);
    default:
      return numberIn(physicalOf(type), arena, start, length);
  }
}

/** The same as vectors of a kind hold it; bytes without copying. Throws as `copyCellBytes`. */
export function rawOfCellBytes(kind: Physical, arena: Buffer, start: number, length: number): RawValue {
  if (kind === 'bytes') return arena.subarray(start, start + length);
  return kind === 'i64' ? longIn(arena, start, length) : numberIn(kind, arena, start, length);
}

function longIn(arena: Buffer, start: number, length: number): bigint {
  return length === 8 ? arena.readBigInt64LE(start) : BigInt(numberIn('i64', arena, start, length));
}

function numberIn(kind: Physical, arena: Buffer, start: number, length: number): number {
  if (kind === 'f64' && length === 8) return arena.readDoubleLE(start);
  if (kind === 'u8' && length === 1) return arena[start]!;
  if ((kind === 'i32' || kind === 'i64') && length === 4) return arena.readInt32LE(start);
  if ((kind === 'whole' || kind === 'i32') && length === 8) {
    return arena.readInt32LE(start + 4) * HALF + arena.readUInt32LE(start);
  }
  throw new Fault('corrupt', `a cell of kind ${kind} has ${length} bytes`, { got: length, expected: kind });
}
