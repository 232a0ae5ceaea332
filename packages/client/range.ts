/** Which rows of a key prefix are wanted, and the requests that ask for them. */

import { own } from '@tidemark/model/own';
import { keySegment } from '@tidemark/model/text/key-path';
import { Fault } from '@tidemark/platform/fault';
import { toJson } from './cell-json.ts';
import type { ReadOptions, ScanQuery } from './scan.ts';
import type { ClientTable, ColumnTypeName, TableDefinition, WriteValue } from './table.ts';

/** A bound: a value of the key column that follows the prefix. */
export type RangeBound = WriteValue<ColumnTypeName>;

/** Which rows of a key prefix, and in which order. */
export type RangeOptions = ReadOptions & {
  /** Rows at most; a whole number from 1 on. */
  readonly limit?: number;
  /** Rows whose next key column is this or comes after it. */
  readonly from?: RangeBound;
  /** Rows whose next key column comes after this. */
  readonly after?: RangeBound;
  /** Rows whose next key column is this or comes before it. */
  readonly to?: RangeBound;
  /** Rows whose next key column comes before this. */
  readonly until?: RangeBound;
  /** `desc`: the last first. */
  readonly order?: 'asc' | 'desc';
};

/** Ranges of so many rows at most are asked for page by page, without a scan's place at the site. */
const PAGED_ROWS_MAX = 1_000;
const BOUNDS = { from: '>=', after: '>', to: '<=', until: '<' } as const;

/** True when the range is to be asked for in pages: `rangePath`. Else it is a scan: `rangeQuery`. */
export function isPaged(options: RangeOptions): options is RangeOptions & { readonly limit: number } {
  return options.limit !== undefined && options.limit <= PAGED_ROWS_MAX;
}

/** The path of the rows of a key, or of those that begin with some parts. */
export function rowsPath(table: ClientTable, parts: readonly string[]): string {
  const place = [table.keyspace, table.name].map(encodeURIComponent);
  return `/v1/${[...place, 'rows', ...parts.map(keySegment)].join('/')}`;
}

/** The leading key columns that the object has, as the text of path segments. */
export function keyParts(table: ClientTable, key: Readonly<Record<string, unknown>>): string[] {
  const present = table.key.findIndex((column) => own(key, column) === undefined);
  const columns = present < 0 ? table.key : table.key.slice(0, present);
  return columns.map((column) => textOf(column, key[column]));
}

/** The path of one page of a range: so many rows, behind the cursor of the page before. */
export function rangePath(
  table: ClientTable,
  parts: readonly string[],
  options: RangeOptions,
  limit: number,
  cursor: string | null,
): string {
  const query = new URLSearchParams({ limit: `${limit}` });
  if (options.order !== undefined) query.set('order', options.order);
  for (const [name, value] of boundsOf(options)) query.set(name, textOf(table.key[parts.length] ?? name, value));
  if (cursor !== null) query.set('cursor', cursor);
  return `${rowsPath(table, parts)}?${query}`;
}

/** The same as a scan: all of one moment, however many rows there are. */
export function rangeQuery<D extends TableDefinition>(
  table: ClientTable<D>,
  prefix: Readonly<Record<string, unknown>>,
  partCount: number,
  options: RangeOptions,
): ScanQuery<D> {
  const next = table.key[partCount];
  const where: (readonly [string, string, unknown])[] = table.key
    .slice(0, partCount)
    .map((column) => [column, '=', prefix[column]]);
  for (const [name, value] of boundsOf(options)) {
    if (next === undefined) throw boundOfWholeKey(table, name);
    where.push([next, BOUNDS[name], value]);
  }
  const orderBy = table.key.map((column) => [column, options.order ?? 'asc']);
  const limit = options.limit === undefined ? {} : { limit: options.limit };
  return { where, orderBy, ...limit } as unknown as ScanQuery<D>;
}

function boundsOf(options: RangeOptions): [keyof typeof BOUNDS, RangeBound][] {
  return (Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]).flatMap((name) => {
    const value = options[name];
    return value === undefined ? [] : [[name, value] as [keyof typeof BOUNDS, RangeBound]];
  });
}

function boundOfWholeKey(table: ClientTable, name: string): Fault {
  const expected = `fewer than ${table.key.length} key parts`;
  const message = `table ${table.keyspace}.${table.name}: ${name} beside a whole key, expected ${expected}`;
  return new Fault('invalid', message, { table: table.name, got: name, expected });
}

function textOf(column: string, value: unknown): string {
  const json = toJson(column, value);
  return typeof json === 'object' && json !== null ? json.$bytes : String(json);
}
