/** Rows by key and by key prefix, as JSON. */

import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { decodeKey, partitionKeyLength, prefixEnd } from '@tidemark/columnar/key';
import { partitionOf } from '@tidemark/model/hash';
import { columnById, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, type JsonCell } from '@tidemark/model/text/cell-value';
import { Fault } from '@tidemark/platform/fault';
import { cellKinds } from '@tidemark/store/memtable/memtable-source';
import { mergeSources } from '@tidemark/store/merge/merge';
import type { Partition } from '@tidemark/store/partition';
import { type StoredRow, storedRow } from '@tidemark/store/row/row-value';
import type { Want } from '@tidemark/store/row/rows';
import type { TableStore } from '../keyspace/stores.ts';

/** Column → cell; cells that were never written or were deleted are absent. */
export type JsonRow = Record<string, JsonCell>;

/** Rows a range gives at most, and when it is not said. */
const RANGE_ROWS_MAX = 10_000;
const RANGE_ROWS = 100;

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

/** The partition a key, or a prefix of one or more parts, belongs to. */
function partitionFor({ table, partitions }: TableStore, key: Uint8Array): Partition {
  return partitions[partitionOf(key.subarray(0, partitionKeyLength(table, key)), partitions.length)]!;
}

/** @throws {Fault} `invalid`: not a key of the table; with status 404, there is no such row. */
export async function readRow(store: TableStore, segments: readonly string[]): Promise<StoredRow> {
  const { table } = store;
  const key = keyFromSegments(table, segments);
  const row = await partitionFor(store, key).get(key);
  if (row !== null) return row;
  const got = segments.join('/');
  throw new Fault('invalid', `table ${table.name}: no row ${got}`, { table: table.name, got, status: 404 });
}

export type Range = { readonly rows: JsonRow[]; readonly cursor: string | null };

/**
 * Rows whose key begins with the given parts, in key order, from behind `cursor` on.
 * @returns `cursor` goes on behind the last row; null when there are no more
 * @throws {Fault} `invalid`: no key part at all, a bad limit, or a cursor of another range.
 */
export async function readRange(
  store: TableStore,
  segments: readonly string[],
  { limit, cursor }: { readonly limit?: string | undefined; readonly cursor?: string | undefined },
): Promise<Range> {
  const { table } = store;
  if (segments.length === 0) {
    throw new Fault('invalid', `table ${table.name}: a range needs its partition key; use scan to read all rows`, {
      table: table.name,
      expected: keyColumns(table)[0]!.name,
    });
  }
  const prefix = keyFromSegments(table, segments);
  const rowsMax = parseLimit(limit);
  const from = cursor === undefined ? prefix : behind(cursor, prefix);
  const rows = await firstRows(partitionFor(store, prefix), from, prefixEnd(prefix), rowsMax + 1);
  const shown = rows.slice(0, rowsMax);
  const last = shown.at(-1);
  return {
    rows: shown.map((row) => rowToJson(table, row)),
    cursor: rows.length > rowsMax && last !== undefined ? Buffer.from(last.key).toString('base64url') : null,
  };
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return RANGE_ROWS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= RANGE_ROWS_MAX) return limit;
  const expected = `1 to ${RANGE_ROWS_MAX}`;
  throw new Fault('invalid', `limit=${text}, expected ${expected}`, { got: text, expected });
}

/** The smallest key after the cursor's. */
function behind(cursor: string, prefix: Buffer): Buffer {
  const key = Buffer.from(cursor, 'base64url');
  if (key.length < prefix.length || !key.subarray(0, prefix.length).equals(prefix)) {
    throw new Fault('invalid', `cursor "${cursor}" is not of this range`, { got: cursor });
  }
  return Buffer.concat([key, Buffer.of(0)]);
}

/** The first live rows between two keys. */
async function firstRows(
  partition: Partition,
  from: Uint8Array,
  to: Uint8Array | null,
  rowsMax: number,
): Promise<StoredRow[]> {
  const snapshot = await partition.snapshot();
  try {
    const { table, sources } = snapshot;
    const found: StoredRow[] = [];
    if (table === null) return found;
    const want: Want = { columns: cellKinds(table), keys: true, stamps: true };
    const blockRows = Math.min(rowsMax, snapshot.blockRows);
    for await (const piece of mergeSources(sources, { want, blockRows, from, to })) {
      const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
      const [first, end] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
      for (let row = first; row < end; row++) {
        const live = storedRow(table, rows, row);
        if (live !== null && found.push(live) === rowsMax) return found;
      }
    }
    return found;
  } finally {
    snapshot.release();
  }
}
