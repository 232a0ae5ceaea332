/**
 * What a partition must equal: a plain Map of rows, written as simply as the rules can be said. For tests.
 */

import { setCellRaw } from '@tidemark/columnar/cell-bytes';
import { CELL } from '@tidemark/columnar/column-vector';
import { encodeKey } from '@tidemark/columnar/key';
import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { RowCells } from '@tidemark/columnar/row-cells';
import { physicalOf, type Value } from '@tidemark/model/column-type';
import { compareStamps, type Stamp, tickAfter } from '@tidemark/model/stamp';
import { cellKinds, columnById, type Table } from '@tidemark/model/table';
import { rawOf } from '../row/raw-value.ts';
import type { StoredRow } from '../row/row-value.ts';

/** One row of a write: cells by column id, null deletes; or the whole row's deletion. */
export type ModelMutation = {
  readonly key: readonly Value[];
  readonly cells: ReadonlyMap<number, Value | null> | 'delete';
};

type ModelRow = {
  readonly key: Buffer;
  put: Stamp | null;
  tomb: Stamp | null;
  readonly cells: Map<number, { readonly value: Value | null; readonly stamp: Stamp }>;
};

export class Model {
  readonly rows = new Map<string, ModelRow>();

  apply(table: Table, mutations: readonly ModelMutation[], stamp: Stamp): void {
    mutations.forEach(({ key, cells }, i) => {
      const at: Stamp = { ...stamp, ...tickAfter(stamp.ms, stamp.counter, i) };
      const bytes = encodeKey(table, key);
      const name = bytes.toString('hex');
      const row = this.rows.get(name) ?? { key: bytes, put: null, tomb: null, cells: new Map() };
      this.rows.set(name, row);
      if (cells === 'delete') {
        row.tomb = newest(row.tomb, at);
        return;
      }
      row.put = newest(row.put, at);
      for (const [id, value] of cells) {
        const held = row.cells.get(id);
        if (held === undefined || compareStamps(at, held.stamp) > 0) row.cells.set(id, { value, stamp: at });
      }
    });
  }

  /** Live rows in key order, dropped columns left out. */
  live(table: Table): StoredRow[] {
    const live: StoredRow[] = [];
    for (const name of [...this.rows.keys()].sort()) {
      const { key, put, tomb, cells } = this.rows.get(name)!;
      if (put === null || (tomb !== null && compareStamps(put, tomb) < 0)) continue;
      const shown = [...cells]
        .filter(
          ([id, cell]) => !columnById(table, id).dropped && (tomb === null || compareStamps(cell.stamp, tomb) > 0),
        )
        .sort((a, b) => a[0] - b[0])
        .map(([column, cell]) => ({ column, value: widenedValue(table, column, cell.value), stamp: cell.stamp }));
      live.push({ key: new Uint8Array(key), stamp: put, cells: shown });
    }
    return live;
  }
}

function widenedValue(table: Table, column: number, value: Value | null): Value | null {
  return columnById(table, column).type.name === 'long' && typeof value === 'number' ? BigInt(value) : value;
}

function newest(a: Stamp | null, b: Stamp): Stamp {
  return a === null || compareStamps(b, a) > 0 ? b : a;
}

/** The batch that says the same; cells in dynamic columns row by row in every other one, as some records have them. */
export function batchOf(table: Table, mutations: readonly ModelMutation[]): RowBatch {
  const batch = new RowBatch();
  const few = mutations.length % 2 === 0 ? batch.beginFew(cellKinds(table)) : null;
  for (const { key, cells } of mutations) {
    const row = batch.addRow(cells === 'delete' ? ROW.delete : ROW.upsert);
    batch.keys.setBytes(row, encodeKey(table, key));
    if (cells === 'delete') {
      few?.endRow();
      continue;
    }
    for (const [id, value] of cells) {
      if (few !== null && columnById(table, id).dynamic === true) continue;
      const vector = batch.column(table, id);
      if (value === null) vector.setDeleted(row);
      else if (typeof value === 'string') vector.setString(row, value);
      else if (typeof value === 'bigint') vector.setBigint(row, value);
      else if (typeof value === 'object') vector.setBytes(row, value);
      else if (vector.kind === 'i64') vector.setBigint(row, BigInt(value));
      else vector.setNumber(row, Number(value));
    }
    if (few !== null) addFew(table, cells, few);
  }
  batch.seal();
  for (const vector of batch.columns.values()) {
    for (let row = 0; row < batch.rowCount; row++)
      if (vector.presence[row] === undefined) vector.presence[row] = CELL.absent;
  }
  return batch;
}

/** A row's cells in dynamic columns. */
function addFew(table: Table, cells: ReadonlyMap<number, Value | null>, few: RowCells): void {
  for (const [id, value] of [...cells].sort((a, b) => a[0] - b[0])) {
    const { type, dynamic } = columnById(table, id);
    if (dynamic !== true) continue;
    const cell = few.add(id, 0, 0);
    if (value === null) few.values.setDeleted(cell);
    else setCellRaw(few.values, cell, rawOf(type, value), physicalOf(type));
  }
  few.endRow();
}
