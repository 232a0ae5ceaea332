/** Which of a batch's columns few of its rows have, and the cells of these row by row: worked out once for all its records. */

import { CELL, type ColumnVector } from './column-vector.ts';

/** A column is rare while fewer than one of so many rows has a cell. */
const RARE_SHARE = 8;

/** A column of a batch. */
export type BatchColumn = { readonly id: number; readonly vector: ColumnVector };

/** The columns of a batch, told apart. Good while the batch stays as it is. */
export class RareCells {
  /** In the order of the batch, those that many rows have. */
  readonly others: readonly BatchColumn[];
  /** By id ascending. */
  readonly columns: readonly BatchColumn[];
  /** Where the cells of each row begin, and behind the last row where they end. */
  readonly starts: Uint32Array;
  /** Of each cell the place of its column among `columns`; ascending within a row. */
  readonly places: Uint32Array;

  constructor(columns: ReadonlyMap<number, ColumnVector>, rowCount: number) {
    const others: BatchColumn[] = [];
    const rare: (BatchColumn & { readonly rows: Uint32Array })[] = [];
    for (const [id, vector] of columns) {
      const rows = rowsOf(vector, rowCount, Math.ceil(rowCount / RARE_SHARE));
      if (rows === null) others.push({ id, vector });
      else if (rows.length > 0) rare.push({ id, vector, rows });
    }
    rare.sort((a, b) => a.id - b.id);
    this.others = others;
    this.columns = rare;
    this.starts = new Uint32Array(rowCount + 1);
    let count = 0;
    for (const { rows } of rare) {
      count += rows.length;
      for (let i = 0; i < rows.length; i++) this.starts[rows[i]! + 1]!++;
    }
    for (let row = 0; row < rowCount; row++) this.starts[row + 1]! += this.starts[row]!;
    this.places = new Uint32Array(count);
    const next = this.starts.slice();
    for (const [place, { rows }] of rare.entries()) {
      for (let i = 0; i < rows.length; i++) this.places[next[rows[i]!]!++] = place;
    }
  }
}

let scratch = new Uint32Array(64);

/** Rows that have a cell; null when so many have, or more. Four rows are looked at together. */
function rowsOf({ presence }: ColumnVector, batchRows: number, most: number): Uint32Array | null {
  const rowCount = Math.min(batchRows, presence.length);
  if (most > scratch.length) scratch = new Uint32Array(most * 2);
  const fours = new Int32Array(presence.buffer, presence.byteOffset, rowCount >> 2);
  let count = 0;
  for (let four = 0; four < fours.length; four++) {
    if (fours[four] === 0) continue;
    for (let row = four * 4; row < four * 4 + 4; row++) {
      if (presence[row] === CELL.absent) continue;
      if (count + 1 >= most) return null;
      scratch[count++] = row;
    }
  }
  for (let row = fours.length * 4; row < rowCount; row++) {
    if (presence[row] === CELL.absent) continue;
    if (count + 1 >= most) return null;
    scratch[count++] = row;
  }
  return scratch.slice(0, count);
}
