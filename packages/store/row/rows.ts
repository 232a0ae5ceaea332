/**
 * Some rows in key order, by column, with the stamps that decide between writes: what a source is read into, what a
 * merge produces and what a segment is written from.
 *
 * Per row two stamps: `put`, of its newest upsert, and `tomb`, of its newest row delete. Rows are canonical: cells older
 * than `tomb` are gone, and so is a `put` older than it. A row is live when it has a put.
 */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import { RowCells, type SharedWant } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import { formatStamp, stampFromColumns } from '@tidemark/model/stamp';
import { Fault } from '@tidemark/platform/fault';

/** The `ms` of a stamp that is not there: smaller than every real one. */
export const NO_STAMP = -1;

/** One column's cells. `ms` and `low` are null while every cell has its row's put stamp; else they hold every cell's. */
export type Cells = { readonly vector: ColumnVector; ms: Float64Array | null; low: Float64Array | null };

/** What to read: columns with the kind they are wanted in (narrower stored ones are widened). */
export type Want = {
  readonly columns: ReadonlyMap<number, Physical>;
  /** Columns whose cells are wanted row by row, none of them above; every source has them so (`Source.shared`). */
  readonly shared?: SharedWant;
  readonly keys: boolean;
  /** Put and tomb stamps, and cells' own. Without them rows are neither live nor dead. */
  readonly stamps: boolean;
};

/** Rows 0 … `rowCount` − 1, keys ascending without repeats; its arrays may have more room than that. */
export class Rows {
  rowCount: number;
  keys = new ColumnVector('bytes');
  putMs: Float64Array;
  putLow: Float64Array;
  /** Null while no row has a tombstone. */
  tombMs: Float64Array | null = null;
  tombLow: Float64Array | null = null;
  readonly columns = new Map<number, Cells>();
  /** Cells of other columns, row by row; null: no row has one. */
  shared: RowCells | null = null;
  /** The key's parts as columns, once somebody took the keys apart. */
  keyColumns: ReadonlyMap<number, ColumnVector> | null = null;
  /** Vectors of rows that were here before. */
  readonly #spare = new Map<number, ColumnVector>();

  constructor(rowCount: number, room = rowCount) {
    this.rowCount = rowCount;
    this.putMs = new Float64Array(room).fill(NO_STAMP);
    this.putLow = new Float64Array(room);
  }

  /**
   * These rows' memory for other rows, `rowCount` without stamps, cells or keys; other rows when it has no room for so
   * many. Nobody may hold these any more.
   */
  renewed(rowCount: number): Rows {
    if (rowCount > this.putMs.length) return new Rows(rowCount);
    this.rowCount = rowCount;
    this.putMs.fill(NO_STAMP, 0, rowCount);
    this.putLow.fill(0, 0, rowCount);
    this.tombMs = null;
    this.tombLow = null;
    this.keyColumns = null;
    this.shared = null;
    for (const [id, { vector }] of this.columns) this.#spare.set(id, vector);
    this.columns.clear();
    return this;
  }

  /** A vector whose rows are all still to be set, for a column that is not here yet: that of the rows before, when it is of the kind. */
  vectorFor(id: number, kind: Physical): ColumnVector {
    const vector = this.#spare.get(id);
    this.#spare.delete(id);
    if (vector === undefined || vector.kind !== kind) return new ColumnVector(kind);
    vector.arenaUsed = 0;
    return vector;
  }

  /** The cells of a column, all absent when it is new here. */
  cells(id: number, kind: Physical): Cells {
    const existing = this.columns.get(id);
    if (existing !== undefined) return existing;
    const cells: Cells = { vector: new ColumnVector(kind), ms: null, low: null };
    cells.vector.reserveRows(this.putMs.length);
    this.columns.set(id, cells);
    return cells;
  }

  setTomb(row: number, ms: number, low: number): void {
    this.tombMs ??= new Float64Array(this.putMs.length).fill(NO_STAMP);
    this.tombLow ??= new Float64Array(this.putMs.length);
    this.tombMs[row] = ms;
    this.tombLow[row] = low;
  }

  /** Notes a cell's stamp; costs nothing while it is its row's. The row's put stamp must be set before. */
  setCellStamp(cells: Cells, row: number, ms: number, low: number): void {
    if (cells.ms === null) {
      if (ms === this.putMs[row] && low === this.putLow[row]) return;
      cells.ms = this.putMs.slice();
      cells.low = this.putLow.slice();
    }
    cells.ms[row] = ms;
    cells.low![row] = low;
  }

  isLive(row: number): boolean {
    return this.putMs[row]! >= 0;
  }

  /** Adds rows `from … to` of another after its own; they must come later in key order and fit the room. */
  append(source: Rows, from: number, to: number): void {
    const first = this.rowCount;
    this.rowCount += to - from;
    this.putMs.set(source.putMs.subarray(from, to), first);
    this.putLow.set(source.putLow.subarray(from, to), first);
    for (let i = from; i < to; i++) {
      this.keys.copyRow(first + i - from, source.keys, i);
      const tombMs = source.tombMs === null ? NO_STAMP : source.tombMs[i]!;
      if (tombMs !== NO_STAMP) this.setTomb(first + i - from, tombMs, source.tombLow![i]!);
    }
    for (const [id, cells] of source.columns) this.#appendCells(id, cells, source, from, to, first);
    if (source.shared !== null) {
      this.shared ??= new RowCells();
      this.shared.fillUp(first);
      for (let row = from; row < to; row++) this.shared.copyRow(source.shared, row);
    } else this.shared?.fillUp(this.rowCount);
  }

  #appendCells(id: number, cells: Cells, source: Rows, from: number, to: number, first: number): void {
    const into = this.cells(id, cells.vector.kind);
    for (let i = from; i < to; i++) {
      if (cells.vector.presence[i] === CELL.absent) continue;
      into.vector.copyRow(first + i - from, cells.vector, i);
      const ms = cells.ms === null ? source.putMs[i]! : cells.ms[i]!;
      const low = cells.low === null ? source.putLow[i]! : cells.low[i]!;
      this.setCellStamp(into, first + i - from, ms, low);
    }
  }
}

/** The vector in a wider kind; itself when it is of that kind. @throws {Fault} `corrupt`: no such widening. */
export function widened(vector: ColumnVector, kind: Physical, rowCount: number, name: string): ColumnVector {
  if (vector.kind === kind) return vector;
  if (vector.kind !== 'i32' || kind !== 'i64') {
    throw new Fault('corrupt', `${name}: stored as ${vector.kind}, wanted as ${kind}`, {
      got: vector.kind,
      expected: kind,
    });
  }
  const wide = new ColumnVector(kind);
  wide.reserveRows(rowCount);
  wide.presence.set(vector.presence.subarray(0, rowCount));
  for (let row = 0; row < rowCount; row++) {
    if (vector.presence[row] === CELL.value) wide.i64[row] = BigInt(vector.i32[row]!);
  }
  return wide;
}

/** True when both rows hold the same state and the same value, bit for bit. Both vectors are of one kind. */
export function sameCell(a: ColumnVector, aRow: number, b: ColumnVector, bRow: number): boolean {
  const state = a.presence[aRow];
  if (state !== b.presence[bRow]) return false;
  if (state !== CELL.value) return true;
  if (a.kind === 'bytes') return a.bytesAt(aRow).equals(b.bytesAt(bRow));
  if (a.kind === 'i64') return a.i64[aRow] === b.i64[bRow];
  return Object.is(a.f64[aRow], b.f64[bRow]);
}

/** The alarm of rule 18: equal stamps must mean equal bytes. */
export function stampClash(what: string, ms: number, low: number): Fault {
  return new Fault('corrupt', `${what}: two different writes have the stamp ${formatStamp(stampFromColumns(ms, low))}`);
}
