/** Single rows by key, as JSON. */

import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { decodeKey, partitionKeyLength } from '@tidemark/columnar/key';
import { partitionOf } from '@tidemark/model/hash';
import { columnById, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, type JsonCell } from '@tidemark/model/text/cell-value';
import { Fault } from '@tidemark/platform/fault';
import type { Partition } from '@tidemark/store/partition';
import type { StoredRow } from '@tidemark/store/row/row-value';
import type { TableStore } from '../keyspace/stores.ts';

/** Column → cell; cells that were never written or were deleted are absent. */
type JsonRow = Record<string, JsonCell>;

/** A row by column names: its key, and cells that are neither null nor of a dropped column. */
export function rowToJson(table: Table, row: StoredRow): JsonRow {
  const json: JsonRow = {};
  const parts = decodeKey(table, row.key);
  keyColumns(table).forEach((column, i) => {
    json[column.name] = cellToJson(column.type, parts[i]!);
  });
  for (const { column: id, value } of row.cells) {
    const column = columnById(table, id);
    if (value !== null && !column.dropped) json[column.name] = cellToJson(column.type, value);
  }
  return json;
}

/** The partition a key belongs to. */
export function partitionFor({ table, partitions }: TableStore, key: Uint8Array): Partition {
  return partitions[partitionOf(key.subarray(0, partitionKeyLength(table, key)), partitions.length)]!;
}

/** @throws {Fault} `invalid`: not a key of the table. `notFound`: there is no such row. */
export async function readRow(store: TableStore, segments: readonly string[]): Promise<StoredRow> {
  const { table } = store;
  const key = keyFromSegments(table, segments);
  const row = await partitionFor(store, key).get(key);
  if (row !== null) return row;
  const got = segments.join('/');
  throw new Fault('notFound', `table ${table.name}: no row ${got}`, { table: table.name, got });
}
