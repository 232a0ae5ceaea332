/**
 * The keys of one block, as its key columns have them: compared with bytes and searched without any of them being put
 * together, but for the one that is asked for.
 */

import type { Physical } from '@tidemark/model/column-type';
import { type BytesChunk, type Chunk, entryOf, type NumberChunk, numberAt } from '../encoding/chunk.ts';
import { writeNumberPart } from '../key/key-hash.ts';
import { firstRowFrom } from '../key/key-search.ts';
import { compareRanges } from '../row/bytes.ts';

const SIGN = 0x8000_0000;
const HALF = 4_294_967_296;
const FIRST_BYTES = 64;
const NO_BYTES = new Uint8Array(0);

/** A key's bytes: `length` of `bytes` from `start` on, in memory of its own that is used again, or where they lie. */
export class KeyBytes {
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  length = 0;

  /** Makes room of its own for so many bytes, keeping what is there; not once it was pointed elsewhere. */
  reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(length, this.bytes.length * 2, FIRST_BYTES));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Means a key where it lies, as long as it lies there. */
  point(arena: Uint8Array, start: number, length: number): void {
    this.bytes = arena;
    this.start = start;
    this.length = length;
  }

  /** A copy of its own. */
  copy(): Uint8Array {
    return this.bytes.slice(this.start, this.start + this.length);
  }
}

/** Where the key that is compared goes on behind a part that was equal. Good until the next comparison. */
let next = 0;
const scratch = Buffer.alloc(8);

/** Keys of rows 0 … `rowCount` − 1, ascending, none twice. */
export class KeyBlock {
  readonly rowCount: number;
  readonly #columns: readonly Chunk[];
  readonly #kinds: readonly Physical[];
  /** The keys whole, where the block has them so. */
  readonly #whole: BytesChunk | null;

  /** `columns` in the order of the key, each with a value in every row; or `whole`, where a block has its keys whole. */
  constructor(columns: readonly Chunk[], kinds: readonly Physical[], whole: BytesChunk | null, rowCount: number) {
    this.#columns = columns;
    this.#kinds = kinds;
    this.#whole = whole;
    this.rowCount = rowCount;
  }

  /** Order of a row's key and `length` bytes from `start` on. */
  compare(row: number, bytes: Uint8Array, start: number, length: number): number {
    const whole = this.#whole;
    if (whole !== null) {
      const entry = entryOf(whole, row);
      return compareRanges(whole.arena, whole.starts[entry]!, whole.lengths[entry]!, bytes, start, length);
    }
    const end = start + length;
    let at = start;
    for (let i = 0; i < this.#columns.length; i++) {
      const order = comparePart(this.#columns[i]!, row, bytes, at, end);
      if (order !== 0) return order;
      at = next;
    }
    return at - end;
  }

  /** Puts a row's key together. */
  write(row: number, into: KeyBytes): void {
    const whole = this.#whole;
    if (whole !== null) {
      const entry = entryOf(whole, row);
      into.point(whole.arena, whole.starts[entry]!, whole.lengths[entry]!);
      return;
    }
    into.length = 0;
    for (let i = 0; i < this.#columns.length; i++) writePart(this.#columns[i]!, row, into);
  }

  /** The first of the rows `from … to` whose key is not before these bytes; `to` when all are. */
  firstFrom(bytes: Uint8Array, from: number, to: number): number {
    if (this.#whole === null) {
      const row = firstRowFrom(this.#columns, this.#kinds, bytes, from, to);
      if (row !== -1) return row;
    }
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(middle, bytes, 0, bytes.length) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Order of a row's part, as it stands in a key, and bytes `at … end`; when 0, `next` is where these go on. */
function comparePart(column: Chunk, row: number, key: Uint8Array, at: number, end: number): number {
  if (column.form === 'bytes') return compareText(column, row, key, at, end);
  if (column.form === 'numbers' && column.kind === 'i32' && at + 4 <= end) {
    next = at + 4;
    return compareWords((numberAt(column, row) ^ SIGN) >>> 0, wordAt(key, at));
  }
  if (isOfWholes(column) && at + 8 <= end) {
    next = at + 8;
    const value = numberAt(column, row);
    const high = Math.floor(value / HALF);
    const order = compareWords((high ^ SIGN) >>> 0, wordAt(key, at));
    return order !== 0 ? order : compareWords(value - high * HALF, wordAt(key, at + 4));
  }
  const length = writeNumberPart(scratch, column, row);
  for (let i = 0; i < length; i++, at++) {
    if (at === end) return 1;
    if (scratch[i] !== key[at]) return scratch[i]! - key[at]!;
  }
  next = at;
  return 0;
}

function isOfWholes(column: Chunk): column is NumberChunk {
  return column.form === 'numbers' && (column.kind === 'whole' || column.kind === 'i64');
}

function compareText(column: BytesChunk, row: number, key: Uint8Array, from: number, end: number): number {
  const { arena } = column;
  const entry = entryOf(column, row);
  const start = column.starts[entry]!;
  const stop = start + column.lengths[entry]!;
  let at = from;
  for (let i = start; i < stop; i++) {
    if (at === end) return 1;
    const byte = arena[i]!;
    if (byte !== key[at]) return byte - key[at]!;
    at++;
    // As keys have it: 00 is 00 FF.
    if (byte !== 0) continue;
    if (at === end) return 1;
    if (key[at] !== 0xff) return 0xff - key[at]!;
    at++;
  }
  // 00 01 ends it.
  if (at === end) return 1;
  if (key[at] !== 0) return -key[at]!;
  if (at + 1 === end) return 1;
  next = at + 2;
  return 1 - key[at + 1]!;
}

function compareWords(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function wordAt(key: Uint8Array, at: number): number {
  return ((key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!) >>> 0;
}

function writePart(column: Chunk, row: number, into: KeyBytes): void {
  if (column.form !== 'bytes') {
    const length = writeNumberPart(scratch, column, row);
    into.reserve(into.length + length);
    for (let i = 0; i < length; i++) into.bytes[into.length++] = scratch[i]!;
    return;
  }
  const { arena } = column;
  const entry = entryOf(column, row);
  const start = column.starts[entry]!;
  const stop = start + column.lengths[entry]!;
  into.reserve(into.length + (stop - start) * 2 + 2);
  const { bytes } = into;
  let at = into.length;
  for (let i = start; i < stop; i++) {
    bytes[at++] = arena[i]!;
    if (arena[i] === 0) bytes[at++] = 0xff;
  }
  bytes[at++] = 0;
  bytes[at++] = 1;
  into.length = at;
}
