/** Rows as plain JSON objects (column → value), straight into a batch and back. */

import type { ColumnType } from '@tidemark/model/column-type';
import { columnById, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, type JsonCell, parseText, shown, valueFromJson, wrongType } from '@tidemark/model/text/cell-value';
import { ExactNumber } from '@tidemark/model/text/exact-json';
import { Fault } from '@tidemark/platform/fault';
import { valueOfCellBytes } from './cell-bytes.ts';
import { CELL } from './column-vector.ts';
import { checkKeyLength, decodeKey, encodeKey } from './key.ts';
import { ROW, type RowBatch } from './row-batch.ts';
import { addRow, type RowFormat } from './row-writer.ts';
import { valueAt } from './value-at.ts';

/** A row in JSON; `$delete` is its only field that is no column. */
export type JsonRow = { [column: string]: JsonCell | null };

const JSON_FORMAT: RowFormat = { toValue: valueFromJson, infer: inferFromJson, reserved: ['$delete'] };

/**
 * Adds one row: absent = untouched, `null` = cell deleted, `{"$delete": true, …key}` = row deleted.
 * @throws {Fault} `invalid`: names table, column, got and expected; the batch is as before
 * @throws {NewColumns} the table has to grow by columns first; the batch is as before
 */
export function addJsonRow(table: Table, row: unknown, into: RowBatch): void {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    const got = shown(row);
    throw new Fault('invalid', `table ${table.name}: got ${got}, expected a row: an object of columns`, {
      table: table.name,
      got,
      expected: 'an object of columns',
    });
  }
  const { $delete } = row as { readonly $delete?: unknown };
  if ($delete !== undefined && typeof $delete !== 'boolean') {
    throw wrongType(table.name, '$delete', $delete, 'true or false');
  }
  addRow(table, $delete === true ? ROW.delete : ROW.upsert, row as Record<string, unknown>, into, JSON_FORMAT);
}

/** The type of the column that a JSON value makes by being written. */
function inferFromJson(json: unknown): ColumnType | null {
  if (typeof json === 'boolean') return { name: 'boolean' };
  if (typeof json === 'number' || json instanceof ExactNumber) return { name: 'double' };
  if (typeof json === 'string') return { name: 'string' };
  return typeof json === 'object' && json !== null && '$bytes' in json ? { name: 'bytes' } : null;
}

/** Row `row` of a batch as `addJsonRow` takes it. */
export function rowToJson(table: Table, batch: RowBatch, row: number): JsonRow {
  const json: Record<string, JsonCell | null> = {};
  if (batch.flags[row] === ROW.delete) json.$delete = true;
  const values = decodeKey(table, batch.keys.bytesAt(row));
  keyColumns(table).forEach((column, i) => {
    json[column.name] = cellToJson(column.type, values[i]!);
  });
  for (const [id, vector] of batch.columns) {
    const { name, type } = columnById(table, id);
    const state = vector.presence[row];
    if (state === CELL.deleted) json[name] = null;
    if (state === CELL.value) json[name] = cellToJson(type, valueAt(type, vector, row));
  }
  if (batch.few !== null) addFew(table, batch.few, row, json);
  return json;
}

function addFew(table: Table, { cells, kinds }: NonNullable<RowBatch['few']>, row: number, json: JsonRow): void {
  const { presence, arena, starts, lengths } = cells.values;
  for (let cell = cells.starts[row]!; cell < cells.starts[row + 1]!; cell++) {
    if (!kinds.has(cells.columns[cell]!)) continue;
    const { name, type } = columnById(table, cells.columns[cell]!);
    const isValue = presence[cell] === CELL.value;
    json[name] = isValue ? cellToJson(type, valueOfCellBytes(type, arena, starts[cell]!, lengths[cell]!)) : null;
  }
}

/**
 * The key that URL segments or command-line words name, one for each part: all of them a row key, fewer a prefix.
 * @throws {Fault} `invalid`: too many, or one that is no value of its column; names both.
 */
export function keyFromSegments(table: Table, segments: readonly string[]): Buffer {
  const columns = keyColumns(table);
  if (segments.length > columns.length) {
    const names = columns.map((column) => column.name).join(', ');
    const message = `table ${table.name}: got ${segments.length} key parts, expected at most ${columns.length}: ${names}`;
    throw new Fault('invalid', message, { table: table.name, got: segments.length, expected: columns.length });
  }
  const key = encodeKey(
    table,
    segments.map((segment, i) => parseText(columns[i]!, segment)),
  );
  checkKeyLength(table, key.length);
  return key;
}
