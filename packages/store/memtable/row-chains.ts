/**
 * The cells of a memtable's row in columns that few rows have: chained as they arrive, so that a row is read by the cells
 * it has. Columns that many rows have are in no chain (`dense`).
 */

import { roomFor } from '@tidemark/columnar/column-vector';

const FIRST_ROWS = 256;
const FIRST_CELLS = 256;
/** Cells of a row that are put in order one by one. */
const INSERTED_MAX = 128;

/** What is chained: a column with slots, one of which a row may have. */
export type ChainedColumn = {
  readonly id: number;
  readonly isDense: boolean;
  /** −1 when there is none. */
  slotOf(row: number): number;
};

/** Cells of one row, by column id ascending. Good until the next row is asked for. */
export type ChainedCells<T> = { count: number; readonly columns: T[]; readonly slots: number[] };

/** The chains of one memtable. */
export class RowChains<T extends ChainedColumn> {
  /** Columns that are in no chain any more. */
  readonly dense: T[] = [];
  /** Per row the cell that came last, plus 1; 0: none. */
  #heads = new Uint32Array(FIRST_ROWS);
  /** Per cell the one before it in its row, plus 1; its column's place in `#columns`; its slot there. */
  #before = new Uint32Array(FIRST_CELLS);
  #columnOf = new Uint32Array(FIRST_CELLS);
  #slotOf = new Uint32Array(FIRST_CELLS);
  #count = 0;
  readonly #columns: T[] = [];
  readonly #cells: ChainedCells<T> = { count: 0, columns: [], slots: [] };

  /** Bytes of memory it uses. */
  get memoryBytes(): number {
    return this.#count * 12 + this.#heads.byteLength;
  }

  /** Takes in a column; its place is what `add` knows it by. */
  enter(column: T): number {
    return this.#columns.push(column) - 1;
  }

  /** A row has a cell that it did not have before. */
  add(row: number, place: number, slot: number): void {
    const cell = this.#count++;
    if (cell >= this.#before.length) this.#growCells(cell + 1);
    if (row >= this.#heads.length) this.#heads = grown(this.#heads, row + 1);
    this.#columnOf[cell] = place;
    this.#slotOf[cell] = slot;
    this.#before[cell] = this.#heads[row]!;
    this.#heads[row] = cell + 1;
  }

  /** All cells of a row, those in dense columns too. */
  of(row: number): ChainedCells<T> {
    const cells = this.#cells;
    cells.count = 0;
    for (let at = row < this.#heads.length ? this.#heads[row]! : 0; at !== 0; at = this.#before[at - 1]!) {
      const column = this.#columns[this.#columnOf[at - 1]!]!;
      if (!column.isDense) add(cells, column, this.#slotOf[at - 1]!);
    }
    // The last came first.
    reverse(cells.columns, cells.count);
    reverse(cells.slots, cells.count);
    for (let i = 0; i < this.dense.length; i++) {
      const slot = this.dense[i]!.slotOf(row);
      if (slot !== -1) add(cells, this.dense[i]!, slot);
    }
    sort(cells);
    return cells;
  }

  #growCells(cells: number): void {
    this.#before = grown(this.#before, cells);
    this.#columnOf = grown(this.#columnOf, cells);
    this.#slotOf = grown(this.#slotOf, cells);
  }
}

function add<T>(cells: ChainedCells<T>, column: T, slot: number): void {
  cells.columns[cells.count] = column;
  cells.slots[cells.count++] = slot;
}

function reverse(items: unknown[], count: number): void {
  for (let i = 0, j = count - 1; i < j; i++, j--) [items[i], items[j]] = [items[j], items[i]];
}

/** By insertion: they are mostly in order, as records have their columns. Very many may not be. */
function sort(cells: ChainedCells<ChainedColumn>): void {
  const { columns, slots, count } = cells;
  if (count > INSERTED_MAX) {
    const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => columns[a]!.id - columns[b]!.id);
    const sorted = order.map((i) => [columns[i]!, slots[i]!] as const);
    for (const [i, [column, slot]] of sorted.entries()) [columns[i], slots[i]] = [column, slot];
    return;
  }
  for (let i = 1; i < count; i++) {
    const column = columns[i]!;
    const slot = slots[i]!;
    let at = i;
    for (; at > 0 && columns[at - 1]!.id > column.id; at--) {
      columns[at] = columns[at - 1]!;
      slots[at] = slots[at - 1]!;
    }
    columns[at] = column;
    slots[at] = slot;
  }
}

function grown(old: Uint32Array, count: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(roomFor(count, old.length));
  larger.set(old);
  return larger;
}
