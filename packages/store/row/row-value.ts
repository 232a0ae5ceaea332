/** From what a vector holds to values as users know them, and one stored row put together. */

import { valueOfCellBytes } from '@tidemark/columnar/cell-bytes';
import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { decodeKey } from '@tidemark/columnar/key';
import type { RowCells } from '@tidemark/columnar/row-cells';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import { type Stamp, stampFromColumns } from '@tidemark/model/stamp';
import { type Column, columnById, columnsById, type Table } from '@tidemark/model/table';
import { NO_STAMP, type Rows } from './rows.ts';

/** The newest write of a cell; `value` null: deleted. */
export type StoredCell = { readonly column: number; readonly value: Value | null; readonly stamp: Stamp };

/** A live row: its key, the stamp of its newest upsert, and its cells by column id ascending. */
export type StoredRow = { readonly key: Uint8Array; readonly stamp: Stamp; readonly cells: readonly StoredCell[] };

/** All that is known of a row, live or not; cells by column id ascending, none older than `tombstone`. */
export type RowState = {
  /** Of its newest upsert, unless a delete came after; null: it is not live. */
  readonly put: Stamp | null;
  /** Of its newest row delete; null for none. */
  readonly tombstone: Stamp | null;
  readonly cells: readonly StoredCell[];
};

/** The value at a row that holds one. */
export function valueAt(vector: ColumnVector, row: number, type: ColumnType): Value {
  switch (type.name) {
    case 'boolean':
      return vector.u8[row] === 1;
    case 'int':
    case 'date':
      return vector.i32[row]!;
    case 'double':
    case 'timestamp':
      return vector.f64[row]!;
    case 'long':
    case 'decimal':
      return vector.i64[row]!;
    case 'string':
      return vector.stringAt(row);
    case 'bytes':
      return new Uint8Array(vector.bytesAt(row));
  }
}

/** Row `row` as an object; null when it is not live. */
export function storedRow(table: Table, rows: Rows, row: number): StoredRow | null {
  if (!rows.isLive(row)) return null;
  const stamp = stampFromColumns(rows.putMs[row]!, rows.putLow[row]!);
  return { key: new Uint8Array(rows.keys.bytesAt(row)), stamp, cells: cellsAt(table, rows, row) };
}

/** Values of row `row` in these columns, null where it has none; null when it is not live. */
export function rowValues(table: Table, rows: Rows, row: number, columns: readonly Column[]): (Value | null)[] | null {
  if (!rows.isLive(row)) return null;
  const hasKeyColumn = columns.some(({ id }) => table.key.includes(id));
  const parts = hasKeyColumn ? decodeKey(table, rows.keys.bytesAt(row)) : [];
  return columns.map(({ id, type }) => {
    const place = table.key.indexOf(id);
    if (place !== -1) return parts[place]!;
    const vector = rows.columns.get(id)?.vector;
    if (vector?.presence[row] === CELL.value) return valueAt(vector, row, type);
    const cell = rows.shared?.find(row, id) ?? -1;
    return cell === -1 ? null : sharedValue(rows.shared!, cell, type);
  });
}

/** Row `row` with its stamps. */
export function rowState(table: Table, rows: Rows, row: number): RowState {
  const tombMs = rows.tombMs?.[row] ?? NO_STAMP;
  return {
    put: rows.isLive(row) ? stampFromColumns(rows.putMs[row]!, rows.putLow[row]!) : null,
    tombstone: tombMs === NO_STAMP ? null : stampFromColumns(tombMs, rows.tombLow![row]!),
    cells: cellsAt(table, rows, row),
  };
}

/** Null where it is deleted. */
function sharedValue({ values }: RowCells, cell: number, type: ColumnType): Value | null {
  if (values.presence[cell] !== CELL.value) return null;
  return valueOfCellBytes(type, values.arena, values.starts[cell]!, values.lengths[cell]!);
}

function cellsAt(table: Table, rows: Rows, row: number): StoredCell[] {
  const cells: StoredCell[] = [];
  for (const id of [...rows.columns.keys()].sort((a, b) => a - b)) {
    const { vector, ms, low } = rows.columns.get(id)!;
    const state = vector.presence[row];
    if (state === CELL.absent) continue;
    cells.push({
      column: id,
      value: state === CELL.deleted ? null : valueAt(vector, row, columnById(table, id).type),
      stamp: stampFromColumns((ms ?? rows.putMs)[row]!, (low ?? rows.putLow)[row]!),
    });
  }
  const { shared } = rows;
  if (shared === null) return cells;
  const columns = columnsById(table);
  for (let cell = shared.starts[row]!; cell < shared.starts[row + 1]!; cell++) {
    const id = shared.columns[cell]!;
    const stamp = stampFromColumns(shared.ms[cell]!, shared.low[cell]!);
    cells.push({ column: id, value: sharedValue(shared, cell, columns.get(id)!.type), stamp });
  }
  return cells.sort((a, b) => a.column - b.column);
}
