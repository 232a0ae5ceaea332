/** Rows of values into bytes by column, as `columnar.ts` takes them. */

import { type ColumnType, formatColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import { own } from '@tidemark/model/own';
import { encodeColumn } from './column-codec.ts';
import { ColumnVector } from './column-vector.ts';
import { DELETE } from './columnar.ts';
import { setValue } from './value-at.ts';

const BOOLEAN: ColumnType = { name: 'boolean' };

/** A column to send. */
type ColumnarColumn = { readonly name: string; readonly type: ColumnType; readonly vector: ColumnVector };

/** Rows 0 … rowCount − 1 of some vectors as bytes to send. */
function encodeColumnar(columns: readonly ColumnarColumn[], rowCount: number): Buffer {
  const parts = columns.map(({ vector }) => {
    vector.reserveRows(rowCount);
    return encodeColumn(vector, null, 0, rowCount);
  });
  const entries = columns.map(({ name, type }, i) => ({ name, type: formatColumnType(type), bytes: parts[i]!.length }));
  const header = Buffer.from(JSON.stringify({ rowCount, columns: entries }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...parts]);
}

/** A row to send: undefined or missing = untouched, null = cell deleted, `$delete` = row deleted. */
export type ValueRow = { readonly [column: string]: Value | null | undefined };

/** Rows of values as bytes to send. Columns that no row touches are left out. */
export function encodeColumnarRows(types: ReadonlyMap<string, ColumnType>, rows: readonly ValueRow[]): Buffer {
  const columns: ColumnarColumn[] = [];
  for (const [name, type] of [...types, [DELETE, BOOLEAN] as const]) {
    const vector = new ColumnVector(physicalOf(type));
    let touched = false;
    rows.forEach((row, i) => {
      const value = own(row, name);
      if (value === undefined) return;
      touched = true;
      if (value === null) vector.setDeleted(i);
      else setValue(vector, i, value);
    });
    if (touched) columns.push({ name, type, vector });
  }
  return encodeColumnar(columns, rows.length);
}
