/** A scan as a person types it, into the query that a site takes. */

import type { ColumnType } from '@tidemark/model/column-type';
import { nearestHint } from '@tidemark/model/nearest';
import { cellColumns, columnNamed, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, parseText } from '@tidemark/model/text/cell-value';
import { Fault } from '@tidemark/platform/fault';
import { itemsOf, QUOTED_NAME, unquoted } from './quotes.ts';

/** The flags of a scan as typed; each `where` is one condition, and all must hold. */
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
 * The query that words ask for. A name with a comma, blank or operator in it stands in double quotes, a text in single
 * ones, as in SQL.
 * @param table null when only the site knows the table: then it checks the columns
 * @throws {Fault} `invalid`: naming the word, and the columns there are.
 */
export function queryFromWords(table: Table | null, words: ScanWords): ScanBody {
  const { where, select, groupBy, orderBy, limit } = words;
  return {
    ...(select === undefined ? {} : { select: itemsOf(select).map((item) => selectItem(table, item)) }),
    ...(where === undefined ? {} : { where: where.map((text) => condition(table, text)) }),
    ...(groupBy === undefined ? {} : { groupBy: itemsOf(groupBy).map((name) => columnOf(table, name).name) }),
    ...(orderBy === undefined ? {} : { orderBy: itemsOf(orderBy).map(ordering) }),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** Names of the result's columns in order; null when only the site knows them. */
export function resultNames(table: Table | null, { select, groupBy }: ScanBody): string[] | null {
  if (select !== undefined) return select.map((item) => (typeof item === 'string' ? item : String(item.as)));
  if (groupBy !== undefined) return [...groupBy];
  return table === null ? null : [...keyColumns(table), ...cellColumns(table)].map(({ name }) => name);
}

const AGGREGATES = ['count', 'sum', 'avg', 'min', 'max', 'countDistinct', 'countDistinctApprox'] as const;
const ALIAS = `(?:\\s+as\\s+(${QUOTED_NAME}|\\S+))?`;
const AGGREGATE = new RegExp(`^(${AGGREGATES.join('|')})\\(\\s*(\\*|${QUOTED_NAME}|[^()"]+?)\\s*\\)${ALIAS}$`, 'is');
const QUANTILE = new RegExp(`^quantile\\(\\s*(${QUOTED_NAME}|\\S+)\\s+([\\d.]+)\\s*\\)${ALIAS}$`, 'is');

/**
 * `origin`, `avg(delay)`, `count(*) as n`, `countDistinct(origin)`, `quantile(delay 0.9) as slow`. Without a name an
 * aggregate is called as it is written.
 */
function selectItem(table: Table | null, text: string): string | Record<string, string | number> {
  const quantile = QUANTILE.exec(text);
  if (quantile !== null) {
    const { name } = columnOf(table, quantile[1]!);
    return { quantile: name, at: Number(quantile[2]), as: aliasOf(quantile[3], `quantile(${name} ${quantile[2]})`) };
  }
  const match = AGGREGATE.exec(text);
  if (match === null) return columnOf(table, text).name;
  const aggregate = AGGREGATES.find((name) => name.toLowerCase() === match[1]!.toLowerCase())!;
  const column = match[2] === '*' ? '*' : columnOf(table, match[2]!).name;
  if (match[2] === '*' && aggregate !== 'count') {
    throw wrong('--select', text, 'count(*), or an aggregate of a column');
  }
  return { [aggregate]: column, as: aliasOf(match[3], `${aggregate}(${column})`) };
}

function aliasOf(alias: string | undefined, byDefault: string): string {
  return alias === undefined ? byDefault : (unquoted(alias, '"')?.text ?? alias);
}

const WORDED = new RegExp(
  `^\\s*(${QUOTED_NAME}|\\S+)\\s+(in|between|prefix|is-null|is-not-null|is\\s+null|is\\s+not\\s+null)(?![\\w-])(.*)$`,
  'is',
);
const COMPARED = new RegExp(`^\\s*(${QUOTED_NAME}|[^<>=!"]+?)(\\s*)(<=|>=|<>|!=|==|=|<|>)(.*)$`, 's');
const SAME = new Map([
  ['<>', '!='],
  ['==', '='],
]);

/** `delay>60`, `origin='SAN'`, `origin in SAN,LAX`, `line between 1,5`, `origin prefix S`, `delay is-null`. */
function condition(table: Table | null, text: string): [string, string, ...unknown[]] {
  const worded = WORDED.exec(text);
  if (worded !== null) return wordedCondition(columnOf(table, worded[1]!), worded[2]!, worded[3]!.trim(), text);
  const compared = COMPARED.exec(text);
  if (compared === null) {
    throw wrong('--where', text, "a condition like delay>60, origin='SAN', origin in SAN,LAX, delay is-null");
  }
  const [, name, blanks, operator, operand] = compared;
  const column = columnOf(table, name!.trim());
  // Whoever sets the operator apart means no blanks; otherwise they are a part of the text.
  const isTrimmed = blanks !== '' || column.type?.name !== 'string' || /^\s*'/.test(operand!);
  const value = cellOf(column, isTrimmed ? operand!.trim() : operand!, text);
  return [column.name, SAME.get(operator!) ?? operator!, value];
}

function wordedCondition(column: Named, words: string, operand: string, text: string): [string, string, ...unknown[]] {
  const operator = words.toLowerCase().replace(/\s+/g, '-');
  if (operator === 'is-null' || operator === 'is-not-null') {
    if (operand !== '') throw wrong('--where', text, `nothing behind ${operator}`);
    return [column.name, operator];
  }
  if (operator === 'prefix') return [column.name, operator, cellOf(column, operand, text)];
  const list = /^\((.*)\)$/s.exec(operand)?.[1] ?? operand;
  if (list.startsWith('(')) throw wrong('--where', text, "a list like A,B or ('A', 'B')");
  const items = operator === 'between' ? boundsOf(list) : itemsOf(list);
  return [column.name, operator, items.map((item) => cellOf(column, item, text))];
}

/** `1,5`, or as in SQL `1 and 5`. */
function boundsOf(list: string): string[] {
  const items = itemsOf(list);
  const [, low, high] = /^('(?:[^']|'')*'|\S+)\s+and\s+('(?:[^']|'')*'|\S+)$/is.exec(list) ?? [];
  return items.length === 1 && low !== undefined && high !== undefined ? [low, high] : items;
}

/** A value as its column takes it; of a column nobody here knows, a number or true or false as such, else text. */
function cellOf({ name, type }: Named, operand: string, condition: string): unknown {
  const word = unquoted(operand, "'");
  if (word === null || (operand.startsWith('"') && type?.name !== 'bytes')) {
    throw wrong(
      '--where',
      condition,
      "a text in single quotes, as 'X', one within it doubled; each condition for itself",
    );
  }
  const { text, isQuoted } = word;
  if (!isQuoted && type?.name === 'string' && /\s(?:and|or)\s/i.test(text)) {
    throw wrong(
      '--where',
      condition,
      "one condition (--where may be repeated), or the text in quotes, as 'this and that'",
    );
  }
  if (type !== undefined) return cellToJson(type, parseText({ id: 0, name, type, dropped: false }, text));
  return !isQuoted && /^(-?\d+(\.\d+)?|true|false)$/.test(text) ? JSON.parse(text) : text;
}

function ordering(text: string): [string, string] {
  const match = new RegExp(`^(${QUOTED_NAME}|.+?)(?:\\s+(asc|desc))?$`, 'is').exec(text)!;
  return [unquoted(match[1]!, '"')?.text ?? match[1]!, (match[2] ?? 'asc').toLowerCase()];
}

/** A column's name, and its type where the table is known. */
type Named = { readonly name: string; readonly type?: ColumnType };

function columnOf(table: Table | null, word: string): Named {
  const name = unquoted(word, '"')?.text ?? word;
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
