/** One column of many rows, in typed arrays: what a batch, a memtable and a block are made of. */

import type { Physical } from '@tidemark/model/column-type';

/** A row's state in a column. */
export const CELL = { absent: 0, value: 1, deleted: 2 } as const;

const FIRST_ROWS = 64;
/** Room of a byte string at first. */
const ROW_BYTES = 16;
/** Bytes that a loop moves faster than a call does. */
const SHORT = 24;

type Values = Uint8Array | Int32Array | Float64Array | BigInt64Array;

/** Up to here room is doubled, which copies least; beyond, a fifth more at a time, so that little of much memory lies idle. */
const DOUBLED_ROWS_MAX = 1_048_576;
/** The same of bytes: rows have several arrays, bytes one. */
const DOUBLED_BYTES_MAX = 8 * DOUBLED_ROWS_MAX;

/** Room for `count`, when `now` is no longer enough. */
export function roomFor(count: number, now: number, doubledMax = DOUBLED_ROWS_MAX): number {
  return Math.max(count, now <= doubledMax ? now * 2 : Math.ceil(now * 1.2));
}

/** Where a vector's memory comes from: so many bytes at least, zeros where they have to be. */
export type Room = (bytes: number, isZeroed: boolean) => ArrayBuffer;

const newRoom: Room = (bytes) => new ArrayBuffer(bytes);

/** Room for `rows` values of a kind. Bytes keep theirs in the arena, so they need none. */
function allocate(kind: Physical, rows: number, room: Room): Values {
  if (kind === 'u8') return new Uint8Array(room(rows, false), 0, rows);
  if (kind === 'i32') return new Int32Array(room(rows * 4, false), 0, rows);
  if (kind === 'i64') return new BigInt64Array(room(rows * 8, false), 0, rows);
  return kind === 'bytes' ? new Uint8Array(0) : new Float64Array(room(rows * 8, false), 0, rows);
}

/**
 * Grows as rows are set; `clear` keeps its room, so one vector serves for ever. Which typed array is in use follows
 * from `kind`: `u8`, `i32`, `f64` (also for `whole`), `i64`, or `bytes` with `starts` and `lengths`.
 * What it holds of rows at or beyond the owner's row count is undefined until they are set.
 */
export class ColumnVector {
  readonly kind: Physical;
  /** Per row one of CELL. */
  presence: Uint8Array;
  /** Where a row's bytes begin in `arena`, and how many they are. */
  starts = new Uint32Array(0);
  lengths = new Uint32Array(0);
  arena: Buffer = Buffer.alloc(0);
  arenaUsed = 0;
  #values: Values;

  /** @param rows it has room for at first; a multiple of four */
  constructor(kind: Physical, rows = FIRST_ROWS) {
    this.kind = kind;
    this.presence = new Uint8Array(rows);
    this.#values = allocate(kind, rows, newRoom);
    if (kind === 'bytes') {
      this.starts = new Uint32Array(rows);
      this.lengths = new Uint32Array(rows);
      this.arena = Buffer.allocUnsafeSlow(rows * ROW_BYTES);
    }
  }

  get u8(): Uint8Array {
    return this.#values as Uint8Array;
  }
  get i32(): Int32Array {
    return this.#values as Int32Array;
  }
  get f64(): Float64Array {
    return this.#values as Float64Array;
  }
  get i64(): BigInt64Array {
    return this.#values as BigInt64Array;
  }

  /** Makes room for rows 0 … rows − 1, keeping what is there. New rows are absent. */
  reserveRows(rows: number, room: Room = newRoom): void {
    if (rows <= this.presence.length) return;
    const count = roomFor(rows, this.presence.length);
    this.presence = grown(this.presence, new Uint8Array(room(count, true), 0, count));
    if (this.kind === 'bytes') {
      this.starts = grown(this.starts, new Uint32Array(room(count * 4, false), 0, count));
      this.lengths = grown(this.lengths, new Uint32Array(room(count * 4, false), 0, count));
      return;
    }
    const values = allocate(this.kind, count, room);
    // Both are of the kind's own array type, which the type checker cannot see.
    (values as Float64Array).set(this.#values as Float64Array);
    this.#values = values;
  }

  /** Makes room for `bytes` more in the arena. */
  reserveBytes(bytes: number, room: Room | null = null): void {
    if (this.arenaUsed + bytes <= this.arena.length) return;
    const length = roomFor(this.arenaUsed + bytes, this.arena.length, DOUBLED_BYTES_MAX);
    const arena = room === null ? Buffer.allocUnsafeSlow(length) : Buffer.from(room(length, false), 0, length);
    // All of it: a key is written part by part beyond `arenaUsed` before it is taken.
    arena.set(this.arena);
    this.arena = arena;
  }

  /** Forgets all rows; keeps the room. */
  clear(rows: number): void {
    this.presence.fill(CELL.absent, 0, Math.min(rows, this.presence.length));
    this.arenaUsed = 0;
  }

  /** Sets a row of any numeric kind but `i64`. A branch per kind, so that each line meets one kind of array. */
  setNumber(row: number, value: number): void {
    this.reserveRows(row + 1);
    this.presence[row] = CELL.value;
    if (this.kind === 'i32') (this.#values as Int32Array)[row] = value;
    else if (this.kind === 'u8') (this.#values as Uint8Array)[row] = value;
    else (this.#values as Float64Array)[row] = value;
  }

  setBigint(row: number, value: bigint): void {
    this.reserveRows(row + 1);
    this.presence[row] = CELL.value;
    (this.#values as BigInt64Array)[row] = value;
  }

  setBytes(row: number, source: Uint8Array, from = 0, length = source.length): void {
    this.reserveRows(row + 1);
    this.reserveBytes(length);
    if (length > SHORT) this.arena.set(source.subarray(from, from + length), this.arenaUsed);
    else for (let i = 0, at = this.arenaUsed; i < length; i++) this.arena[at++] = source[from + i]!;
    this.#tookBytes(row, length);
  }

  /** @returns the UTF-8 bytes it took. */
  setString(row: number, text: string): number {
    this.reserveRows(row + 1);
    this.reserveBytes(text.length * 3);
    const length = this.#writeShort(text) ?? this.arena.write(text, this.arenaUsed, 'utf8');
    this.#tookBytes(row, length);
    return length;
  }

  /** Writes a short ASCII text, which a loop does faster than a call out of JavaScript; null when it is none. */
  #writeShort(text: string): number | null {
    if (text.length > SHORT) return null;
    for (let i = 0, at = this.arenaUsed; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return null;
      this.arena[at++] = unit;
    }
    return text.length;
  }

  /** Row `row` becomes the `length` bytes that the caller has written into the reserved room at `arenaUsed`. */
  takeBytes(row: number, length: number): void {
    this.reserveRows(row + 1);
    this.#tookBytes(row, length);
  }

  setDeleted(row: number): void {
    this.reserveRows(row + 1);
    this.presence[row] = CELL.deleted;
  }

  /**
   * Forgets the row set last, and takes its bytes back from the arena. For rows that were set one by one: decoded ones
   * may share their bytes.
   */
  dropLastRow(row: number): void {
    if (row >= this.presence.length) return;
    const hadBytes = this.kind === 'bytes' && this.presence[row] === CELL.value;
    if (hadBytes && this.starts[row]! + this.lengths[row]! === this.arenaUsed) this.arenaUsed = this.starts[row]!;
    this.presence[row] = CELL.absent;
  }

  /** Row `row` becomes what `source` holds at `sourceRow`: value, deleted or absent. Both are of one kind. */
  copyRow(row: number, source: ColumnVector, sourceRow: number): void {
    const state = source.presence[sourceRow]!;
    if (state !== CELL.value) {
      this.reserveRows(row + 1);
      this.presence[row] = state;
    } else if (this.kind === 'bytes') {
      this.setBytes(row, source.arena, source.starts[sourceRow]!, source.lengths[sourceRow]!);
    } else if (this.kind === 'i64') {
      this.setBigint(row, source.i64[sourceRow]!);
    } else if (this.kind === 'i32') {
      this.setNumber(row, source.i32[sourceRow]!);
    } else if (this.kind === 'u8') {
      this.setNumber(row, source.u8[sourceRow]!);
    } else {
      this.setNumber(row, source.f64[sourceRow]!);
    }
  }

  /** The bytes of a row, without copying: valid until the vector next grows or is cleared. */
  bytesAt(row: number): Buffer {
    const start = this.starts[row]!;
    return this.arena.subarray(start, start + this.lengths[row]!);
  }

  stringAt(row: number): string {
    const start = this.starts[row]!;
    return this.arena.toString('utf8', start, start + this.lengths[row]!);
  }

  /** The memory behind it, to be used for something else: nobody may touch the vector after that. */
  get buffers(): ArrayBufferLike[] {
    return [this.presence, this.#values, this.starts, this.lengths, this.arena].map(({ buffer }) => buffer);
  }

  /** Bytes of memory it holds. */
  get memoryBytes(): number {
    return this.presence.length + this.#values.byteLength + this.starts.byteLength * 2 + this.arena.length;
  }

  #tookBytes(row: number, length: number): void {
    this.presence[row] = CELL.value;
    this.starts[row] = this.arenaUsed;
    this.lengths[row] = length;
    this.arenaUsed += length;
  }
}

function grown<T extends Uint8Array | Uint32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
