/** Key columns taken apart from encoded keys, so that scans see them like any column, and put together to keys again. */

import { type ColumnType, physicalOf } from '@tidemark/schema/column-type';
import { ColumnVector } from '@tidemark/schema/column-vector';
import { readKeyPart, writeKeyPart } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { Fault } from '@tidemark/world/fault';
import { type BytesChunk, type Chunk, entryOf, hasValue, numberAt } from './chunk.ts';

/**
 * For rows `from … to` of `keys`: the vectors of the table's key columns, by column id; row 0 is `from`.
 * @throws {Fault} `corrupt`: a key ends within a part.
 */
export function splitKeys(table: Table, keys: ColumnVector, from: number, to: number): Map<number, ColumnVector> {
  /** Where the next part of each row's key begins in the arena. */
  const places = keys.starts.slice(from, to);
  const ends = places.map((start, i) => start + keys.lengths[from + i]!);
  const vectors = new Map<number, ColumnVector>();
  for (const { id, type } of keyColumns(table)) {
    const vector = new ColumnVector(physicalOf(type));
    vector.reserveRows(to - from);
    if (type.name === 'string' || type.name === 'bytes') splitEscaped(keys.arena, places, ends, vector);
    else if (type.name === 'int' || type.name === 'date') splitInts(keys.arena, places, ends, vector);
    else if (type.name === 'timestamp') splitTimestamps(keys.arena, places, ends, vector);
    else splitOthers(type, keys.arena, places, ends, vector);
    vectors.set(id, vector);
  }
  return vectors;
}

function splitEscaped(arena: Buffer, places: Uint32Array, ends: Uint32Array, into: ColumnVector): void {
  for (let row = 0; row < places.length; row++) {
    const start = places[row]!;
    const end = ends[row]!;
    let at = start;
    while (at < end && arena[at] !== 0) at++;
    if (at + 1 < end && arena[at + 1] === 1) {
      into.setBytes(row, arena, start, at - start);
      places[row] = at + 2;
    } else {
      // It holds a zero byte, or is damaged.
      const part = readKeyPart({ name: 'bytes' }, arena.subarray(start, end), 0);
      into.setBytes(row, part.value as Uint8Array);
      places[row] = start + part.next;
    }
  }
}

function splitInts(arena: Buffer, places: Uint32Array, ends: Uint32Array, into: ColumnVector): void {
  for (let row = 0; row < places.length; row++) {
    const at = take(places, ends, row, 4);
    into.setNumber(row, (arena.readUInt32BE(at) ^ 0x8000_0000) | 0);
  }
}

function splitTimestamps(arena: Buffer, places: Uint32Array, ends: Uint32Array, into: ColumnVector): void {
  for (let row = 0; row < places.length; row++) {
    const at = take(places, ends, row, 8);
    into.setNumber(row, ((arena.readUInt32BE(at) ^ 0x8000_0000) | 0) * 4_294_967_296 + arena.readUInt32BE(at + 4));
  }
}

function splitOthers(
  type: ColumnType,
  arena: Buffer,
  places: Uint32Array,
  ends: Uint32Array,
  into: ColumnVector,
): void {
  for (let row = 0; row < places.length; row++) {
    const start = places[row]!;
    const part = readKeyPart(type, arena.subarray(start, ends[row]!), 0);
    if (typeof part.value === 'bigint') into.setBigint(row, part.value);
    else into.setNumber(row, Number(part.value));
    places[row] = start + part.next;
  }
}

function take(places: Uint32Array, ends: Uint32Array, row: number, length: number): number {
  const at = places[row]!;
  if (at + length > ends[row]!) throw new Fault('corrupt', `row ${row}: a key ends within a part of ${length} bytes`);
  places[row] = at + length;
  return at;
}

/** Bytes that a number of a kind takes in a key. */
const KEY_BYTES = { u8: 1, i32: 4, f64: 8, whole: 8, i64: 8 } as const;

/** Bytes of each key that the parts make; parts of bytes hold no zero byte. */
export function keyLengths(parts: readonly Chunk[], rowCount: number): Uint32Array {
  const lengths = new Uint32Array(rowCount);
  for (const part of parts) {
    if (part.form !== 'bytes') for (let row = 0; row < rowCount; row++) lengths[row]! += KEY_BYTES[part.kind];
    else for (let row = 0; row < rowCount; row++) lengths[row]! += part.lengths[entryOf(part, row)]! + 2;
  }
  return lengths;
}

/**
 * The keys that key columns make, the first part's column first: the inverse of `splitKeys`.
 * @throws {Fault} `corrupt`: a row lacks a part.
 */
export function joinKeys(parts: readonly Chunk[], rowCount: number): ColumnVector {
  const lengths = new Uint32Array(rowCount);
  const escaped = parts.map((part) => (part.form === 'bytes' ? escapeEntries(part) : null));
  parts.forEach((part, i) => {
    if (part.presence !== null) for (let row = 0; row < rowCount; row++) checkPart(part, row);
    if (part.form !== 'bytes') for (let row = 0; row < rowCount; row++) lengths[row]! += KEY_BYTES[part.kind];
    else
      for (let row = 0; row < rowCount; row++)
        lengths[row]! += escaped[i]!.lengths[part.codes === null ? row : part.codes[row]!]!;
  });
  const keys = new ColumnVector('bytes');
  keys.reserveRows(rowCount);
  let total = 0;
  for (let row = 0; row < rowCount; row++) total += lengths[row]!;
  keys.reserveBytes(total);
  for (let row = 0; row < rowCount; row++) keys.takeBytes(row, lengths[row]!);
  const places = keys.starts.slice(0, rowCount);
  parts.forEach((part, i) => {
    if (part.form === 'bytes') joinBytes(keys.arena, places, part, escaped[i]!);
    else if (part.form === 'longs' || part.kind === 'f64') joinOthers(keys.arena, places, part);
    else joinNumbers(keys.arena, places, part, KEY_BYTES[part.kind]);
  });
  return keys;
}

function checkPart(part: Chunk, row: number): void {
  if (!hasValue(part, row)) throw new Fault('corrupt', `row ${row} lacks a part of its key`);
}

type Escaped = { readonly arena: Buffer; readonly starts: Uint32Array; readonly lengths: Uint32Array };

/** The entries as they stand in keys. */
function escapeEntries({ arena, starts, lengths, entryCount }: BytesChunk): Escaped {
  let room = 0;
  for (let entry = 0; entry < entryCount; entry++) room += lengths[entry]! * 2 + 2;
  const escaped = {
    arena: Buffer.allocUnsafe(room),
    starts: new Uint32Array(entryCount),
    lengths: new Uint32Array(entryCount),
  };
  let at = 0;
  for (let entry = 0; entry < entryCount; entry++) {
    escaped.starts[entry] = at;
    const end = starts[entry]! + lengths[entry]!;
    for (let from = starts[entry]!; from < end; from++) {
      const byte = arena[from]!;
      escaped.arena[at++] = byte;
      if (byte === 0) escaped.arena[at++] = 0xff;
    }
    escaped.arena[at++] = 0;
    escaped.arena[at++] = 1;
    escaped.lengths[entry] = at - escaped.starts[entry]!;
  }
  return escaped;
}

function joinBytes(into: Buffer, places: Uint32Array, { codes }: BytesChunk, escaped: Escaped): void {
  const { arena, starts, lengths } = escaped;
  for (let row = 0; row < places.length; row++) {
    const entry = codes === null ? row : codes[row]!;
    let at = places[row]!;
    const end = starts[entry]! + lengths[entry]!;
    for (let from = starts[entry]!; from < end; from++) into[at++] = arena[from]!;
    places[row] = at;
  }
}

/** Whole numbers, big-endian with the sign bit flipped, as `packages/schema/key.ts` writes them. */
function joinNumbers(into: Buffer, places: Uint32Array, part: Chunk & { form: 'numbers' }, bytes: 1 | 4 | 8): void {
  for (let row = 0; row < places.length; row++) {
    const value = numberAt(part, row);
    let at = places[row]!;
    if (bytes === 1) into[at++] = value;
    else {
      const high = Math.floor(value / 4_294_967_296);
      if (bytes === 8) at = writeHalf(into, at, high ^ 0x8000_0000);
      at = writeHalf(into, at, bytes === 8 ? value - high * 4_294_967_296 : value ^ 0x8000_0000);
    }
    places[row] = at;
  }
}

function writeHalf(into: Buffer, at: number, value: number): number {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
  return at + 4;
}

function joinOthers(into: Buffer, places: Uint32Array, part: Exclude<Chunk, BytesChunk>): void {
  const type: ColumnType = { name: part.kind === 'f64' ? 'double' : 'long' };
  for (let row = 0; row < places.length; row++) {
    const value = part.form === 'longs' ? part.data[row]! : numberAt(part, row);
    places[row] = writeKeyPart(into, places[row]!, type, value);
  }
}
