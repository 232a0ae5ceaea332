/** Rows whose key begins with some parts, as JSON: bounds on the part that follows, either way, page by page. */

import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { encodeKey, partitionKeyLength, prefixEnd } from '@tidemark/columnar/key';
import { partitionOf } from '@tidemark/model/hash';
import { knownColumn } from '@tidemark/model/query';
import { type Column, cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { parseText } from '@tidemark/model/text/cell-value';
import { RowText } from '@tidemark/model/text/json-text';
import { Fault } from '@tidemark/platform/fault';
import { rangeBehind } from '@tidemark/store/key/key-order';
import type { RangeBounds, RangePage } from '@tidemark/store/range/range-wish';
import { nextTurn, Turn } from '@tidemark/store/row/turn';
import type { TableStore } from '../keyspace/stores.ts';
import { formatRangeCursor, parseRangeCursor } from './range-cursor.ts';

/** Rows a page gives at most. */
const RANGE_ROWS_MAX = 10_000;
/** Rows in one page unless a limit is asked for. */
const RANGE_ROWS = 100;
/** A page ends behind the row that reaches this: what is asked for is held until it is taken. */
const RANGE_BYTES_MAX = 2 * 1024 * 1024;
/** Pages of more rows are read as scans are: by few at once. */
const SHORT_ROWS = 1_024;
/** What the text of a value costs, in rows looked at. */
const VALUE_COST = 4;

/** Query parameters that say which rows of a key prefix are wanted. */
export const RANGE_PARAMETERS = ['from', 'after', 'to', 'until', 'order', 'limit', 'cursor'] as const;

/** As they are sent; `select` names columns with commas between, one with a comma of its own in double quotes. */
export type RangeQuery = { readonly [name in (typeof RANGE_PARAMETERS)[number] | 'select']?: string | undefined };

/** A page that is asked for, checked against the table. */
export type RangePlan = {
  readonly table: Table;
  /** As it stands in the keys. */
  readonly partitionKey: Uint8Array;
  /** Of the whole range, and of what is left of it behind the cursor. */
  readonly bounds: RangeBounds;
  readonly left: RangeBounds;
  readonly columns: readonly Column[];
  readonly text: RowText;
  readonly limit: number;
  /** True when nobody needs to be admitted for it. */
  readonly isShort: boolean;
};

/**
 * @param segments the first parts of a key, at least one
 * @throws {Fault} `invalid`: no key part at all, a value that is none of the next part, a bad order or limit, an unknown
 *   column, or a cursor of another range; names both
 */
export function planRange(table: Table, segments: readonly string[], query: RangeQuery): RangePlan {
  if (segments.length === 0) {
    throw new Fault('invalid', `table ${table.name}: a range needs its partition key; use scan to read all rows`, {
      table: table.name,
      expected: keyColumns(table)[0]!.name,
    });
  }
  const prefix = keyFromSegments(table, segments);
  const direction = directionOf(query.order);
  const bounds = { ...boundsOf(table, prefix, segments.length, query), direction };
  const { cursor } = query;
  const after = cursor === undefined ? null : parseRangeCursor(table.name, bounds, cursor);
  const limit = parseLimit(query.limit);
  return {
    table,
    partitionKey: prefix.subarray(0, partitionKeyLength(table, prefix)),
    bounds,
    left: { ...rangeBehind(bounds, direction, after), direction },
    ...selected(table, query.select),
    limit,
    isShort: limit <= SHORT_ROWS,
  };
}

/** The page as JSON: `{"rows":[…],"cursor":…}`. @throws {Fault} `corrupt`: stored bytes are wrong */
export async function readRange({ partitions }: TableStore, plan: RangePlan): Promise<string> {
  const { table, bounds, left, columns, limit } = plan;
  const partition = partitions[partitionOf(plan.partitionKey, partitions.length)]!;
  // Many may be asked for at once, and each is read in one go.
  if (limit > RANGE_ROWS) await nextTurn();
  const wish = { bounds: left, columns, limit, bytesMax: RANGE_BYTES_MAX, passes: null };
  const read = partition.range(wish);
  const page = read instanceof Promise ? await read : read;
  const rows = plan.isShort ? textOf(page, plan.text) : await textInTurns(page, plan.text, columns.length);
  const { after } = page;
  const cursor = after === null ? 'null' : `"${formatRangeCursor(table.name, bounds, after)}"`;
  return `{"rows":[${rows}],"cursor":${cursor}}`;
}

function textOf({ rows }: RangePage, text: RowText): string {
  let all = '';
  for (let i = 0; i < rows.length; i++) all += i === 0 ? text.of(rows[i]!) : `,${text.of(rows[i]!)}`;
  return all;
}

async function textInTurns({ rows }: RangePage, text: RowText, columnCount: number): Promise<string> {
  const turn = new Turn();
  const texts: string[] = [];
  for (const row of rows) {
    texts.push(text.of(row));
    await turn.pass(columnCount * VALUE_COST);
  }
  return texts.join(',');
}

/** Bounds on the key part behind the prefix: `from` ≥, `after` >, `to` ≤, `until` <. */
function boundsOf(
  table: Table,
  prefix: Buffer,
  partCount: number,
  query: RangeQuery,
): { from: Uint8Array; to: Uint8Array | null } {
  const column = keyColumns(table)[partCount]!;
  const given = (name: 'from' | 'after' | 'to' | 'until'): Buffer | null => {
    const text = query[name];
    return text === undefined ? null : Buffer.concat([prefix, partOf(table, column, name, text)]);
  };
  const [least, behind] = [given('from'), given('after')];
  const [most, before] = [given('to'), given('until')];
  if (least !== null && behind !== null) throw twice('from', query.from!, 'after', query.after!);
  if (most !== null && before !== null) throw twice('to', query.to!, 'until', query.until!);
  const end = prefixEnd(prefix);
  const next = behind === null ? (least ?? prefix) : prefixEnd(behind);
  // Behind the last bytes that there are is nothing.
  if (next === null) return { from: behind!, to: behind };
  return { from: next, to: most === null ? (before ?? end) : prefixEnd(most) };
}

function partOf(table: Table, column: Column, name: string, text: string): Buffer {
  try {
    return encodeKey({ ...table, key: [column.id] }, [parseText(column, text)]);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new Fault('invalid', `query parameter ${name}: ${cause.message}`, { ...cause.details, cause });
  }
}

function twice(one: string, oneText: string, other: string, otherText: string): Fault {
  const got = `${one}=${oneText} and ${other}=${otherText}`;
  return new Fault('invalid', `${got}: both bound one end of the range, expected one of them`, {
    got,
    expected: `${one} or ${other}`,
  });
}

function directionOf(order: string | undefined): RangeBounds['direction'] {
  if (order === undefined || order === 'asc') return 'ascending';
  if (order === 'desc') return 'descending';
  throw new Fault('invalid', `order=${order}, expected asc or desc`, { got: order, expected: 'asc or desc' });
}

/** How many rows are asked for. @throws {Fault} `invalid`: not a number from 1 on, or too many. */
function parseLimit(text: string | undefined): number {
  if (text === undefined) return RANGE_ROWS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= RANGE_ROWS_MAX) return limit;
  const expected = `1 to ${RANGE_ROWS_MAX}`;
  throw new Fault('invalid', `limit=${text}, expected ${expected}`, { got: text, expected });
}

type Selected = { readonly columns: readonly Column[]; readonly text: RowText };

/** All columns of a table, the key's first: worked out once per table. */
const ofTable = new WeakMap<Table, Selected>();

/** The columns of a `select`, or all. @throws {Fault} `invalid`: a name that is no column's, or twice */
export function selected(table: Table, select: string | readonly string[] | undefined): Selected {
  if (select !== undefined) {
    const names = typeof select === 'string' ? namesIn(select) : select;
    const columns = names.map((name) => knownColumn(table, name));
    const again = columns.find((column, i) => columns.indexOf(column) !== i);
    if (again === undefined) return { columns, text: new RowText(columns, false) };
    const message = `table ${table.name}: "${again.name}" twice in select, expected each column once`;
    throw new Fault('invalid', message, { table: table.name, column: again.name, got: again.name });
  }
  let all = ofTable.get(table);
  if (all === undefined) {
    const columns = [...keyColumns(table), ...cellColumns(table)];
    all = { columns, text: new RowText(columns, false) };
    ofTable.set(table, all);
  }
  return all;
}

/** Names with commas between; one in double quotes may have commas, and quotes doubled. */
function namesIn(select: string): string[] {
  const names = select.match(/"(?:[^"]|"")*"|[^,"][^,]*/g) ?? [];
  if (names.join(',') !== select) {
    const expected = 'names of columns with commas between, in double quotes those that have a comma or quote';
    throw new Fault('invalid', `select=${select}, expected ${expected}`, { got: select, expected });
  }
  return names.map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name));
}
