/**
 * Row keys as bytes whose order is the value order, so that sorting bytes sorts rows and a shorter key is a range.
 *
 * A row key is its parts, one after the other, partition key first:
 * - boolean: 1 byte, 0 or 1
 * - int, date: 4 bytes big-endian, sign bit flipped
 * - long, decimal, timestamp (µs): 8 bytes big-endian, sign bit flipped
 * - double: IEEE 754 big-endian; negative ones have all bits flipped, others the sign bit; −0 is written as 0
 * - string (UTF-8), bytes: each 00 becomes 00 FF, and 00 01 ends it
 */

import { type ColumnType, LIMITS, type Value } from '@tidemark/model/column-type';
import { keyColumns, type Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { ColumnVector } from './column-vector.ts';

/** Writes a key part at `at` and returns where it ends. The buffer must have room (see `keyPartBytesMax`). */
export function writeKeyPart(into: Buffer, at: number, type: ColumnType, value: Value): number {
  switch (type.name) {
    case 'boolean':
      return into.writeUInt8(value === true ? 1 : 0, at);
    case 'int':
    case 'date':
      return writeHalf(into, at, (value as number) ^ SIGN);
    case 'timestamp':
      return writeWhole(into, at, value as number);
    case 'long':
    case 'decimal':
      return into.writeBigUInt64BE(BigInt.asUintN(64, (value as bigint) ^ (1n << 63n)), at);
    case 'double':
      return writeDouble(into, at, value as number);
    case 'string':
      return writeText(into, at, value as string);
    case 'bytes':
      return writeEscaped(into, at, value as Uint8Array);
  }
}

/** `writeKeyPart` of the value that a vector of the type holds at a row, without making the value. */
export function writeKeyPartOf(into: Buffer, at: number, type: ColumnType, vector: ColumnVector, row: number): number {
  switch (type.name) {
    case 'boolean':
      into[at] = vector.u8[row] === 1 ? 1 : 0;
      return at + 1;
    case 'int':
    case 'date':
      return writeHalf(into, at, vector.i32[row]! ^ SIGN);
    case 'timestamp':
      return writeWhole(into, at, vector.f64[row]!);
    case 'double':
      return writeDouble(into, at, vector.f64[row]!);
    case 'long':
    case 'decimal':
      return writeKeyPart(into, at, type, vector.i64[row]!);
    case 'string':
    case 'bytes':
      return writeEscaped(into, at, vector.arena, vector.starts[row]!, vector.lengths[row]!);
  }
}

/** Room a part can take at most. */
export function keyPartBytesMax(value: Value): number {
  if (typeof value === 'string') return value.length * 6 + 2;
  if (value instanceof Uint8Array) return value.length * 2 + 2;
  return 8;
}

const SIGN = 0x8000_0000;

/** A whole number within ±2^53 as 8 bytes; high and low halves separately, so that no bigint is made. */
function writeWhole(into: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 4_294_967_296);
  writeHalf(into, at, high ^ SIGN);
  return writeHalf(into, at + 4, value - high * 4_294_967_296);
}

/** The lower 32 bits of a number, big-endian. Byte by byte, which is faster than Buffer's own. */
function writeHalf(into: Buffer, at: number, value: number): number {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
  return at + 4;
}

function writeDouble(into: Buffer, at: number, value: number): number {
  into.writeDoubleBE(value === 0 ? 0 : value, at);
  if (into[at]! < 0x80) into[at]! ^= 0x80;
  else for (let i = 0; i < 8; i++) into[at + i]! ^= 0xff;
  return at + 8;
}

/** ASCII without NUL, the common case, goes in as it is. */
function writeText(into: Buffer, from: number, text: string): number {
  let at = from;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0 || unit > 0x7f) return writeEscaped(into, from, Buffer.from(text, 'utf8'));
    into[at++] = unit;
  }
  into[at++] = 0;
  into[at++] = 1;
  return at;
}

function writeEscaped(into: Buffer, to: number, bytes: Uint8Array, from = 0, length = bytes.length): number {
  let at = to;
  for (let i = from; i < from + length; i++) {
    const byte = bytes[i]!;
    into[at++] = byte;
    if (byte === 0) into[at++] = 0xff;
  }
  into[at++] = 0;
  into[at++] = 1;
  return at;
}

/** The parts as bytes: all of them make a row key, the first ones a prefix that bounds a range. */
export function encodeKey(table: Table, parts: readonly Value[]): Buffer {
  const into = Buffer.allocUnsafe(parts.reduce<number>((sum, part) => sum + keyPartBytesMax(part), 0));
  const columns = keyColumns(table);
  let at = 0;
  parts.forEach((part, i) => {
    at = writeKeyPart(into, at, columns[i]!.type, part);
  });
  return into.subarray(0, at);
}

/** Bytes of the partition key at the start of a row key. */
export function partitionKeyLength(table: Table, key: Uint8Array): number {
  return readKeyPart(keyColumns(table)[0]!.type, key, 0).next;
}

/** The values of a whole row key. @throws {Fault} `corrupt`: not a key of this table. */
export function decodeKey(table: Table, key: Uint8Array): Value[] {
  const values: Value[] = [];
  let at = 0;
  for (const column of keyColumns(table)) {
    const part = readKeyPart(column.type, key, at);
    values.push(part.value);
    at = part.next;
  }
  if (at !== key.length) {
    throw new Fault('corrupt', `table ${table.name}: a key of ${key.length} bytes ends at byte ${at}`, { got: at });
  }
  return values;
}

/** Reads the part at `at`. @throws {Fault} `corrupt`: the key ends within it. */
export function readKeyPart(type: ColumnType, key: Uint8Array, at: number): { value: Value; next: number } {
  const view = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  if (type.name === 'string' || type.name === 'bytes') return readEscaped(type.name, view, at);
  const length = type.name === 'boolean' ? 1 : type.name === 'int' || type.name === 'date' ? 4 : 8;
  if (at + length > key.length) throw cutShort(key, at);
  return { value: readFixed(type, view, at), next: at + length };
}

function readFixed(type: ColumnType, view: Buffer, at: number): Value {
  switch (type.name) {
    case 'boolean':
      return view[at] === 1;
    case 'int':
    case 'date':
      return (view.readUInt32BE(at) ^ 0x8000_0000) | 0;
    case 'timestamp':
      return ((view.readUInt32BE(at) ^ 0x8000_0000) | 0) * 4_294_967_296 + view.readUInt32BE(at + 4);
    case 'double': {
      const bytes = Buffer.from(view.subarray(at, at + 8));
      if (bytes[0]! >= 0x80) bytes[0]! ^= 0x80;
      else for (let i = 0; i < 8; i++) bytes[i]! ^= 0xff;
      return bytes.readDoubleBE(0);
    }
    default:
      return BigInt.asIntN(64, view.readBigUInt64BE(at) ^ (1n << 63n));
  }
}

function readEscaped(name: 'string' | 'bytes', view: Buffer, from: number): { value: Value; next: number } {
  let plain: number[] | null = null;
  for (let at = from; at + 1 < view.length; at++) {
    const byte = view[at]!;
    if (byte === 0 && view[at + 1] === 1) {
      const bytes = plain === null ? view.subarray(from, at) : Buffer.from(plain);
      return { value: name === 'string' ? bytes.toString('utf8') : new Uint8Array(bytes), next: at + 2 };
    }
    if (byte === 0) plain ??= [...view.subarray(from, at)];
    plain?.push(byte);
    if (byte === 0) at++;
  }
  throw cutShort(view, from);
}

function cutShort(key: Uint8Array, at: number): Fault {
  return new Fault('corrupt', `a key of ${key.length} bytes ends within the part at byte ${at}`, { got: key.length });
}

/** @throws {Fault} `invalid`: the key is too long; names both lengths. */
export function checkKeyLength(table: Table, length: number): void {
  if (length <= LIMITS.keyBytesMax) return;
  throw new Fault('invalid', `table ${table.name}: the key takes ${length} bytes, at most ${LIMITS.keyBytesMax}`, {
    table: table.name,
    got: length,
    expected: LIMITS.keyBytesMax,
  });
}

/** The smallest bytes greater than everything that begins with `prefix`; null when there is none. */
export function prefixEnd(prefix: Uint8Array): Buffer | null {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i]! < 0xff) {
      end[i]!++;
      return end.subarray(0, i + 1);
    }
  }
  return null;
}
