/** Key columns as vectors of their own, taken apart from the encoded keys, so that scans see them like any column. */

import { type ColumnType, physicalOf } from '@tidemark/schema/column-type';
import { ColumnVector } from '@tidemark/schema/column-vector';
import { readKeyPart } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { Fault } from '@tidemark/world/fault';

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
