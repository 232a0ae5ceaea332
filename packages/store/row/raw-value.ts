/** Values as vectors hold them: numbers, bigints, byte strings. */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import { type Chunk, entryOf, hasValue, numberAt, rawOfChunk } from '../encoding/chunk.ts';
import type { RawValue } from '../encoding/zone.ts';

/** A value as a vector of its column holds it. */
export function rawOf(type: ColumnType, value: Value): RawValue {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (typeof value === 'boolean') return value ? 1 : 0;
  return physicalOf(type) === 'i64' ? BigInt(value as number | bigint) : value;
}

/** The inverse of `rawOf`. */
export function fromRaw(type: ColumnType, raw: RawValue): Value {
  if (type.name === 'boolean') return raw === 1;
  if (type.name === 'string') {
    const { buffer, byteOffset, length } = raw as Uint8Array;
    return Buffer.from(buffer, byteOffset, length).toString('utf8');
  }
  return raw;
}

/** A copy of what the row holds, which must be a value. */
export function rawAt(vector: ColumnVector, row: number): RawValue {
  switch (vector.kind) {
    case 'bytes':
      return new Uint8Array(vector.bytesAt(row));
    case 'i64':
      return vector.i64[row]!;
    case 'i32':
      return vector.i32[row]!;
    case 'u8':
      return vector.u8[row]!;
    default:
      return vector.f64[row]!;
  }
}

/** Sets a row to a value of the vector's kind, or to a whole number in a vector of longs. */
export function setRaw(vector: ColumnVector, row: number, raw: RawValue): void {
  if (typeof raw === 'object') vector.setBytes(row, raw);
  else if (typeof raw === 'bigint' || vector.kind === 'i64') vector.setBigint(row, BigInt(raw));
  else vector.setNumber(row, raw);
}

/** A value of a column as blocks hold it as its own type has it: longs that lie narrowly become longs, bytes are copied. */
export function ownRaw({ name }: ColumnType, raw: RawValue): RawValue {
  if (typeof raw === 'number' && (name === 'long' || name === 'decimal')) return BigInt(raw);
  return typeof raw === 'object' && name === 'bytes' ? new Uint8Array(raw) : raw;
}

/** The value of a cell in a block; null when the row has none. */
export function valueOfChunk(chunk: Chunk, row: number, type: ColumnType): Value | null {
  if (!hasValue(chunk, row)) return null;
  // What most cells are, without going through what the others need.
  if (chunk.form === 'numbers' && chunk.kind !== 'u8' && chunk.kind !== 'i64') {
    if (type.name !== 'long' && type.name !== 'decimal') return numberAt(chunk, row);
  } else if (chunk.form === 'bytes' && type.name === 'string') {
    const entry = entryOf(chunk, row);
    const start = chunk.starts[entry]!;
    return chunk.arena.toString('utf8', start, start + chunk.lengths[entry]!);
  }
  return fromRaw(type, ownRaw(type, rawOfChunk(chunk, row)));
}
