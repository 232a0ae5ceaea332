/** Queries by chance, as a site takes them and as SQL. */

import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import type { Query } from '@tidemark/model/query';
import { type Column, cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, cellToText } from '@tidemark/model/text/cell-value';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { sqlName, sqlType } from './duck.ts';
import { chance, pick } from './random-values.ts';

export type Paired = {
  readonly query: Query;
  readonly sql: string;
  /** Types of the result's columns, for comparing. */
  readonly types: readonly ColumnType[];
  /** The answer is in order to the last row. */
  readonly isOrdered: boolean;
};

/** A value that rows may have, of a column. */
export type ValueOf = (column: Column) => Value;

/** A text as SQL has it. */
function sqlText(text: string): string {
  return text
    .split('\u0000')
    .map((part) => `'${part.replaceAll("'", "''")}'`)
    .join(' || chr(0) || ');
}

function sqlLiteral(type: ColumnType, value: Value): string {
  switch (type.name) {
    case 'string':
      return `(${sqlText(value as string)})`;
    case 'bytes':
      return `unhex('${Buffer.from(value as Uint8Array).toString('hex')}')`;
    case 'timestamp':
      return `make_timestamp(${value})`;
    case 'date':
      return `(DATE '1970-01-01' + (${value})::INTEGER)`;
    case 'decimal':
      return `'${cellToText(type, value)}'::${sqlType(type)}`;
    case 'double':
      return `'${Number.isFinite(value) ? value : String(value)}'::DOUBLE`;
    default:
      return `'${value}'::${sqlType(type)}`;
  }
}

type Condition = NonNullable<Query['where']>[number];
type PairedCondition = { readonly json: Condition; readonly sql: string };
const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='] as const;

function condition(random: Random, columns: readonly Column[], likely: ValueOf, depth: number): PairedCondition {
  const draw = random.fraction();
  const parts = (): PairedCondition[] =>
    Array.from({ length: integerBetween(random, 0, 3) }, () => condition(random, columns, likely, depth + 1));
  if (depth < 3 && draw < 0.12) {
    const some = parts();
    return { json: { and: some.map(({ json }) => json) }, sql: joined(some, ' and ', 'true') };
  }
  if (depth < 3 && draw < 0.28) {
    const some = parts();
    return { json: { or: some.map(({ json }) => json) }, sql: joined(some, ' or ', 'false') };
  }
  if (depth < 3 && draw < 0.36) {
    const { json, sql } = condition(random, columns, likely, depth + 1);
    return { json: { not: json }, sql: `(not ${sql})` };
  }
  return ofColumn(random, pick(random, columns), likely);
}

function joined(parts: readonly PairedCondition[], word: string, empty: string): string {
  return parts.length === 0 ? empty : `(${parts.map(({ sql }) => sql).join(word)})`;
}

function ofColumn(random: Random, column: Column, likely: ValueOf): PairedCondition {
  const { name, type } = column;
  const isText = physicalOf(type) === 'bytes';
  const operator = pick(random, [
    ...COMPARISONS,
    'in',
    'between',
    'is-null',
    'is-not-null',
    ...(isText ? ['prefix'] : []),
  ]);
  const values = Array.from({ length: operator === 'in' ? integerBetween(random, 0, 4) : 2 }, () => likely(column));
  const json = values.map((value) => cellToJson(type, value));
  const sql = values.map((value) => sqlLiteral(type, value));
  const left = sqlName(column);
  switch (operator) {
    case 'is-null':
    case 'is-not-null':
      return { json: [name, operator], sql: `(${left} ${operator.replaceAll('-', ' ')})` };
    case 'in':
      // SQL has no empty list; nothing is in one, and that of nothing is not known.
      return {
        json: [name, operator, json],
        sql: sql.length === 0 ? `(${left} is null and null)` : `(${left} in (${sql.join(', ')}))`,
      };
    case 'between':
      return { json: [name, operator, json], sql: `(${left} between ${sql.join(' and ')})` };
    case 'prefix': {
      const [prefix] = values as [string | Uint8Array];
      const cut = prefix.slice(0, integerBetween(random, 0, 2)) as typeof prefix;
      const start = typeof cut === 'string' && !cut.isWellFormed() ? '' : cut;
      const hex = type.name === 'bytes';
      const text = hex ? `hex(${left})` : left;
      const wanted = hex
        ? `'${Buffer.from(start as Uint8Array)
            .toString('hex')
            .toUpperCase()}'`
        : sqlLiteral(type, start);
      return { json: [name, operator, cellToJson(type, start)], sql: `starts_with(${text}, ${wanted})` };
    }
    default:
      return { json: [name, operator, json[0]], sql: `(${left} ${operator} ${sql[0]})` };
  }
}

function whereOf(
  random: Random,
  columns: readonly Column[],
  likely: ValueOf,
): { json: Pick<Query, 'where'>; sql: string } {
  const some = Array.from({ length: integerBetween(random, 0, 2) }, () => condition(random, columns, likely, 0));
  if (some.length === 0) return { json: {}, sql: '' };
  return { json: { where: some.map(({ json }) => json) }, sql: ` where ${joined(some, ' and ', 'true')}` };
}

export function randomQuery(random: Random, table: Table, likely: ValueOf): Paired {
  const draw = random.fraction();
  if (draw < 0.15) return rangeQuery(random, table, likely);
  if (draw < 0.45) return rowsQuery(random, table, likely);
  return draw < 0.75 ? groupsQuery(random, table, likely) : sumsQuery(random, table, likely);
}

const direction = (random: Random): 'asc' | 'desc' => (chance(random, 0.5) ? 'asc' : 'desc');

/** Rows of one partition key, within bounds of the rest of the key and in its order, either way: what is read as a range. */
function rangeQuery(random: Random, table: Table, likely: ValueOf): Paired {
  const [first, ...sort] = keyColumns(table) as [Column, ...Column[]];
  const columns = [first, ...sort, ...cellColumns(table)];
  const compared = (column: Column, operator: string): PairedCondition => {
    const value = likely(column);
    const sql = `(${sqlName(column)} ${operator} ${sqlLiteral(column.type, value)})`;
    return { json: [column.name, operator, cellToJson(column.type, value)], sql };
  };
  const where = [compared(first, '=')];
  for (const column of sort) {
    if (chance(random, 0.3)) where.push(compared(column, '='));
    while (chance(random, 0.4)) where.push(compared(column, pick(random, COMPARISONS)));
  }
  if (chance(random, 0.3)) where.push(condition(random, columns, likely, 0));
  const way = direction(random);
  const orderings = chance(random, 0.5) && sort.length > 0 ? sort : [first, ...sort];
  const selected = chance(random, 0.5) ? columns : [pick(random, columns)];
  const limit = chance(random, 0.5) ? integerBetween(random, 1, 8) : null;
  return {
    query: {
      where: where.map(({ json }) => json),
      select: selected.map(({ name }) => name),
      orderBy: orderings.map(({ name }) => [name, way]),
      ...(limit === null ? {} : { limit }),
    },
    sql:
      `select ${selected.map(sqlName).join(', ')} from t where ${joined(where, ' and ', 'true')} order by ` +
      orderings.map((column) => `${sqlName(column)} ${way}`).join(', ') +
      (limit === null ? '' : ` limit ${limit}`),
    types: selected.map(({ type }) => type),
    isOrdered: true,
  };
}

function rowsQuery(random: Random, table: Table, likely: ValueOf): Paired {
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const where = whereOf(random, columns, likely);
  const some = columns.filter(() => chance(random, 0.5));
  const isAll = some.length === 0 || chance(random, 0.3);
  const selected = isAll ? columns : some;
  const isOrdered = chance(random, 0.7);
  const by = [...(chance(random, 0.6) ? [pick(random, columns)] : []), ...keyColumns(table)];
  const orderings = by
    .filter((column, i) => by.indexOf(column) === i)
    .map((column) => ({ column, way: direction(random) }));
  const limit = isOrdered && chance(random, 0.4) ? integerBetween(random, 1, 8) : null;
  const order = orderings.map(({ column, way }) => `${sqlName(column)} ${way} nulls last`).join(', ');
  return {
    query: {
      ...where.json,
      ...(isAll ? {} : { select: selected.map(({ name }) => name) }),
      ...(isOrdered ? { orderBy: orderings.map(({ column, way }) => [column.name, way]) } : {}),
      ...(limit === null ? {} : { limit }),
    },
    sql:
      `select ${selected.map(sqlName).join(', ')} from t${where.sql}` +
      (isOrdered ? ` order by ${order}` : '') +
      (limit === null ? '' : ` limit ${limit}`),
    types: selected.map(({ type }) => type),
    isOrdered,
  };
}

const AGGREGATES = ['count', 'sum', 'avg', 'min', 'max', 'countDistinct', 'quantile'] as const;
const LONG: ColumnType = { name: 'long' };
const DOUBLE: ColumnType = { name: 'double' };

/** Counts and sums of whole numbers under comparisons of them, which are made without a list of rows. */
function sumsQuery(random: Random, table: Table, likely: ValueOf): Paired {
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const narrow = columns.filter(({ type }) => ['int', 'date', 'timestamp'].includes(type.name));
  const whole = columns.filter(({ type }) => type.name === 'int');
  const conditions = narrow.filter(() => chance(random, 0.3)).map((column) => compared(random, column, likely));
  const texts = columns.filter(({ type }) => type.name === 'string');
  const groupBy = texts.length > 0 && chance(random, 0.6) ? [pick(random, texts)] : [];
  const sums = whole.filter(() => chance(random, 0.6));
  const grouping = groupBy.map(sqlName).join(', ');
  return {
    query: {
      ...(conditions.length === 0 ? {} : { where: conditions.map(({ json }) => json) }),
      select: [
        ...groupBy.map(({ name }) => name),
        { count: '*', as: 'rows' },
        ...sums.map(({ name }, i) => ({ sum: name, as: `x${i}` })),
      ],
      ...(groupBy.length === 0 ? {} : { groupBy: groupBy.map(({ name }) => name) }),
    },
    sql:
      `select ${[...groupBy.map(sqlName), 'count(*)', ...sums.map((column) => `sum(${sqlName(column)})`)].join(', ')} from t` +
      (conditions.length === 0 ? '' : ` where ${joined(conditions, ' and ', 'true')}`) +
      (grouping === '' ? '' : ` group by ${grouping}`),
    types: [...groupBy.map(({ type }) => type), LONG, ...sums.map(() => LONG)],
    isOrdered: false,
  };
}

function compared(random: Random, column: Column, likely: ValueOf): PairedCondition {
  const operator = pick(random, COMPARISONS);
  const value = likely(column);
  const sql = `(${sqlName(column)} ${operator} ${sqlLiteral(column.type, value)})`;
  return { json: [column.name, operator, cellToJson(column.type, value)], sql };
}

type PairedAggregate = { readonly item: object; readonly sql: string; readonly type: ColumnType };

function aggregate(random: Random, columns: readonly Column[], as: string): PairedAggregate {
  const kind = pick(random, AGGREGATES);
  const column = pick(random, columns);
  const { name, type } = column;
  const isNumber = ['int', 'long', 'double', 'decimal'].includes(type.name);
  const of = sqlName(column);
  if ((kind === 'sum' || kind === 'avg') && !isNumber) return { item: { count: '*', as }, sql: 'count(*)', type: LONG };
  switch (kind) {
    case 'count':
      return { item: { count: name, as }, sql: `count(${of})`, type: LONG };
    case 'countDistinct':
      return { item: { countDistinct: name, as }, sql: `count(distinct ${of})`, type: LONG };
    case 'sum':
      return { item: { sum: name, as }, sql: `sum(${of})`, type: type.name === 'int' ? LONG : type };
    case 'avg':
      return { item: { avg: name, as }, sql: `avg(${of})`, type: DOUBLE };
    case 'quantile': {
      const at = pick(random, [0, 0.25, 0.5, 0.9, 1]);
      return { item: { quantile: name, at, as }, sql: `quantile_disc(${of}, ${at})`, type };
    }
    default:
      return { item: { [kind]: name, as }, sql: `${kind}(${of})`, type };
  }
}

function groupsQuery(random: Random, table: Table, likely: ValueOf): Paired {
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const where = whereOf(random, columns, likely);
  const groupBy = columns.filter(() => chance(random, 0.25)).slice(0, 3);
  const aggregates = Array.from({ length: integerBetween(random, 1, 4) }, (_, i) =>
    aggregate(random, columns, `x${i}`),
  );
  const isOrdered = chance(random, 0.5) && groupBy.length > 0;
  const first = pick(random, aggregates);
  const place = aggregates.indexOf(first);
  // Sums of doubles are rounded by the order in which they are added: nobody's order by them is the other's.
  const isExact = first.type.name !== 'double';
  const ways = [...(isExact ? [direction(random)] : []), ...groupBy.map(() => direction(random))];
  const names = [...(isExact ? [`x${place}`] : []), ...groupBy.map(({ name }) => name)];
  const terms = [...(isExact ? [first.sql] : []), ...groupBy.map(sqlName)];
  const limit = isOrdered && chance(random, 0.4) ? integerBetween(random, 1, 5) : null;
  const grouping = groupBy.map(sqlName).join(', ');
  return {
    query: {
      ...where.json,
      select: [...groupBy.map(({ name }) => name), ...aggregates.map(({ item }) => item)] as Query['select'],
      ...(groupBy.length === 0 ? {} : { groupBy: groupBy.map(({ name }) => name) }),
      ...(isOrdered ? { orderBy: names.map((name, i) => [name, ways[i]!]) } : {}),
      ...(limit === null ? {} : { limit }),
    },
    sql:
      `select ${[...groupBy.map(sqlName), ...aggregates.map(({ sql }) => sql)].join(', ')} from t${where.sql}` +
      (grouping === '' ? '' : ` group by ${grouping}`) +
      (isOrdered ? ` order by ${terms.map((term, i) => `${term} ${ways[i]} nulls last`).join(', ')}` : '') +
      (limit === null ? '' : ` limit ${limit}`),
    types: [...groupBy.map(({ type }) => type), ...aggregates.map(({ type }) => type)],
    isOrdered,
  };
}
