/** Encoded keys put together from key columns. `key-split.ts` takes them apart. */

import { ColumnVector } from '@tidemark/columnar/column-vector';
import { writeKeyPart } from '@tidemark/columnar/key';
import type { ColumnType } from '@tidemark/model/column-type';
import { keyColumns, type Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { type BytesChunk, type Chunk, chunkOfVector, hasValue, numberAt } from '../encoding/chunk.ts';
import type { SplitKeys } from '../key/key-split.ts';
import { compareRanges } from '../row/bytes.ts';

/** Bytes that a number of a kind takes in a key. */
const KEY_BYTES = { u8: 1, i32: 4, f64: 8, whole: 8, i64: 8 } as const;

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

/** Whole numbers, big-endian with the sign bit flipped, as `packages/columnar/key.ts` writes them. */
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

/** True when the key columns give back the keys, byte by byte: then the keys need not be written. */
export function isMadeOf(
  keys: ColumnVector,
  from: number,
  to: number,
  table: Table,
  { vectors, isExact }: SplitKeys,
): boolean {
  if (isExact) return true;
  const count = to - from;
  const made = joinKeys(
    keyColumns(table).map(({ id }) => chunkOfVector(vectors.get(id)!, count)),
    count,
  );
  for (let i = 0; i < count; i++) {
    const [start, length] = [keys.starts[from + i]!, keys.lengths[from + i]!];
    if (compareRanges(keys.arena, start, length, made.arena, made.starts[i]!, made.lengths[i]!) !== 0) return false;
  }
  return true;
}
