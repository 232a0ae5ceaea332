/**
 * What was applied and is not in a segment yet: a hash of keys over typed arrays, one vector per column, no object per
 * row. Each row write gets a number; a cell notes the number of the write that won it (4 bytes), and not even that while
 * it is of its row's newest upsert; the write's stamp is told by its record (see `write-log.ts`). Frozen, it is sorted
 * once and read like a segment (see `memtable-source.ts`).
 */

import { setFromCellBytes } from '@tidemark/columnar/cell-bytes';
import { CELL, ColumnVector, type Room, roomFor } from '@tidemark/columnar/column-vector';
import { ROW, type RowBatch } from '@tidemark/columnar/row-batch';
import type { Physical } from '@tidemark/model/column-type';
import type { Stamp } from '@tidemark/model/stamp';
import type { Fault } from '@tidemark/platform/fault';
import { KeyIndex } from '../key/key-index.ts';
import { sameCell, stampClash, widened } from '../row/rows.ts';
import { bufferPool } from './buffer-pool.ts';
import { MemtableColumn } from './memtable-column.ts';
import { type ChainedCells, RowChains } from './row-chains.ts';
import { SortedRuns } from './sorted-runs.ts';
import { WriteLog } from './write-log.ts';

const FIRST_ROWS = 256;
/** A memtable of so many rows is likely to be filled to its limit, so it makes room for that at once. */
const MANY_ROWS = 65_536;
/** Room made at once, in rows: what is not used of the hash of keys is memory all the same. */
const EXPECTED_ROWS_MAX = 16 * MANY_ROWS;

/** Rows in memory: applying joins cell by cell, the newest stamp wins. Numbers rows in order of arrival. */
export class Memtable {
  readonly writes = new WriteLog();
  readonly columns = new Map<number, MemtableColumn>();
  readonly #chains = new RowChains<MemtableColumn>();
  /** What its columns take, and as of how many writes. */
  #counted = { writes: 0, bytes: 0 };
  readonly #index = new KeyIndex();
  /** Per row the number of its newest upsert; 0: none. */
  #putOf = new Uint32Array(FIRST_ROWS);
  /** The same of its newest row delete; null while no row has one. */
  #tombOf: Uint32Array | null = null;
  /** Rows of the batch being applied. */
  #rowOf = new Uint32Array(FIRST_ROWS);
  readonly #ones = new Map<Physical, ColumnVector>();
  readonly #bytesMax: number;
  /** Set once a reader may hold on to it for longer than it is among a partition's memtables. */
  isLent = false;
  #isExpecting = false;

  /** Its rows in key order, once somebody has asked for them. */
  #runs: SortedRuns | null = null;

  /** `bytesMax`: of about so many bytes of memory it will be flushed. */
  constructor(bytesMax = 0) {
    this.#bytesMax = bytesMax;
  }

  get rowCount(): number {
    return this.#index.count;
  }

  get keys(): ColumnVector {
    return this.#index.keys;
  }

  /** Its rows in key order, whatever is applied meanwhile. */
  get runs(): SortedRuns {
    this.#runs ??= new SortedRuns(this.keys, () => {
      this.isLent = true;
    });
    return this.#runs;
  }

  /** Bytes of memory it uses. Room to grow that was never written to is none of the machine's yet. */
  get memoryBytes(): number {
    const { rowCount } = this;
    const bytes = this.#index.memoryBytes + rowCount * (this.#tombOf === null ? 4 : 8) + this.writes.memoryBytes;
    return bytes + (this.#runs?.memoryBytes ?? 0) + this.#chains.memoryBytes + this.#columnBytes();
  }

  /** Counted anew only once something was written: it is asked behind every record, of every memtable of a site. */
  #columnBytes(): number {
    const { count } = this.writes;
    if (this.#counted.writes === count) return this.#counted.bytes;
    let bytes = 0;
    for (const column of this.columns.values()) bytes += column.memoryBytes(this.rowCount);
    this.#counted = { writes: count, bytes };
    return bytes;
  }

  /**
   * Takes a batch whose stamp is `stamp`. Larger stamps win cell by cell; the same write again changes nothing.
   * @throws {Fault} `corrupt`: two different writes with one stamp.
   */
  apply(batch: RowBatch, stamp: Stamp): void {
    const { rowCount } = batch;
    const { first, isNewest } = this.writes.add(batch, stamp);
    const before = this.rowCount;
    if (this.#rowOf.length < rowCount) this.#rowOf = new Uint32Array(rowCount * 2);
    this.#index.findOrAddAll(batch.keys, rowCount, this.#rowOf);
    this.#reserveRows();
    if (this.rowCount >= MANY_ROWS && !this.#isExpecting) this.#expectMore();
    const isAllNew = this.rowCount - before === rowCount;
    if (isNewest && !hasDelete(batch)) this.#takeNewest(batch, first, isAllNew);
    else this.#takeEach(batch, first);
  }

  /** The row with that key, or −1. */
  find(key: Uint8Array): number {
    return this.#index.find(key);
  }

  /** Its memory is for the next memtable from now on: it is flushed, and nobody else has had it. */
  giveBack(): void {
    bufferPool.give(this.#index.buffers);
    bufferPool.give([this.#putOf.buffer]);
    for (const { vector } of this.columns.values()) bufferPool.give(vector.buffers);
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
    const rowOf = new Uint32Array(other.rowCount);
    this.#index.findOrAddAll(other.keys, other.rowCount, rowOf);
    this.#reserveRows();
    this.#leavePuts();
    for (let i = 0; i < other.rowCount; i++) {
      if (other.tombOf(i) !== 0) this.#takeDelete(rowOf[i]!, first + other.tombOf(i));
      if (other.putOf(i) !== 0) this.#takePut(rowOf[i]!, first + other.putOf(i));
    }
    for (const [id, column] of other.columns) {
      const into = this.#column(id, column.vector.kind, column.used);
      into.leavePuts(this.#putOf);
      column.forEach(rowOf.length, (row, slot) => {
        const write = first + column.writeAt(slot, row, other.#putOf);
        this.#takeCell(into, rowOf[row]!, column.vector, slot, write);
      });
    }
  }

  /** The cells of a row, whatever columns there are. Good until those of another row are asked for. */
  cellsOf(row: number): ChainedCells<MemtableColumn> {
    return this.#chains.of(row);
  }

  /** The number of a row's newest upsert, or of its newest row delete; 0: none. */
  putOf(row: number): number {
    return this.#putOf[row]!;
  }

  tombOf(row: number): number {
    return this.#tombOf === null ? 0 : this.#tombOf[row]!;
  }

  /** The put stamps of some rows, into `ms` and `low`; a row without a put is left out. Nothing is applied after that. */
  putStampsOf(rows: Uint32Array, ms: Float64Array, low: Float64Array): void {
    this.writes.stampsOf(this.#putOf, rows, ms, low);
  }

  /** True when no row has a delete. */
  get hasNoTombs(): boolean {
    return this.#tombOf === null;
  }

  /** The number of the write that won a column's slot, which is of that row. */
  writeAt(column: MemtableColumn, slot: number, row: number): number {
    return column.writeAt(slot, row, this.#putOf);
  }

  /** Upserts that are all newer than what is held: nothing has to be compared. */
  #takeNewest(batch: RowBatch, first: number, isAllNew: boolean): void {
    const { rowCount } = batch;
    const rowOf = this.#rowOf;
    if (!isAllNew) {
      // Rows that get a new upsert keep their cells in the columns it does not touch.
      for (const column of this.#chains.dense) {
        const given = batch.columns.get(column.id);
        if (given === undefined || presentCount(given, rowCount) < rowCount) column.leavePuts(this.#putOf);
      }
    }
    for (const [id, given] of batch.columns) {
      const count = presentCount(given, rowCount);
      if (count === 0) continue;
      const column = this.#column(id, given.kind, count);
      // Of a key that comes twice only the later write may have no cell.
      if (!isAllNew && count < rowCount) column.leavePuts(this.#putOf);
      const source = widened(given, column.vector.kind, rowCount, `column ${id}`);
      column.takeNewest(source, rowOf, rowCount, this.rowCount, first);
    }
    if (batch.few !== null) this.#takeFew(batch.few, batch, first, true, isAllNew);
    const putOf = this.#putOf;
    for (let i = 0; i < rowCount; i++) putOf[rowOf[i]!] = first + i;
  }

  /**
   * Cells that the batch has row by row.
   * @param isNewest none that is held is newer: nothing has to be compared
   * @param isAllNew no key was there before, nor comes twice
   */
  #takeFew(
    { cells, kinds }: NonNullable<RowBatch['few']>,
    batch: RowBatch,
    first: number,
    isNewest: boolean,
    isAllNew: boolean,
  ): void {
    const { presence, arena, starts, lengths } = cells.values;
    for (let i = 0; i < batch.rowCount; i++) {
      if (batch.flags[i] === ROW.delete) continue;
      const row = this.#rowOf[i]!;
      for (let cell = cells.starts[i]!; cell < cells.starts[i + 1]!; cell++) {
        const kind = kinds.get(cells.columns[cell]!);
        if (kind === undefined) continue;
        const column = this.#column(cells.columns[cell]!, kind, 1);
        const isValue = presence[cell] === CELL.value;
        if (!isAllNew) column.leavePuts(this.#putOf);
        if (isNewest) {
          const slot = column.slotFor(row);
          if (!column.isOfPuts) column.setWrite(slot, first + i);
          if (isValue) setFromCellBytes(column.vector, slot, arena, starts[cell]!, lengths[cell]!);
          else column.vector.setDeleted(slot);
          continue;
        }
        const one = this.#oneOf(column.vector.kind);
        if (isValue) setFromCellBytes(one, 0, arena, starts[cell]!, lengths[cell]!);
        else one.setDeleted(0);
        this.#takeCell(column, row, one, 0, first + i);
      }
    }
  }

  /** A vector of one row, for a cell that has to be compared. */
  #oneOf(kind: Physical): ColumnVector {
    let one = this.#ones.get(kind);
    if (one === undefined) {
      one = new ColumnVector(kind);
      this.#ones.set(kind, one);
    }
    one.arenaUsed = 0;
    return one;
  }

  /** Writes of any age: each is held against what it meets. */
  #takeEach(batch: RowBatch, first: number): void {
    this.#leavePuts();
    for (let i = 0; i < batch.rowCount; i++) {
      if (batch.flags[i] === ROW.delete) this.#takeDelete(this.#rowOf[i]!, first + i);
      else this.#takePut(this.#rowOf[i]!, first + i);
    }
    for (const [id, given] of batch.columns) {
      const count = presentCount(given, batch.rowCount);
      if (count === 0) continue;
      const column = this.#column(id, given.kind, count);
      column.leavePuts(this.#putOf);
      const source = widened(given, column.vector.kind, batch.rowCount, `column ${id}`);
      for (let i = 0; i < batch.rowCount; i++) {
        if (source.presence[i] === CELL.absent || batch.flags[i] === ROW.delete) continue;
        this.#takeCell(column, this.#rowOf[i]!, source, i, first + i);
      }
    }
    if (batch.few !== null) this.#takeFew(batch.few, batch, first, false, false);
  }

  #leavePuts(): void {
    for (const column of this.#chains.dense) column.leavePuts(this.#putOf);
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

  #takeCell(column: MemtableColumn, row: number, source: ColumnVector, sourceRow: number, write: number): void {
    const slot = column.slotFor(row);
    const held = this.writeAt(column, slot, row);
    if (held !== 0) {
      const order = this.writes.compare(write, held);
      if (order < 0) return;
      if (order === 0) {
        if (sameCell(column.vector, slot, source, sourceRow)) return;
        throw this.#clash(row, write);
      }
    }
    column.setWrite(slot, write);
    column.vector.copyRow(slot, source, sourceRow);
  }

  /** The column, made when first touched; `count` cells are about to come. */
  #column(id: number, kind: Physical, count: number): MemtableColumn {
    let column = this.columns.get(id);
    if (column === undefined) {
      column = new MemtableColumn(id, kind, this.#chains);
      this.columns.set(id, column);
    }
    column.expect(count, this.rowCount, this.columns.size);
    return column;
  }

  /** Once: growing bit by bit would copy all of it several times over. Room that is not used is never touched. */
  #expectMore(): void {
    this.#isExpecting = true;
    const rows = Math.floor(Math.min(EXPECTED_ROWS_MAX, this.rowCount * (this.#bytesMax / this.memoryBytes)));
    if (rows <= this.rowCount) return;
    const room: Room = (bytes, isZeroed) => bufferPool.take(bytes, isZeroed);
    this.#index.expect(rows, room);
    this.#reserveRows(rows, room);
    for (const column of this.columns.values()) column.expectRows(rows, room);
  }

  #reserveRows(rows = this.rowCount, room: Room = (bytes) => new ArrayBuffer(bytes)): void {
    if (rows <= this.#putOf.length) return;
    const count = roomFor(rows, this.#putOf.length);
    this.#putOf = copied(this.#putOf, new Uint32Array(room(count * 4, true), 0, count));
    if (this.#tombOf !== null) this.#tombOf = copied(this.#tombOf, new Uint32Array(room(count * 4, true), 0, count));
  }
}

function hasDelete({ flags, rowCount }: RowBatch): boolean {
  for (let i = 0; i < rowCount; i++) if (flags[i] === ROW.delete) return true;
  return false;
}

/** Cells among rows 0 … rowCount − 1, deleted ones too. */
function presentCount({ presence }: ColumnVector, rowCount: number): number {
  let count = 0;
  for (let i = 0; i < rowCount; i++) if (presence[i] !== CELL.absent) count++;
  return count;
}

function copied(old: Uint32Array, larger: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  larger.set(old);
  return larger;
}
