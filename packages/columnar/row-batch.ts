/**
 * Many mutations of one table, by column: what a request becomes, what a record carries and what a memtable takes.
 * A batch is made once and reused for ever; filling it makes no object per row.
 */

import { physicalOf } from '@tidemark/model/column-type';
import { columnsById, type Table } from '@tidemark/model/table';
import { CELL, ColumnVector } from './column-vector.ts';
import { RareCells } from './rare-cells.ts';
import { RowCells, type SharedWant } from './row-cells.ts';

/** What a row of a batch does. */
export const ROW = {
  /** Puts and deletes cells. */
  upsert: 0,
  /** Deletes the whole row: every cell with a smaller stamp is gone. Its cells, if any, are ignored. */
  delete: 1,
} as const;

/** Rows 0 … `rowCount` − 1 with keys, flags and touched columns; arrays may have more room than that. */
export class RowBatch {
  rowCount = 0;
  /** Encoded row keys. */
  readonly keys = new ColumnVector('bytes');
  /** Bytes of the partition key at the start of each key; only known while a request is taken in. */
  partitionKeyLengths = new Uint32Array(64);
  /** Per row one of ROW. */
  flags = new Uint8Array(64);
  /** Row i has the stamp `stampOffsets[i]` ticks after the batch's own. */
  stampOffsets = new Uint32Array(64);
  /** By column id: the columns this batch touches. Key columns are not among them: the key has them. */
  readonly columns = new Map<number, ColumnVector>();
  /** Cells of other columns, row by row, with the kinds of those that are known: as a record had them. Null: none. */
  few: { readonly cells: RowCells; readonly kinds: SharedWant } | null = null;
  #rare: RareCells | null = null;
  readonly #fewCells = new RowCells();
  #spare = new Map<number, ColumnVector>();

  /** Empties it for the next use. */
  clear(): void {
    for (const [id, vector] of this.columns) {
      vector.clear(this.rowCount);
      this.#spare.set(id, vector);
    }
    this.columns.clear();
    this.few = null;
    this.#rare = null;
    this.keys.clear(this.rowCount);
    this.rowCount = 0;
  }

  /** Starts a row and returns its index. The caller sets its key in `keys`; columns it does not set are absent. */
  addRow(flag: number): number {
    const row = this.rowCount++;
    if (row >= this.flags.length) this.#growTo(row + 1);
    this.flags[row] = flag;
    this.stampOffsets[row] = row;
    return row;
  }

  /** Starts `count` rows that all do the same; returns the index of the first. */
  addRows(count: number, flag: number): number {
    const first = this.rowCount;
    this.rowCount += count;
    if (this.rowCount > this.flags.length) this.#growTo(this.rowCount);
    this.flags.fill(flag, first, this.rowCount);
    for (let row = first; row < this.rowCount; row++) this.stampOffsets[row] = row;
    return first;
  }

  #growTo(rows: number): void {
    const room = Math.max(rows, this.flags.length * 2);
    this.flags = grown(this.flags, new Uint8Array(room));
    this.stampOffsets = grown(this.stampOffsets, new Uint32Array(room));
    this.partitionKeyLengths = grown(this.partitionKeyLengths, new Uint32Array(room));
  }

  /** Takes the last row back, with everything set in it; one that `addRow` began, not one that was decoded. */
  dropLastRow(): void {
    const row = --this.rowCount;
    this.keys.dropLastRow(row);
    for (const vector of this.columns.values()) vector.dropLastRow(row);
  }

  /** Takes back all rows from `rowCount` on, however they came in; what they took of the arenas is free after `clear`. */
  truncate(rowCount: number): void {
    this.#rare = null;
    for (const vector of [this.keys, ...this.columns.values()]) vector.presence.fill(CELL.absent, rowCount);
    this.rowCount = rowCount;
  }

  /** The vector of a column, made when the batch first touches it; rows before are absent. */
  column(table: Table, id: number): ColumnVector {
    const existing = this.columns.get(id);
    if (existing !== undefined) return existing;
    const column = columnsById(table).get(id);
    if (column === undefined) throw new Error(`table ${table.name} has no column ${id}`);
    const kind = physicalOf(column.type);
    const spare = this.#spare.get(id);
    const vector = spare !== undefined && spare.kind === kind ? spare : new ColumnVector(kind);
    vector.reserveRows(this.rowCount);
    vector.clear(vector.presence.length);
    this.columns.set(id, vector);
    return vector;
  }

  /** Its columns, told apart by how many rows have them: once it is sealed, and until it is emptied. */
  get rare(): RareCells {
    this.#rare ??= new RareCells(this.columns, this.rowCount);
    return this.#rare;
  }

  /** Emptied cells, to be set row by row. */
  beginFew(kinds: SharedWant): RowCells {
    this.#fewCells.clear();
    this.few = { cells: this.#fewCells, kinds };
    return this.#fewCells;
  }

  /** After the last row: gives every vector room for every row, so that readers need not ask. */
  seal(): void {
    this.#rare = null;
    for (const vector of this.columns.values()) vector.reserveRows(this.rowCount);
  }
}

function grown<T extends Uint8Array | Uint32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
