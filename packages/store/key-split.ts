/** Key columns taken apart from encoded keys, so that scans see them like any column. */

import { type ColumnType, physicalOf } from '@tidemark/schema/column-type';
import { CELL, ColumnVector } from '@tidemark/schema/column-vector';
import { readKeyPart } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { Fault } from '@tidemark/world/fault';
import { wordsOf } from './words.ts';

const HALF = 4_294_967_296;

export type SplitKeys = {
  /** The vectors of the table's key columns, by column id; row 0 is the first of the rows asked for. */
  readonly vectors: Map<number, ColumnVector>;
  /** True when putting the parts together surely gives the keys back, byte by byte. False says nothing. */
  readonly isExact: boolean;
};

/**
 * Takes rows `from … to` of `keys` apart.
 * @param vectors of an earlier call for the same table that are no longer needed: they are filled anew
 * @throws {Fault} `corrupt`: a key ends within a part.
 */
export function splitKeys(
  table: Table,
  keys: ColumnVector,
  from: number,
  to: number,
  vectors = new Map<number, ColumnVector>(),
): SplitKeys {
  const parts = keyColumns(table).map(({ id, type }) => {
    const vector = vectors.get(id) ?? new ColumnVector(physicalOf(type));
    vector.arenaUsed = 0;
    vector.reserveRows(to - from);
    vector.presence.fill(CELL.value, 0, to - from);
    vectors.set(id, vector);
    return { type, vector };
  });
  let isExact = true;
  for (let begin = from; begin < to; begin += CHUNK) {
    const places = new Places(keys, begin, Math.min(begin + CHUNK, to), begin - from);
    for (const { type, vector } of parts) isExact = splitPart(type, keys.arena, places, vector) && isExact;
    isExact &&= places.areAtEnds;
  }
  return { vectors, isExact };
}

/** Keys that are taken apart together: keys of a memtable lie apart, and so many stay in the nearest caches. */
const CHUNK = 1024;

/** Used for one chunk, never kept across it. */
const scratch = new Uint32Array(CHUNK * 2);

/** Where the next part of each row's key begins in the arena, and where its key ends. */
class Places {
  readonly count: number;
  /** The row that the first of them becomes. */
  readonly first: number;
  readonly next: Uint32Array;
  readonly ends: Uint32Array;
  /** What was read ahead: kept, so that the reading is not left out. */
  readonly ahead: number;

  constructor({ arena, starts, lengths }: ColumnVector, from: number, to: number, first: number) {
    this.count = to - from;
    this.first = first;
    const next = scratch.subarray(0, this.count);
    const ends = scratch.subarray(CHUNK, CHUNK + this.count);
    for (let row = 0; row < next.length; row++) {
      const start = starts[from + row]!;
      next[row] = start;
      ends[row] = start + lengths[from + row]!;
    }
    let ahead = 0;
    // The processor waits for many keys at once while nothing else is done.
    for (let row = 0; row < next.length; row++) ahead ^= arena[next[row]!] ?? 0;
    this.next = next;
    this.ends = ends;
    this.ahead = ahead;
  }

  get areAtEnds(): boolean {
    for (let row = 0; row < this.count; row++) if (this.next[row] !== this.ends[row]) return false;
    return true;
  }

  /** Passes over parts of so many bytes. @throws {Fault} `corrupt`: a key has fewer left. */
  need(bytes: number): void {
    for (let row = 0; row < this.count; row++) {
      if (this.next[row]! + bytes <= this.ends[row]!) continue;
      throw new Fault('corrupt', `row ${this.first + row}: a key ends within a part of ${bytes} bytes`);
    }
  }
}

/** @returns whether each value surely has these bytes in a key */
function splitPart(type: ColumnType, arena: Buffer, places: Places, into: ColumnVector): boolean {
  switch (type.name) {
    case 'string':
    case 'bytes':
      return splitEscaped(arena, places, into);
    case 'int':
    case 'date':
      return splitInts(arena, places, into.i32);
    case 'timestamp':
      return splitTimestamps(arena, places, into.f64);
    case 'long':
    case 'decimal':
      return splitLongs(arena, places, into.i64);
    default:
      return splitOthers(type, arena, places, into);
  }
}

function splitEscaped(arena: Buffer, { first, next, ends, count }: Places, into: ColumnVector): boolean {
  let isExact = true;
  // A word is written whole, whatever of it belongs to the part.
  let room = 4;
  for (let row = 0; row < count; row++) room += ends[row]! - next[row]!;
  into.reserveBytes(room);
  const { arena: out, starts, lengths } = into;
  const from = wordsOf(arena);
  const to = wordsOf(out);
  let used = into.arenaUsed;
  for (let row = 0; row < count; row++) {
    const start = next[row]!;
    const end = ends[row]!;
    const begin = used;
    let at = start;
    for (; at + 4 <= end; at += 4, used += 4) {
      const word = from.getInt32(at, true);
      to.setInt32(used, word, true);
      // The upper bit of the first byte that is zero, and perhaps of some behind it.
      const zeros = (word - 0x01010101) & ~word & 0x80808080;
      if (zeros === 0) continue;
      const length = (31 - Math.clz32(zeros & -zeros)) >>> 3;
      at += length;
      used += length;
      break;
    }
    while (at < end && arena[at] !== 0) out[used++] = arena[at++]!;
    if (at + 1 < end && arena[at + 1] === 1) next[row] = at + 2;
    else {
      // It holds a zero byte, or is damaged.
      const part = readKeyPart({ name: 'bytes' }, arena.subarray(start, end), 0);
      const value = part.value as Uint8Array;
      used = begin + value.length;
      out.set(value, begin);
      next[row] = start + part.next;
      isExact = false;
    }
    starts[first + row] = begin;
    lengths[first + row] = used - begin;
  }
  into.arenaUsed = used;
  return isExact;
}

function splitInts(arena: Buffer, places: Places, into: Int32Array): boolean {
  places.need(4);
  const words = wordsOf(arena);
  const { first, next, count } = places;
  for (let row = 0; row < count; row++) {
    into[first + row] = words.getInt32(next[row]!) ^ 0x8000_0000;
    next[row]! += 4;
  }
  return true;
}

function splitTimestamps(arena: Buffer, places: Places, into: Float64Array): boolean {
  places.need(8);
  const words = wordsOf(arena);
  const { first, next, count } = places;
  let isExact = true;
  for (let row = 0; row < count; row++) {
    const at = next[row]!;
    const value = (words.getInt32(at) ^ 0x8000_0000) * HALF + words.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) isExact = false;
    into[first + row] = value;
    next[row] = at + 8;
  }
  return isExact;
}

function splitLongs(arena: Buffer, places: Places, into: BigInt64Array): boolean {
  places.need(8);
  const words = wordsOf(arena);
  const halves = new Int32Array(into.buffer, into.byteOffset, into.length * 2);
  const { first, next, count } = places;
  for (let row = 0; row < count; row++) {
    const at = next[row]!;
    halves[(first + row) * 2] = words.getInt32(at + 4);
    halves[(first + row) * 2 + 1] = words.getInt32(at) ^ 0x8000_0000;
    next[row] = at + 8;
  }
  return true;
}

function splitOthers(
  type: ColumnType,
  arena: Buffer,
  { first, next, ends, count }: Places,
  into: ColumnVector,
): boolean {
  for (let row = 0; row < count; row++) {
    const start = next[row]!;
    const part = readKeyPart(type, arena.subarray(start, ends[row]!), 0);
    into.setNumber(first + row, Number(part.value));
    next[row] = start + part.next;
  }
  return false;
}
