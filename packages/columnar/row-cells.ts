/**
 * Cells of some rows, row by row, of columns that few rows have: what flushes, merges and digests take of them costs by the
 * cells that there are.
 */

import type { Physical } from '@tidemark/model/column-type';
import { CELL, ColumnVector, roomFor } from './column-vector.ts';

const FIRST_CELLS = 64;

/** Rows 0 … `rowCount` − 1, each with its cells by column id ascending; every cell is a value or deleted. */
export class RowCells {
  rowCount = 0;
  /** Where the cells of each row begin, and behind the last row where they end. */
  starts = new Uint32Array(FIRST_CELLS);
  /** Of each cell the id of its column. */
  columns = new Uint32Array(FIRST_CELLS);
  /** Of each cell its state, and its value as bytes (`cell-bytes.ts`). */
  readonly values = new ColumnVector('bytes');
  /** Of each cell its stamp. */
  ms = new Float64Array(FIRST_CELLS);
  low = new Float64Array(FIRST_CELLS);
  /** How many there are, those of the row that is being made too. */
  count = 0;

  /** Adds a cell to the row being made; the caller sets its state and value. @returns its number */
  add(column: number, ms: number, low: number): number {
    const cell = this.count++;
    if (cell >= this.columns.length) this.#grow(cell + 1);
    this.columns[cell] = column;
    this.ms[cell] = ms;
    this.low[cell] = low;
    return cell;
  }

  /** Forgets all rows; keeps the room. */
  clear(): void {
    this.rowCount = 0;
    this.count = 0;
    this.values.arenaUsed = 0;
  }

  /** Ends the row being made. */
  endRow(): void {
    this.rowCount++;
    if (this.rowCount >= this.starts.length) {
      const larger = new Uint32Array(roomFor(this.rowCount + 1, this.starts.length));
      larger.set(this.starts);
      this.starts = larger;
    }
    this.starts[this.rowCount] = this.count;
  }

  /** Adds a row of so many cells, of which the caller sets columns, states and values; they have no stamps. */
  addAll(cells: number): void {
    this.count += cells;
    if (this.count > this.columns.length) this.#grow(this.count);
    this.endRow();
  }

  /** Adds another's cell, with its stamp. */
  copy(from: RowCells, cell: number): void {
    this.values.copyRow(this.add(from.columns[cell]!, from.ms[cell]!, from.low[cell]!), from.values, cell);
  }

  /** Adds a row that has the cells of a row of another. */
  copyRow(from: RowCells, row: number): void {
    const end = from.starts[row + 1]!;
    for (let cell = from.starts[row]!; cell < end; cell++) this.copy(from, cell);
    this.endRow();
  }

  /** The cell of a column in a row; −1 when there is none. */
  find(row: number, column: number): number {
    const end = this.starts[row + 1]!;
    for (let cell = this.starts[row]!; cell < end; cell++) if (this.columns[cell] === column) return cell;
    return -1;
  }

  /** Adds rows without cells until there are so many rows. */
  fillUp(rowCount: number): void {
    while (this.rowCount < rowCount) this.endRow();
  }

  /** Cells of rows `from … to` in the order of their columns, those of a column in the order of the rows. */
  byColumn(from: number, to: number): Uint32Array {
    return orderByColumn(this.columns, this.starts[from]!, this.starts[to]!);
  }

  #grow(cells: number): void {
    const room = roomFor(cells, this.columns.length);
    const { columns, ms, low } = this;
    this.columns = new Uint32Array(room);
    this.columns.set(columns);
    this.ms = new Float64Array(room);
    this.ms.set(ms);
    this.low = new Float64Array(room);
    this.low.set(low);
  }
}

/** Cells `from … to` by their columns, otherwise in the order in which they stand: counted, as ids are small numbers. */
export function orderByColumn(columns: Uint32Array, from: number, to: number): Uint32Array {
  let max = 0;
  for (let cell = from; cell < to; cell++) if (columns[cell]! > max) max = columns[cell]!;
  const places = new Uint32Array(max + 2);
  for (let cell = from; cell < to; cell++) places[columns[cell]! + 1]!++;
  for (let id = 1; id < places.length; id++) places[id]! += places[id - 1]!;
  const order = new Uint32Array(to - from);
  for (let cell = from; cell < to; cell++) order[places[columns[cell]!]!++] = cell;
  return order;
}

/** Where two cells are the same state and the same bytes. */
export function areSameCells(a: RowCells, aCell: number, b: RowCells, bCell: number): boolean {
  const state = a.values.presence[aCell];
  if (state !== b.values.presence[bCell]) return false;
  return state !== CELL.value || a.values.bytesAt(aCell).equals(b.values.bytesAt(bCell));
}

/** Columns whose cells are wanted row by row, with the kind each is wanted in, or is of. */
export type SharedWant = ReadonlyMap<number, Physical>;
