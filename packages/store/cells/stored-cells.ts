/** The cells of a block of `cells.col`, or of one unit of it: of many columns, row by row. */

import { copyCellBytes, rawOfCellBytes, setFromCellBytes, valueOfCellBytes } from '@tidemark/columnar/cell-bytes';
import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import { orderByColumn, RowCells, type SharedWant } from '@tidemark/columnar/row-cells';
import type { Physical, Value } from '@tidemark/model/column-type';
import type { Column } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { decodeBlock } from '../encoding/block-decoder.ts';
import {
  type BytesChunk,
  type Chunk,
  chunkOfVector,
  entryOf,
  memoryOf,
  type NumberChunk,
  numberAt,
  stateOf,
} from '../encoding/chunk.ts';
import { joinChunks } from '../encoding/join-chunks.ts';
import { Stamps } from '../encoding/stamp-codec.ts';
import type { Rows } from '../row/rows.ts';
import { type Part, stampUnits, type UnitBytes } from '../segment/stored-block.ts';

/** Stamps decoded take about so many times their bytes. */
const STAMPS_GROWTH = 4;
/** Objects of a block or unit that is held. */
const HELD_BYTES = 512;
/** Of a cell the number of its column, and its place among those of its column. */
const CELL_BYTES = 8;

/** Where the cells of one column are among `order`. */
type ByColumn = { readonly order: Uint32Array; readonly places: ReadonlyMap<number, readonly [number, number]> };

/** Cells of rows that follow one another. Sections of a unit: cells of each row, their columns, their values, stamps. */
export class StoredCells implements Part {
  readonly firstRow: number;
  readonly rowCount: number;
  readonly memoryBytes: number;
  /** Where the cells of each row begin, and behind the last row where they end. */
  readonly starts: Uint32Array;
  /** Of each cell the id of its column; ascending within a row. */
  readonly columns: Uint32Array;
  readonly #values: BytesChunk;
  readonly #stamps: Stamps | null;
  #byColumn: ByColumn | null = null;

  /** @throws {Fault} `corrupt`: these are not the sections of cells */
  constructor(bytes: UnitBytes) {
    this.firstRow = bytes.firstRow;
    this.rowCount = bytes.units.reduce((sum, { rowCount }) => sum + rowCount, 0);
    this.starts = new Uint32Array(this.rowCount + 1);
    const units = bytes.units.filter(({ sections }) => sections.length > 0);
    const counts: number[] = [];
    let row = 0;
    for (const { sections, rowCount } of bytes.units) {
      const first = this.starts[row]!;
      if (sections.length > 0) countCells(numbersOf(sections[0]!, rowCount), this.starts, row);
      else this.starts.fill(first, row, row + rowCount + 1);
      row += rowCount;
      if (sections.length > 0) counts.push(this.starts[row]! - first);
    }
    const count = this.starts[this.rowCount]!;
    this.columns = new Uint32Array(count);
    let at = 0;
    for (const [i, { sections }] of units.entries()) {
      const ids = numbersOf(sections[1], counts[i]!);
      for (let cell = 0; cell < counts[i]!; cell++) this.columns[at++] = numberAt(ids, cell);
    }
    const values = units.map(({ sections }, i) => decodeBlock(sections[2] ?? lacking(), counts[i]!, 'bytes'));
    this.#values = (values.length === 0 ? chunkOfVector(NO_VALUES, 0) : joinChunks(values, 'bytes')) as BytesChunk;
    const ofCells = units.map(({ sections }, i) => ({ sections, rowCount: counts[i]! }));
    const stamps = stampUnits({ firstRow: 0, units: ofCells, dictionary: null }, 3);
    this.#stamps = stamps === null ? null : new Stamps(stamps);
    const stampBytes = (stamps ?? []).flatMap(({ sections }) => sections).reduce((sum, { length }) => sum + length, 0);
    const own = this.starts.byteLength + count * CELL_BYTES + stampBytes * STAMPS_GROWTH;
    this.memoryBytes = HELD_BYTES + memoryOf(this.#values) + own;
  }

  /** One of CELL, never absent. */
  stateOf(cell: number): number {
    return stateOf(this.#values, cell);
  }

  /** A cell's value; null where it is deleted. @throws {Fault} `corrupt`: no value of the column */
  valueOf(cell: number, { type }: Column): Value | null {
    const values = this.#values;
    if (stateOf(values, cell) !== CELL.value) return null;
    const entry = entryOf(values, cell);
    return valueOfCellBytes(type, values.arena, values.starts[entry]!, values.lengths[entry]!);
  }

  /** Stamps of the cells that have another than their row's put, by their numbers; null when none has. */
  get stamps(): Stamps | null {
    return this.#stamps;
  }

  /** The cell of a column in a row of the block; −1 when there is none. */
  find(row: number, column: number): number {
    let low = this.starts[row - this.firstRow]!;
    const end = this.starts[row - this.firstRow + 1]!;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns[middle]! < column) low = middle + 1;
      else high = middle;
    }
    return low < end && this.columns[low] === column ? low : -1;
  }

  /** One column of the rows, as its kind is held; null when no row has a cell of it. */
  column(id: number, kind: Physical): ColumnVector | null {
    const cells = this.#cellsOf(id);
    if (cells.length === 0) return null;
    const vector = new ColumnVector(kind);
    vector.reserveRows(this.rowCount);
    const { starts } = this;
    let row = 0;
    for (let i = 0; i < cells.length; i++) {
      while (starts[row + 1]! <= cells[i]!) row++;
      this.#set(vector, row, cells[i]!);
    }
    return vector;
  }

  /** The same as a chunk. */
  chunk(id: number, kind: Physical): Chunk | null {
    const vector = this.column(id, kind);
    return vector === null ? null : chunkOfVector(vector, this.rowCount);
  }

  /** Sets stamps of one column's cells, by row, where they are not their row's. False when none is set. */
  fillStamps(id: number, ms: Float64Array, low: Float64Array): boolean {
    const stamps = this.#stamps;
    if (stamps === null) return false;
    let row = 0;
    let isAny = false;
    for (const cell of this.#cellsOf(id)) {
      while (this.starts[row + 1]! <= cell) row++;
      if (!stamps.has(cell)) continue;
      ms[row] = stamps.msAt(cell);
      low[row] = stamps.lowAt(cell);
      isAny = true;
    }
    return isAny;
  }

  /** All cells of wanted columns, row by row. @param rows theirs, with the stamps of their puts */
  rowCells(want: SharedWant, rows: Rows): RowCells {
    const into = new RowCells();
    for (let row = 0; row < this.rowCount; row++) {
      this.takeRow(row, want, into, rows.putMs[row]!, rows.putLow[row]!);
      into.endRow();
    }
    return into;
  }

  /** Adds the wanted cells of a row, by its number in these, to the row being made. */
  takeRow(row: number, want: SharedWant, into: RowCells, putMs: number, putLow: number): void {
    const values = this.#values;
    const stamps = this.#stamps;
    const end = this.starts[row + 1]!;
    for (let cell = this.starts[row]!; cell < end; cell++) {
      const kind = want.get(this.columns[cell]!);
      if (kind === undefined) continue;
      const isOwn = stamps?.has(cell) === true;
      const at = into.add(this.columns[cell]!, isOwn ? stamps.msAt(cell) : putMs, isOwn ? stamps.lowAt(cell) : putLow);
      if (stateOf(values, cell) !== CELL.value) {
        into.values.setDeleted(at);
        continue;
      }
      const entry = entryOf(values, cell);
      copyCellBytes(into.values, at, values.arena, values.starts[entry]!, values.lengths[entry]!, kind);
    }
  }

  /** The value of a cell as vectors of a kind hold it; bytes without copying. */
  rawOf(cell: number, kind: Physical): ReturnType<typeof rawOfCellBytes> {
    const values = this.#values;
    const entry = entryOf(values, cell);
    return rawOfCellBytes(kind, values.arena, values.starts[entry]!, values.lengths[entry]!);
  }

  #set(vector: ColumnVector, row: number, cell: number): void {
    const values = this.#values;
    if (stateOf(values, cell) !== CELL.value) {
      vector.setDeleted(row);
      return;
    }
    const entry = entryOf(values, cell);
    setFromCellBytes(vector, row, values.arena, values.starts[entry]!, values.lengths[entry]!);
  }

  /** The cells of a column, in the order of the rows. Once somebody asks, those of all columns are put in order. */
  #cellsOf(id: number): Uint32Array {
    this.#byColumn ??= this.#order();
    const place = this.#byColumn.places.get(id);
    return place === undefined ? NONE : this.#byColumn.order.subarray(place[0], place[1]);
  }

  #order(): ByColumn {
    const order = orderByColumn(this.columns, 0, this.columns.length);
    const places = new Map<number, readonly [number, number]>();
    for (let from = 0; from < order.length; ) {
      const id = this.columns[order[from]!]!;
      let to = from + 1;
      while (to < order.length && this.columns[order[to]!] === id) to++;
      places.set(id, [from, to]);
      from = to;
    }
    return { order, places };
  }
}

const NONE = new Uint32Array(0);
const NO_VALUES = new ColumnVector('bytes');

function countCells(counts: NumberChunk, starts: Uint32Array, first: number): void {
  for (let row = 0; row < counts.rowCount; row++) {
    starts[first + row + 1] = starts[first + row]! + numberAt(counts, row);
  }
}

/** @throws {Fault} `corrupt`: there is no such section, or it is not of numbers */
function numbersOf(section: Buffer | undefined, count: number): NumberChunk {
  const chunk = decodeBlock(section ?? lacking(), count, 'i32');
  if (chunk.form === 'numbers') return chunk;
  throw new Fault('corrupt', `cells whose columns are of kind ${chunk.kind}`, { got: chunk.kind });
}

function lacking(): never {
  throw new Fault('corrupt', 'a unit of cells without their columns and values', { got: 0, expected: 3 });
}
