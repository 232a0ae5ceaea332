/**
 * The cells of a record's columns that few of its rows have, row by row: three columns one behind the other, each u32
 * length and bytes. How many cells each row has; of each cell the id of its column, ascending within a row; and its value
 * as bytes (`packages/columnar/cell-bytes.ts`), or deleted.
 */

import { setCellBytes } from '@tidemark/columnar/cell-bytes';
import { decodeColumn, encodeColumn } from '@tidemark/columnar/column-codec';
import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { BatchColumn, RareCells } from '@tidemark/columnar/rare-cells';
import type { RowBatch } from '@tidemark/columnar/row-batch';
import type { RowCells } from '@tidemark/columnar/row-cells';
import { Fault } from '@tidemark/platform/fault';

/** Among the record's columns the number of this: no column's id. */
export const FEW_CELLS = 0;
/** Fewer columns are written each by itself: two bits a row tell where a column has cells, a byte how many a row has. */
const COLUMNS_MIN = 16;

/** What a record has of a batch's rare columns: all of it row by row, or each by itself where they are few. */
export type FewColumns = { readonly cells: Buffer | null; readonly alone: readonly BatchColumn[] };

/** Of each rare column the record that it was seen in last: nothing has to be emptied for the next. */
let seenIn = new Uint32Array(64);
let record = 0;
const counts = new ColumnVector('i32');
const ids = new ColumnVector('i32');
const values = new ColumnVector('bytes');

/** The rare columns that rows `rows[from … to)` of a batch have. */
export function fewOf({ rare }: RowBatch, rows: Uint32Array, from: number, to: number): FewColumns {
  const touched = touchedBy(rare, rows, from, to);
  if (touched.length < COLUMNS_MIN) return { cells: null, alone: touched };
  values.arenaUsed = 0;
  let count = 0;
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const [first, end] = [rare.starts[row]!, rare.starts[row + 1]!];
    counts.setNumber(i - from, end - first);
    for (let cell = first; cell < end; cell++, count++) {
      const { id, vector } = rare.columns[rare.places[cell]!]!;
      ids.setNumber(count, id);
      setCellBytes(values, count, vector, row, vector.kind);
    }
  }
  const sections = [
    encodeColumn(counts, null, 0, to - from),
    encodeColumn(ids, null, 0, count),
    encodeColumn(values, null, 0, count),
  ];
  const cells = Buffer.allocUnsafe(sections.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const section of sections) {
    at = cells.writeUInt32LE(section.length, at);
    at += section.copy(cells, at);
  }
  return { cells, alone: [] };
}

/** By their ids ascending. */
function touchedBy(rare: RareCells, rows: Uint32Array, from: number, to: number): BatchColumn[] {
  if (rare.columns.length > seenIn.length) seenIn = new Uint32Array(rare.columns.length * 2);
  record++;
  const touched: number[] = [];
  for (let i = from; i < to; i++) {
    for (let cell = rare.starts[rows[i]!]!; cell < rare.starts[rows[i]! + 1]!; cell++) {
      const place = rare.places[cell]!;
      if (seenIn[place] === record) continue;
      seenIn[place] = record;
      touched.push(place);
    }
  }
  return touched.sort((a, b) => a - b).map((place) => rare.columns[place]!);
}

/** Fills emptied cells from what `fewOf` made. @throws {Fault} `corrupt`: lengths do not add up */
export function decodeFewCells(bytes: Uint8Array, rowCount: number, into: RowCells): void {
  const sections = split(bytes);
  decodeColumn(sections[0]!, rowCount, counts);
  for (let row = 0; row < rowCount; row++) {
    const count = counts.presence[row] === CELL.value ? counts.i32[row]! : -1;
    if (count < 0) throw wrong(`${count} cells in row ${row}`, '0 or more');
    into.addAll(count);
  }
  decodeColumn(sections[1]!, into.count, ids);
  for (let cell = 0; cell < into.count; cell++) {
    if (ids.presence[cell] !== CELL.value) throw wrong('a cell of row-by-row cells without a column', 'an id');
    into.columns[cell] = ids.i32[cell]!;
  }
  decodeColumn(sections[2]!, into.count, into.values);
  const lacking = into.values.presence.subarray(0, into.count).indexOf(CELL.absent);
  if (lacking !== -1) throw wrong(`cell ${lacking} of row-by-row cells absent`, 'a value, or deleted');
}

function split(bytes: Uint8Array): Uint8Array[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const sections: Uint8Array[] = [];
  for (let at = 0; at < all.length; ) {
    const length = at + 4 <= all.length ? all.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > all.length) throw wrong(`a section of ${length} bytes at ${at}`, all.length);
    sections.push(all.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (sections.length !== 3) throw wrong(`${sections.length} sections of row-by-row cells`, 3);
  return sections;
}

function wrong(got: string, expected: string | number): Fault {
  return new Fault('corrupt', `MUTATE record: ${got}, expected ${expected}`, { got, expected });
}
