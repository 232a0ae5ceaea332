/**
 * What a scan must equal: the same query answered over plain rows, written as simply as the rules can be said. Queries
 * are made at random here too, so that the tests need no other list of what a scan can do. For tests.
 */

import { ColumnVector } from '@tidemark/columnar/column-vector';
import { decodeKey } from '@tidemark/columnar/key';
import { setValue } from '@tidemark/columnar/value-at';
import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import type { Query } from '@tidemark/model/query';
import { type Column, cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson } from '@tidemark/model/text/cell-value';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { chunkOfVector } from '../encoding/chunk.ts';
import { HyperLogLog } from '../query/hyper-log-log.ts';
import type { StoredRow } from '../row/row-value.ts';
import { randomValue } from './arbitraries.ts';

/** A row by column name; null where it has no value. */
export type PlainRow = Readonly<Record<string, Value | null>>;

/** A condition, and the same as a query has it. */
type Condition =
  | { readonly kind: 'value'; readonly column: Column; readonly operator: string; readonly values: readonly Value[] }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly part: Condition };

export function plainRows(table: Table, live: readonly StoredRow[]): PlainRow[] {
  return live.map(({ key, cells }) => {
    const row: Record<string, Value | null> = {};
    const parts = decodeKey(table, key);
    keyColumns(table).forEach(({ name }, i) => {
      row[name] = parts[i]!;
    });
    for (const { id, name } of cellColumns(table)) row[name] = cells.find(({ column }) => column === id)?.value ?? null;
    return row;
  });
}

/** A random query, and its answer over any rows. */
export type ModelQuery = {
  readonly query: Query;
  readonly answer: (rows: readonly PlainRow[]) => PlainRow[];
};

/** All rows or some of their columns, in key order or another; ties in it are broken by the key. */
export function randomRowsQuery(random: Random, table: Table): ModelQuery {
  const where = randomConditions(random, table);
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const names = random.fraction() < 0.3 ? null : columns.filter(() => random.fraction() < 0.5).map(({ name }) => name);
  const select = names === null || names.length === 0 ? null : names;
  const by = random.fraction() < 0.5 ? [] : [pick(random, columns)];
  const isDescending = random.fraction() < 0.5;
  const orderings = [
    ...by.map((column) => ({ column, isDescending })),
    ...keyColumns(table)
      .filter((column) => !by.includes(column))
      .map((column) => ({ column, isDescending: false })),
  ];
  const limit = random.fraction() < 0.4 ? integerBetween(random, 1, 8) : null;
  return {
    query: {
      ...whereOf(where),
      ...(select === null ? {} : { select }),
      orderBy: orderings.map((one) => [one.column.name, one.isDescending ? 'desc' : 'asc']),
      ...(limit === null ? {} : { limit }),
    },
    answer: (rows) => {
      const found = rows.filter((row) => where.every((one) => holds(one, row) === true));
      found.sort((a, b) => {
        for (const { column, isDescending } of orderings) {
          const order = compareCells(a[column.name]!, b[column.name]!, isDescending);
          if (order !== 0) return order;
        }
        return 0;
      });
      const shown = select ?? columns.map(({ name }) => name);
      return found.slice(0, limit ?? found.length).map((row) => Object.fromEntries(shown.map((n) => [n, row[n]!])));
    },
  };
}

const AGGREGATES = ['count', 'sum', 'min', 'max', 'avg', 'countDistinct', 'countDistinctApprox', 'quantile'] as const;

/** Groups by up to three columns, with some aggregates of each. The answer's groups are in no order. */
export function randomGroupsQuery(random: Random, table: Table): ModelQuery {
  const where = randomConditions(random, table);
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const groupBy = columns.filter(() => random.fraction() < 0.15).slice(0, 3);
  const wanted = AGGREGATES.flatMap((kind) => {
    const column = pick(random, columns);
    const isNumber = ['int', 'long', 'double', 'decimal'].includes(column.type.name);
    const at = kind === 'quantile' ? pick(random, [0, 0.25, 0.5, 0.9, 1]) : null;
    return (kind === 'sum' || kind === 'avg') && !isNumber ? [] : [{ kind, column, at }];
  });
  const aggregates = wanted.map(({ kind, column, at }) => {
    return { [kind]: column.name, as: kind, ...(at === null ? {} : { at }) };
  });
  return {
    query: {
      ...whereOf(where),
      select: [...groupBy.map(({ name }) => name), { count: '*', as: 'rows' }, ...aggregates] as Query['select'],
      ...(groupBy.length === 0 ? {} : { groupBy: groupBy.map(({ name }) => name) }),
    },
    answer: (rows) => {
      const groups = new Map<string, PlainRow[]>();
      if (groupBy.length === 0) groups.set('', []);
      for (const row of rows.filter((one) => where.every((condition) => holds(condition, one) === true))) {
        const name = groupBy.map((column) => cellText(row[column.name]!)).join('|');
        groups.set(name, [...(groups.get(name) ?? []), row]);
      }
      return [...groups.values()].map((members) => ({
        ...Object.fromEntries(groupBy.map(({ name }) => [name, members[0]![name]!])),
        rows: BigInt(members.length),
        ...Object.fromEntries(
          wanted.map(({ kind, column, at }) => [kind, aggregateOf(kind, column, members, at ?? 0)]),
        ),
      }));
    },
  };
}

/** Two of a few values may share a register of the sketch, and rarely more do: beyond that it is wrong. */
const SHARED_MAX = 2n;

/** What a sketch makes of the same values, whatever blocks hold them, as long as it is near the truth. */
function sketched({ type }: Column, values: readonly Value[], distinct: number): bigint {
  const vector = new ColumnVector(physicalOf(type));
  for (const [row, value] of values.entries()) setValue(vector, row, value);
  const sketch = new HyperLogLog();
  sketch.add(Uint32Array.from(values.keys()), 0, chunkOfVector(vector, values.length));
  const count = sketch.result(0) as bigint;
  const shared = BigInt(distinct) - count;
  return shared >= 0n && shared <= SHARED_MAX ? count : BigInt(distinct);
}

function aggregateOf(
  kind: (typeof AGGREGATES)[number],
  column: Column,
  rows: readonly PlainRow[],
  at: number,
): Value | null {
  const values = rows.map((row) => row[column.name]!).filter((value) => value !== null);
  if (kind === 'count') return BigInt(values.length);
  const distinct = new Set(values.map(cellText)).size;
  if (kind === 'countDistinct') return BigInt(distinct);
  if (kind === 'countDistinctApprox') return sketched(column, values, distinct);
  if (values.length === 0) return null;
  if (kind === 'min' || kind === 'max') {
    return values.reduce((best, value) => (compareValues(value, best) * (kind === 'min' ? 1 : -1) < 0 ? value : best));
  }
  if (kind === 'quantile') {
    // The smallest value that so large a share of the values does not exceed.
    return values.toSorted(compareValues)[Math.max(1, Math.ceil(at * values.length)) - 1]!;
  }
  if (column.type.name === 'double') {
    const sum = (values as number[]).reduce((a, b) => a + b, 0);
    return kind === 'sum' ? sum : sum / values.length;
  }
  const sum = values.reduce<bigint>((a, b) => a + BigInt(b as number | bigint), 0n);
  const scale = column.type.name === 'decimal' ? 10 ** column.type.scale : 1;
  return kind === 'sum' ? sum : Number(sum) / values.length / scale;
}

const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='] as const;

function randomConditions(random: Random, table: Table): Condition[] {
  return Array.from({ length: integerBetween(random, 0, 2) }, () => randomCondition(random, table, 0));
}

function randomCondition(random: Random, table: Table, depth: number): Condition {
  const draw = random.fraction();
  const part = (): Condition => randomCondition(random, table, depth + 1);
  if (depth < 2 && draw < 0.1) return { kind: 'not', part: part() };
  if (depth < 2 && draw < 0.3) return { kind: draw < 0.2 ? 'and' : 'or', parts: [part(), part()] };
  const column = pick(random, [...keyColumns(table), ...cellColumns(table)]);
  const value = (): Value => conditionValue(random, table, column);
  const isText = column.type.name === 'string' || column.type.name === 'bytes';
  const operators = [...COMPARISONS, 'in', 'between', 'is-null', 'is-not-null', ...(isText ? ['prefix'] : [])];
  const operator = pick(random, operators);
  if (operator.startsWith('is-')) return { kind: 'value', column, operator, values: [] };
  const count = operator === 'in' ? integerBetween(random, 0, 3) : operator === 'between' ? 2 : 1;
  return { kind: 'value', column, operator, values: Array.from({ length: count }, value) };
}

/** Often one that rows have: a key's part, or a value like those that are written. */
function conditionValue(random: Random, table: Table, column: Column): Value {
  if (column.id === table.key[0]) return `k\0${integerBetween(random, 1, 12)}`;
  if (column.id === table.key[1]) return integerBetween(random, -1, 1);
  const value = randomValue(random, column.type.name);
  return column.type.name === 'string' && random.fraction() < 0.3 ? (value as string).slice(0, 1) : value;
}

/** True, false, or null: unknown, as a cell that it asks about has no value. */
function holds(condition: Condition, row: PlainRow): boolean | null {
  if (condition.kind === 'not') {
    const part = holds(condition.part, row);
    return part === null ? null : !part;
  }
  if (condition.kind !== 'value') {
    const parts = condition.parts.map((part) => holds(part, row));
    const decisive = condition.kind === 'or';
    return parts.includes(decisive) ? decisive : parts.includes(null) ? null : !decisive;
  }
  const { operator, column, values } = condition;
  const cell = row[column.name]!;
  if (operator === 'is-null') return cell === null;
  if (operator === 'is-not-null') return cell !== null;
  if (cell === null) return null;
  const [first, second] = values.map((value) => compareValues(cell, value));
  if (operator === 'in') return values.some((value) => compareValues(cell, value) === 0);
  if (operator === 'between') return first! >= 0 && second! <= 0;
  if (operator === 'prefix') return bytesOf(cell).subarray(0, bytesOf(values[0]!).length).equals(bytesOf(values[0]!));
  const found = { '=': first === 0, '!=': first !== 0, '<': first! < 0, '<=': first! <= 0, '>': first! > 0 };
  return operator === '>=' ? first! >= 0 : found[operator as '='];
}

function whereOf(conditions: readonly Condition[]): Pick<Query, 'where'> {
  return conditions.length === 0 ? {} : { where: conditions.map(toJson) as NonNullable<Query['where']> };
}

function toJson(condition: Condition): unknown {
  if (condition.kind === 'not') return { not: toJson(condition.part) };
  if (condition.kind !== 'value') return { [condition.kind]: condition.parts.map(toJson) };
  const { column, operator, values } = condition;
  const json = values.map((value) => cellToJson(column.type, widened(column.type, value)));
  if (operator.startsWith('is-')) return [column.name, operator];
  return [column.name, operator, operator === 'in' || operator === 'between' ? json : json[0]];
}

/** An int drawn for a column that has become a long. */
function widened(type: ColumnType, value: Value): Value {
  return type.name === 'long' ? BigInt(value as number | bigint) : value;
}

function bytesOf(value: Value): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value as Uint8Array);
}

/** NaN is the largest number and equals itself, −0 equals 0; texts by their bytes. */
function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string' || typeof a === 'object') return Buffer.compare(bytesOf(a), bytesOf(b));
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Cells without a value come last in either direction. */
function compareCells(a: Value | null, b: Value | null, isDescending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return isDescending ? -compareValues(a, b) : compareValues(a, b);
}

/** A cell as text that is the same for cells that count as equal; sums of doubles may differ in their last digits. */
export function cellText(cell: Value | null): string {
  if (cell === null) return 'null';
  if (typeof cell === 'object') return Buffer.from(cell).toString('hex');
  if (typeof cell !== 'number') return `${typeof cell} ${cell}`;
  return Number.isSafeInteger(cell) ? String(cell + 0) : cell.toPrecision(12);
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[integerBetween(random, 0, items.length - 1)]!;
}
