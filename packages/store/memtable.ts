/**
 * What was applied and is not in a segment yet: an open-addressing hash over typed arrays, one vector per column, no
 * object per row. Each row write gets a number; a cell notes the number of the write that won it (4 bytes) and the
 * write's stamp is kept once (16 bytes). Frozen, it is sorted once and read like a segment (see `memtable-source.ts`).
 */

import type { Physical } from '@tidemark/schema/column-type';
import { CELL, ColumnVector } from '@tidemark/schema/column-vector';
import { ROW, type RowBatch } from '@tidemark/schema/row-batch';
import { type Stamp, stampLow } from '@tidemark/schema/stamp';
import { compareRanges, hashRange } from './bytes.ts';
import { MemtableColumn } from './memtable-column.ts';
import { sameCell, stampClash, widened } from './rows.ts';

const FIRST_ROWS = 256;
/** The hash is at most half full. */
const SLOTS_PER_ROW = 2;
const COUNTER_SPAN = 65_536;

export class Memtable {
  rowCount = 0;
  readonly keys = new ColumnVector('bytes');
  /** Per row the number of its newest upsert and of its newest row delete; 0: none. */
  putOf = new Uint32Array(FIRST_ROWS);
  tombOf = new Uint32Array(FIRST_ROWS);
  /** Per write its stamp; write 0 is none, smaller than every other. */
  writeMs = new Float64Array(FIRST_ROWS);
  writeLow = new Float64Array(FIRST_ROWS);
  readonly columns = new Map<number, MemtableColumn>();
  #writeCount = 1;
  #hashes = new Uint32Array(FIRST_ROWS);
  /** Row + 1, or 0 where free. */
  #slots = new Int32Array(FIRST_ROWS * SLOTS_PER_ROW);
  /** Rows of the batch being applied. */
  #rowOf = new Uint32Array(FIRST_ROWS);

  constructor() {
    this.writeMs[0] = -1;
  }

  /** Bytes of memory it holds. */
  get memoryBytes(): number {
    let bytes = this.keys.memoryBytes + this.putOf.byteLength * 3 + this.writeMs.byteLength * 2;
    bytes += this.#slots.byteLength;
    for (const column of this.columns.values()) bytes += column.memoryBytes;
    return bytes;
  }

  /**
   * Takes a batch whose stamp is `stamp`. Larger stamps win cell by cell; the same write again changes nothing.
   * @throws {Fault} `corrupt`: two different writes with one stamp.
   */
  apply(batch: RowBatch, stamp: Stamp): void {
    const first = this.#addWrites(batch, stamp);
    this.#reserveRows(this.rowCount + batch.rowCount);
    if (this.#rowOf.length < batch.rowCount) this.#rowOf = new Uint32Array(batch.rowCount * 2);
    for (let i = 0; i < batch.rowCount; i++) {
      const row = this.#findOrAdd(batch.keys.arena, batch.keys.starts[i]!, batch.keys.lengths[i]!);
      this.#rowOf[i] = row;
      if (batch.flags[i] === ROW.delete) this.#take(this.tombOf, this.putOf, row, first + i);
      else this.#take(this.putOf, this.tombOf, row, first + i);
    }
    for (const [id, source] of batch.columns) this.#applyColumn(id, source, batch, first);
  }

  /** The row with that key, or −1. */
  find(key: Uint8Array): number {
    const hash = hashRange(key, 0, key.length);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (this.#hashes[row] === hash && this.#hasKey(row, key, 0, key.length)) return row;
    }
    return -1;
  }

  /** True when columns both have are of the same kind: a schema change in between may have widened one. */
  isOfKindsOf(other: Memtable): boolean {
    for (const [id, { vector }] of this.columns) {
      const theirs = other.columns.get(id);
      if (theirs !== undefined && theirs.vector.kind !== vector.kind) return false;
    }
    return true;
  }

  /** Takes everything another memtable of the same kinds holds. @throws {Fault} `corrupt` as `apply`. */
  absorb(other: Memtable): void {
    const first = this.#writeCount - 1;
    this.#reserveWrites(first + other.#writeCount);
    this.writeMs.set(other.writeMs.subarray(1, other.#writeCount), first + 1);
    this.writeLow.set(other.writeLow.subarray(1, other.#writeCount), first + 1);
    this.#writeCount += other.#writeCount - 1;
    this.#reserveRows(this.rowCount + other.rowCount);
    const rowOf = new Uint32Array(other.rowCount);
    for (let i = 0; i < other.rowCount; i++) {
      const row = this.#findOrAdd(other.keys.arena, other.keys.starts[i]!, other.keys.lengths[i]!);
      rowOf[i] = row;
      if (other.tombOf[i] !== 0) this.#take(this.tombOf, this.putOf, row, first + other.tombOf[i]!);
      if (other.putOf[i] !== 0) this.#take(this.putOf, this.tombOf, row, first + other.putOf[i]!);
    }
    for (const [id, column] of other.columns) {
      const into = this.#column(id, column.vector.kind, column.used);
      column.forEach(rowOf.length, (row, slot) => {
        this.#takeCell(into, rowOf[row]!, column.vector, slot, first + column.writeOf[slot]!);
      });
    }
  }

  /** Negative when write `a` has the smaller stamp. */
  compareWrites(a: number, b: number): number {
    return this.writeMs[a]! - this.writeMs[b]! || this.writeLow[a]! - this.writeLow[b]!;
  }

  #addWrites(batch: RowBatch, stamp: Stamp): number {
    const first = this.#writeCount;
    this.#reserveWrites(first + batch.rowCount);
    const tail = stampLow(0, stamp.site, stamp.writer);
    for (let i = 0; i < batch.rowCount; i++) {
      // As tickAfter does, without an object per row.
      const ticks = stamp.counter + batch.stampOffsets[i]!;
      this.writeMs[first + i] = stamp.ms + Math.floor(ticks / COUNTER_SPAN);
      this.writeLow[first + i] = (ticks % COUNTER_SPAN) * 4_294_967_296 + tail;
    }
    this.#writeCount += batch.rowCount;
    return first;
  }

  /** The newer write wins in `mine`; one stamp cannot be both an upsert and a delete. */
  #take(mine: Uint32Array, other: Uint32Array, row: number, write: number): void {
    if (other[row] !== 0 && this.compareWrites(write, other[row]!) === 0) {
      throw stampClash(`key ${this.keys.bytesAt(row).toString('hex')}`, this.writeMs[write]!, this.writeLow[write]!);
    }
    if (this.compareWrites(write, mine[row]!) > 0) mine[row] = write;
  }

  #applyColumn(id: number, given: ColumnVector, batch: RowBatch, first: number): void {
    let count = 0;
    for (let i = 0; i < batch.rowCount; i++) if (given.presence[i] !== CELL.absent) count++;
    if (count === 0) return;
    const column = this.#column(id, given.kind, count);
    const source = widened(given, column.vector.kind, batch.rowCount, `column ${id}`);
    for (let i = 0; i < batch.rowCount; i++) {
      if (source.presence[i] === CELL.absent || batch.flags[i] === ROW.delete) continue;
      this.#takeCell(column, this.#rowOf[i]!, source, i, first + i);
    }
  }

  #takeCell(column: MemtableColumn, row: number, source: ColumnVector, sourceRow: number, write: number): void {
    const slot = column.slotFor(row);
    const held = column.writeOf[slot]!;
    if (held !== 0) {
      const order = this.compareWrites(write, held);
      if (order < 0) return;
      if (order === 0) {
        if (sameCell(column.vector, slot, source, sourceRow)) return;
        const key = this.keys.bytesAt(row).toString('hex');
        throw stampClash(`key ${key}`, this.writeMs[write]!, this.writeLow[write]!);
      }
    }
    column.writeOf[slot] = write;
    column.vector.copyRow(slot, source, sourceRow);
  }

  /** The column, made when first touched; `count` cells are about to come. */
  #column(id: number, kind: Physical, count: number): MemtableColumn {
    let column = this.columns.get(id);
    if (column === undefined) {
      column = new MemtableColumn(kind);
      this.columns.set(id, column);
    }
    column.expect(count, this.rowCount);
    return column;
  }

  #findOrAdd(bytes: Uint8Array, start: number, length: number): number {
    const hash = hashRange(bytes, start, length);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (this.#hashes[row] === hash && this.#hasKey(row, bytes, start, length)) return row;
    }
    const row = this.rowCount++;
    this.keys.setBytes(row, bytes, start, length);
    this.#hashes[row] = hash;
    this.#slots[slot] = row + 1;
    return row;
  }

  #hasKey(row: number, bytes: Uint8Array, start: number, length: number): boolean {
    const { arena, starts, lengths } = this.keys;
    return compareRanges(arena, starts[row]!, lengths[row]!, bytes, start, length) === 0;
  }

  #reserveWrites(count: number): void {
    if (count <= this.writeMs.length) return;
    const room = Math.max(count, this.writeMs.length * 2);
    this.writeMs = copied(this.writeMs, new Float64Array(room));
    this.writeLow = copied(this.writeLow, new Float64Array(room));
  }

  #reserveRows(count: number): void {
    if (count <= this.putOf.length) return;
    let room = this.putOf.length;
    while (room < count) room *= 2;
    this.putOf = copied(this.putOf, new Uint32Array(room));
    this.tombOf = copied(this.tombOf, new Uint32Array(room));
    this.#hashes = copied(this.#hashes, new Uint32Array(room));
    this.#slots = new Int32Array(room * SLOTS_PER_ROW);
    const mask = this.#slots.length - 1;
    for (let row = 0; row < this.rowCount; row++) {
      let slot = this.#hashes[row]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
  }
}

function copied<T extends Uint32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
