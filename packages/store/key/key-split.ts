/** Key columns taken apart from encoded keys, so that scans see them like any column. */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import { readKeyPart } from '@tidemark/columnar/key';
import { type ColumnType, physicalOf } from '@tidemark/model/column-type';
import { keyColumns, type Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { StringInterner } from '../encoding/string-interner.ts';
import { wordsOf } from '../row/words.ts';

const HALF = 4_294_967_296;

/** Key columns of some rows, out of their encoded keys. */
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
  const parts = keyColumns(table).map(({ id, type }, i) => {
    const vector = vectors.get(id) ?? new ColumnVector(physicalOf(type));
    vector.arenaUsed = 0;
    vector.reserveRows(to - from);
    vector.presence.fill(CELL.value, 0, to - from);
    vectors.set(id, vector);
    stringInterner[i] ??= new StringInterner();
    stringInterner[i].clear();
    return { type, vector, texts: stringInterner[i] };
  });
  let isExact = true;
  for (let begin = from; begin < to; begin += CHUNK) {
    const places = new Places(keys, begin, Math.min(begin + CHUNK, to), begin - from);
    for (const { type, vector, texts } of parts) {
      isExact = splitPart(type, keys.arena, places, vector, texts) && isExact;
    }
    isExact &&= places.areAtEnds;
  }
  return { vectors, isExact };
}

/** By number of the part; used for one call, never kept across it. */
const stringInterner: StringInterner[] = [];

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
  /** Of all keys together. */
  readonly bytes: number;
  /** What was read ahead: kept, so that the reading is not left out. */
  readonly ahead: number;

  constructor({ arena, starts, lengths }: ColumnVector, from: number, to: number, first: number) {
    this.count = to - from;
    this.first = first;
    const next = scratch.subarray(0, this.count);
    const ends = scratch.subarray(CHUNK, CHUNK + this.count);
    let bytes = 0;
    for (let row = 0; row < next.length; row++) {
      const start = starts[from + row]!;
      const length = lengths[from + row]!;
      next[row] = start;
      ends[row] = start + length;
      bytes += length;
    }
    let ahead = 0;
    // The processor waits for many keys at once while nothing else is done.
    for (let row = 0; row < next.length; row++) ahead ^= (arena[next[row]!] ?? 0) ^ (arena[ends[row]! - 1] ?? 0);
    this.next = next;
    this.ends = ends;
    this.bytes = bytes;
    this.ahead = ahead;
  }

  get areAtEnds(): boolean {
    for (let row = 0; row < this.count; row++) if (this.next[row] !== this.ends[row]) return false;
    return true;
  }

  /** That a key has fewer bytes left than a part takes. */
  ended(row: number, bytes: number): Fault {
    return new Fault('corrupt', `row ${this.first + row}: a key ends within a part of ${bytes} bytes`);
  }
}

/** @returns whether each value surely has these bytes in a key */
function splitPart(
  type: ColumnType,
  arena: Buffer,
  places: Places,
  into: ColumnVector,
  texts: StringInterner,
): boolean {
  switch (type.name) {
    case 'string':
    case 'bytes':
      return splitEscaped(arena, places, into, texts);
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

function splitEscaped(
  arena: Buffer,
  { first, next, ends, count, bytes }: Places,
  into: ColumnVector,
  texts: StringInterner,
): boolean {
  let isExact = true;
  // A word is written whole, whatever of it belongs to the part.
  into.reserveBytes(bytes + 4);
  const { arena: out, starts, lengths } = into;
  const from = wordsOf(arena);
  const to = wordsOf(out);
  let used = into.arenaUsed;
  for (let row = 0; row < count; row++) {
    const start = next[row]!;
    const end = ends[row]!;
    const begin = used;
    const short = start + 5 <= end ? shortLength(from.getInt32(start, true), arena[start + 4]!) : -1;
    if (short !== -1) {
      const word = from.getInt32(start, true);
      starts[first + row] = texts.placeOfShort(word, short, begin);
      lengths[first + row] = short;
      next[row] = start + short + 2;
      if (starts[first + row] !== begin) continue;
      to.setInt32(begin, word, true);
      used = begin + short;
      continue;
    }
    let at = start;
    for (; at + 4 <= end; at += 4, used += 4) {
      const word = from.getInt32(at, true);
      to.setInt32(used, word, true);
      const length = firstZero(word);
      if (length === 4) continue;
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
    const length = used - begin;
    const place = texts.placeOf(to, begin, length);
    if (place !== begin) used = begin;
    starts[first + row] = place;
    lengths[first + row] = length;
  }
  into.arenaUsed = used;
  return isExact;
}

/** Which byte of a word is the first that is zero, the lowest being 0; 4: none. */
function firstZero(word: number): number {
  // The upper bit of the first byte that is zero, and perhaps of some behind it.
  const zeros = (word - 0x01010101) & ~word & 0x80808080;
  return zeros === 0 ? 4 : (31 - Math.clz32(zeros & -zeros)) >>> 3;
}

/** The bytes of a text that ends within a word, as most codes do; −1: it does not, or holds a zero byte. */
function shortLength(word: number, after: number): number {
  const length = firstZero(word);
  if (length === 4) return -1;
  const next = length === 3 ? after : (word >>> (length * 8 + 8)) & 0xff;
  return next === 1 ? length : -1;
}

function splitInts(arena: Buffer, places: Places, into: Int32Array): boolean {
  const words = wordsOf(arena);
  const { first, next, ends, count } = places;
  for (let row = 0; row < count; row++) {
    const at = next[row]!;
    if (at + 4 > ends[row]!) throw places.ended(row, 4);
    into[first + row] = words.getInt32(at) ^ 0x8000_0000;
    next[row] = at + 4;
  }
  return true;
}

function splitTimestamps(arena: Buffer, places: Places, into: Float64Array): boolean {
  const words = wordsOf(arena);
  const { first, next, ends, count } = places;
  let isExact = true;
  for (let row = 0; row < count; row++) {
    const at = next[row]!;
    if (at + 8 > ends[row]!) throw places.ended(row, 8);
    const value = (words.getInt32(at) ^ 0x8000_0000) * HALF + words.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) isExact = false;
    into[first + row] = value;
    next[row] = at + 8;
  }
  return isExact;
}

function splitLongs(arena: Buffer, places: Places, into: BigInt64Array): boolean {
  const words = wordsOf(arena);
  const halves = new Int32Array(into.buffer, into.byteOffset, into.length * 2);
  const { first, next, ends, count } = places;
  for (let row = 0; row < count; row++) {
    const at = next[row]!;
    if (at + 8 > ends[row]!) throw places.ended(row, 8);
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
