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
import { nextTurn, Turn } from '@tidemark/store/row/turn';
import type { TableStore } from '../keyspace/stores.ts';

/** Column → cell; cells that were never written or were deleted are absent. */
export type JsonRow = Record<string, JsonCell>;

/** Rows a range gives at most, and when it is not said: as many as nobody has to be admitted for. */
const RANGE_ROWS_MAX = 10_000;
/** Rows in one page of a key prefix, unless a limit is asked for. */
export const RANGE_ROWS = 100;
/** A page ends behind the row that reaches this: what is asked for is held until it is taken. */
const RANGE_BYTES_MAX = 2 * 1024 * 1024;
/** What a value costs that is put together for a row by itself, in rows looked at; and how many bytes of it cost one. */
const VALUE_COST = 32;
const BYTES_A_ROW = 4;

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

/** The partition a key, or a log head of one or more parts, belongs to. */
function partitionFor({ table, partitions }: TableStore, key: Uint8Array): Partition {
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

/** One page of rows, and where the next one begins; null after the last. */
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
  // Many may be asked for at once, and each page is read in one go.
  await nextTurn();
  const { table } = store;
  if (segments.length === 0) {
    throw new Fault('invalid', `table ${table.name}: a range needs its partition key; use scan to read all rows`, {
      table: table.name,
      expected: keyColumns(table)[0]!.name,
    });
  }
  const logHead = keyFromSegments(table, segments);
  const rowsMax = parseLimit(limit);
  const turn = new Turn();
  const from = cursor === undefined ? logHead : behind(cursor, logHead);
  const page = await firstRows(partitionFor(store, logHead), from, prefixEnd(logHead), rowsMax, turn);
  const shown: JsonRow[] = [];
  for (const row of page.rows) {
    shown.push(rowToJson(table, row));
    await turn.pass(costOf(row));
  }
  const last = page.rows.at(-1);
  return {
    rows: shown,
    cursor: page.isCut && last !== undefined ? Buffer.from(last.key).toString('base64url') : null,
  };
}

function costOf(row: StoredRow): number {
  return (row.cells.length + 1) * VALUE_COST + bytesOf(row) / BYTES_A_ROW;
}

function bytesOf({ key, cells }: StoredRow): number {
  let bytes = key.length;
  for (const { value } of cells) if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length;
  return bytes;
}

/** How many rows are asked for. @throws {Fault} `invalid`: not a number from 1 on, or too many. */
export function parseLimit(text: string | undefined): number {
  if (text === undefined) return RANGE_ROWS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= RANGE_ROWS_MAX) return limit;
  const expected = `1 to ${RANGE_ROWS_MAX}`;
  throw new Fault('invalid', `limit=${text}, expected ${expected}`, { got: text, expected });
}

/** The smallest key after the cursor's. */
function behind(cursor: string, logHead: Buffer): Buffer {
  const key = Buffer.from(cursor, 'base64url');
  if (key.length < logHead.length || !key.subarray(0, logHead.length).equals(logHead)) {
    throw new Fault('invalid', `cursor "${cursor}" is not of this range`, { got: cursor });
  }
  return Buffer.concat([key, Buffer.of(0)]);
}

/** The first live rows between two keys, and whether more follow. */
async function firstRows(
  partition: Partition,
  from: Uint8Array,
  to: Uint8Array | null,
  rowsMax: number,
  turn: Turn,
): Promise<{ readonly rows: StoredRow[]; readonly isCut: boolean }> {
  const snapshot = await partition.snapshot();
  try {
    const { table, sources } = snapshot;
    const found: StoredRow[] = [];
    let bytes = 0;
    if (table === null) return { rows: found, isCut: false };
    const want: Want = { columns: cellKinds(table), keys: true, stamps: true };
    const blockRows = Math.min(rowsMax + 1, snapshot.blockRows);
    for await (const piece of mergeSources(sources, { want, blockRows, from, to })) {
      const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
      const [first, end] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
      for (let row = first; row < end; row++) {
        const live = storedRow(table, rows, row);
        if (live === null) continue;
        if (found.length === rowsMax || bytes >= RANGE_BYTES_MAX) return { rows: found, isCut: true };
        found.push(live);
        bytes += bytesOf(live);
        await turn.pass(costOf(live));
      }
    }
    return { rows: found, isCut: false };
  } finally {
    snapshot.release();
  }
}
