/** A scan as a person types it, into the query that a site takes. */

import { cellToJson, parseText } from '@tidemark/schema/cell-value';
import type { ColumnType } from '@tidemark/schema/column-type';
import { nearestHint } from '@tidemark/schema/nearest';
import { columnNamed, type Table } from '@tidemark/schema/table';
import { Fault } from '@tidemark/world/fault';

export type ScanWords = {
  readonly where?: readonly string[];
  readonly select?: string;
  readonly groupBy?: string;
  readonly orderBy?: string;
  readonly limit?: number;
};

/** The body of a scan request. */
export type ScanBody = {
  readonly select?: readonly (string | Readonly<Record<string, string | number>>)[];
  readonly where?: readonly (readonly [string, string, ...unknown[]])[];
  readonly groupBy?: readonly string[];
  readonly orderBy?: readonly (readonly [string, string])[];
  readonly limit?: number;
};

/**
 * The query that words ask for.
 * @param table null when only the site knows the table: then it checks the columns
 * @throws {Fault} `invalid`: naming the word, and the columns there are.
 */
export function queryFromWords(table: Table | null, words: ScanWords): ScanBody {
  const { where, select, groupBy, orderBy, limit } = words;
  return {
    ...(select === undefined ? {} : { select: listOf(select).map((item) => selectItem(table, item)) }),
    ...(where === undefined ? {} : { where: where.map((text) => condition(table, text)) }),
    ...(groupBy === undefined ? {} : { groupBy: listOf(groupBy).map((name) => columnOf(table, name).name) }),
    ...(orderBy === undefined ? {} : { orderBy: listOf(orderBy).map(ordering) }),
    ...(limit === undefined ? {} : { limit }),
  };
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

const AGGREGATES = ['count', 'sum', 'avg', 'min', 'max', 'countDistinct', 'countDistinctApprox'] as const;
const AGGREGATE = new RegExp(`^(${AGGREGATES.join('|')})\\((\\*|[^()]+)\\)(?:\\s+as\\s+(\\S+))?$`, 'i');

/**
 * `origin`, `avg(delay)`, `count(*) as n`, `countDistinct(origin)`, `quantile(delay 0.9) as slow`. Without a name an
 * aggregate is called as it is written.
 */
function selectItem(table: Table | null, text: string): string | Record<string, string | number> {
  const quantile = /^quantile\((\S+)\s+([\d.]+)\)(?:\s+as\s+(\S+))?$/i.exec(text);
  if (quantile !== null) {
    const { name } = columnOf(table, quantile[1]!);
    return { quantile: name, at: Number(quantile[2]), as: quantile[3] ?? `quantile(${name} ${quantile[2]})` };
  }
  const match = AGGREGATE.exec(text);
  if (match === null) return columnOf(table, text).name;
  const aggregate = AGGREGATES.find((name) => name.toLowerCase() === match[1]!.toLowerCase())!;
  const column = match[2]!.trim();
  if (column !== '*') columnOf(table, column);
  else if (aggregate !== 'count') throw wrong('--select', text, 'count(*), or an aggregate of a column');
  return { [aggregate]: column, as: match[3] ?? `${aggregate}(${column})` };
}

/** `delay>60`, `origin in SAN,LAX`, `line between 1,5`, `origin prefix S`, `delay is-null`. */
function condition(table: Table | null, text: string): [string, string, ...unknown[]] {
  const worded = /^(\S+)\s+(in|between|prefix|is-null|is-not-null)(?:\s+(.+))?$/is.exec(text);
  const compared = /^([^<>=!]+?)\s*(<=|>=|!=|=|<|>)\s*(.*)$/s.exec(text);
  const [, name, operator, operand] = worded ?? compared ?? [];
  if (name === undefined || operator === undefined) {
    throw wrong('--where', text, 'a condition like delay>60, origin=SAN, origin in SAN,LAX, delay is-null');
  }
  const column = columnOf(table, name.trim());
  switch (operator.toLowerCase()) {
    case 'is-null':
    case 'is-not-null':
      return [column.name, operator.toLowerCase()];
    case 'in':
    case 'between':
      return [column.name, operator.toLowerCase(), listOf(operand ?? '').map((value) => cellOf(column, value))];
    default:
      return [column.name, operator.toLowerCase(), cellOf(column, operand ?? '')];
  }
}

/** A value as its column takes it; of a column nobody here knows, a number or true or false as such, else text. */
function cellOf({ name, type }: Named, text: string): unknown {
  if (type !== undefined) return cellToJson(type, parseText({ id: 0, name, type, dropped: false }, text));
  return /^(-?\d+(\.\d+)?|true|false)$/.test(text) ? JSON.parse(text) : text;
}

function ordering(text: string): [string, string] {
  const match = /^(.+?)(?:\s+(asc|desc))?$/i.exec(text)!;
  return [match[1]!, (match[2] ?? 'asc').toLowerCase()];
}

/** A column's name, and its type where the table is known. */
type Named = { readonly name: string; readonly type?: ColumnType };

function columnOf(table: Table | null, name: string): Named {
  if (table === null) return { name };
  const column = columnNamed(table, name);
  if (column !== undefined) return column;
  const known = table.columns.filter((one) => !one.dropped).map((one) => one.name);
  const expected = known.join(', ');
  const message = `table ${table.name} has no column "${name}"${nearestHint(name, known)}; it has ${expected}`;
  throw new Fault('invalid', message, { table: table.name, column: name, got: name, expected });
}

function wrong(flag: string, got: string, expected: string): Fault {
  return new Fault('invalid', `${flag} "${got}", expected ${expected}`, { got, expected });
}
