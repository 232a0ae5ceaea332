/**
 * What was applied and is not in a segment yet: an open-addressing hash over typed arrays, one vector per column, no
 * object per row. Each row write gets a number; a cell notes the number of the write that won it (4 bytes) and the
 * write's stamp is told by its record (see `write-log.ts`). Frozen, it is sorted once and read like a segment (see `memtable-source.ts`).
 */

import type { Physical } from '@tidemark/schema/column-type';
import { CELL, ColumnVector, roomFor } from '@tidemark/schema/column-vector';
import { ROW, type RowBatch } from '@tidemark/schema/row-batch';
import type { Stamp } from '@tidemark/schema/stamp';
import type { Fault } from '@tidemark/world/fault';
import { compareRanges, hashRange } from './bytes.ts';
import { MemtableColumn } from './memtable-column.ts';
import { sameCell, stampClash, widened } from './rows.ts';
import { WriteLog } from './write-log.ts';

const FIRST_ROWS = 256;
/** So full the hash is at most. */
const FULL_MAX = 0.7;

export class Memtable {
  rowCount = 0;
  readonly keys = new ColumnVector('bytes');
  readonly writes = new WriteLog();
  readonly columns = new Map<number, MemtableColumn>();
  /** Per row the number of its newest upsert; 0: none. */
  #putOf = new Uint32Array(FIRST_ROWS);
  /** The same of its newest row delete; null while no row has one. */
  #tombOf: Uint32Array | null = null;
  #hashes = new Uint32Array(FIRST_ROWS);
  /** Row + 1, or 0 where free. */
  #slots = new Int32Array(FIRST_ROWS * 2);
  /** Rows of the batch being applied. */
  #rowOf = new Uint32Array(FIRST_ROWS);

  /** Bytes of memory it holds. */
  get memoryBytes(): number {
    const rowBytes = this.#putOf.byteLength + (this.#tombOf?.byteLength ?? 0) + this.#hashes.byteLength;
    let bytes = this.keys.memoryBytes + rowBytes + this.#slots.byteLength + this.writes.memoryBytes;
    for (const column of this.columns.values()) bytes += column.memoryBytes;
    return bytes;
  }

  /**
   * Takes a batch whose stamp is `stamp`. Larger stamps win cell by cell; the same write again changes nothing.
   * @throws {Fault} `corrupt`: two different writes with one stamp.
   */
  apply(batch: RowBatch, stamp: Stamp): void {
    const first = this.writes.add(batch, stamp);
    this.#reserveRows(this.rowCount + batch.rowCount);
    if (this.#rowOf.length < batch.rowCount) this.#rowOf = new Uint32Array(batch.rowCount * 2);
    for (let i = 0; i < batch.rowCount; i++) {
      const row = this.#findOrAdd(batch.keys.arena, batch.keys.starts[i]!, batch.keys.lengths[i]!);
      this.#rowOf[i] = row;
      if (batch.flags[i] === ROW.delete) this.#takeDelete(row, first + i);
      else this.#takePut(row, first + i);
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
    const first = this.writes.append(other.writes);
    this.#reserveRows(this.rowCount + other.rowCount);
    const rowOf = new Uint32Array(other.rowCount);
    for (let i = 0; i < other.rowCount; i++) {
      const row = this.#findOrAdd(other.keys.arena, other.keys.starts[i]!, other.keys.lengths[i]!);
      rowOf[i] = row;
      if (other.tombOf(i) !== 0) this.#takeDelete(row, first + other.tombOf(i));
      if (other.putOf(i) !== 0) this.#takePut(row, first + other.putOf(i));
    }
    for (const [id, column] of other.columns) {
      const into = this.#column(id, column.vector.kind, column.used);
      column.forEach(rowOf.length, (row, slot) => {
        this.#takeCell(into, rowOf[row]!, column.vector, slot, first + column.writeOf[slot]!);
      });
    }
  }

  /** The number of a row's newest upsert, or of its newest row delete; 0: none. */
  putOf(row: number): number {
    return this.#putOf[row]!;
  }

  tombOf(row: number): number {
    return this.#tombOf === null ? 0 : this.#tombOf[row]!;
  }

  #takePut(row: number, write: number): void {
    this.#checkApart(row, write, this.tombOf(row));
    const held = this.#putOf[row]!;
    if (held === 0 || this.writes.compare(write, held) > 0) this.#putOf[row] = write;
  }

  #takeDelete(row: number, write: number): void {
    this.#checkApart(row, write, this.#putOf[row]!);
    this.#tombOf ??= new Uint32Array(this.#putOf.length);
    if (this.writes.compare(write, this.#tombOf[row]!) > 0) this.#tombOf[row] = write;
  }

  /** One stamp cannot be both an upsert and a delete. */
  #checkApart(row: number, write: number, other: number): void {
    if (other !== 0 && this.writes.compare(write, other) === 0) throw this.#clash(row, write);
  }

  #clash(row: number, write: number): Fault {
    const key = this.keys.bytesAt(row).toString('hex');
    return stampClash(`key ${key}`, this.writes.msAt(write), this.writes.lowAt(write));
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
      const order = this.writes.compare(write, held);
      if (order < 0) return;
      if (order === 0) {
        if (sameCell(column.vector, slot, source, sourceRow)) return;
        throw this.#clash(row, write);
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

  #reserveRows(count: number): void {
    if (count <= this.#putOf.length) return;
    const room = roomFor(count, this.#putOf.length);
    this.#putOf = copied(this.#putOf, room);
    if (this.#tombOf !== null) this.#tombOf = copied(this.#tombOf, room);
    this.#hashes = copied(this.#hashes, room);
    const slots = 2 ** Math.ceil(Math.log2(room / FULL_MAX));
    if (slots === this.#slots.length) return;
    this.#slots = new Int32Array(slots);
    const mask = slots - 1;
    for (let row = 0; row < this.rowCount; row++) {
      let slot = this.#hashes[row]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
  }
}

function copied(old: Uint32Array, room: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(room);
  larger.set(old);
  return larger;
}
