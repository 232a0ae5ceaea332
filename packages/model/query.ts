/** A scan as it is asked for, and as it is run once checked against the table. */

import { Fault } from '@tidemark/platform/fault';
import { z } from 'zod';
import { type ColumnType, formatColumnType, type Value } from './column-type.ts';
import { checkConditions, checkNamed, joinedParts } from './conditions.ts';
import { COMPARISONS, type Comparison, type Filter } from './filter.ts';
import { COLUMN_NAME_EXPECTED, isColumnName } from './keyspace-file.ts';
import { nearestHint } from './nearest.ts';
import { type Column, cellColumns, columnNamed, keyColumns, type Table } from './table.ts';
import { parseJsonValue, shown } from './text/cell-value.ts';

const AGGREGATES = ['count', 'sum', 'min', 'max', 'avg', 'countDistinct', 'countDistinctApprox'] as const;
const OPERATORS = `${COMPARISONS.join(' ')} in between prefix is-null is-not-null`;
type AggregateName = (typeof AGGREGATES)[number] | 'quantile';

const aggregateShape = z.union([
  ...AGGREGATES.map((name) => z.strictObject({ [name]: z.string(), as: z.string().min(1).optional() })),
  /** The smallest value that a share `at` of the values does not exceed: 0.5 is the median. */
  z.strictObject({ quantile: z.string(), at: z.number().min(0).max(1), as: z.string().min(1).optional() }),
]);
type ConditionJson =
  | readonly [string, string, unknown?]
  | { readonly and: readonly ConditionJson[] }
  | { readonly or: readonly ConditionJson[] }
  | { readonly not: ConditionJson };
const conditionShape: z.ZodType<ConditionJson> = z.lazy(() =>
  z.union([
    z.tuple([z.string(), z.string(), z.unknown().optional()]),
    z.strictObject({ and: z.array(conditionShape) }),
    z.strictObject({ or: z.array(conditionShape) }),
    z.strictObject({ not: conditionShape }),
  ]),
);

/** The body of `POST /v1/{keyspace}/{table}/scan`. */
const queryShape = z.strictObject({
  /** Columns and aggregates; all columns when left out. */
  select: z
    .array(z.union([z.string(), aggregateShape]))
    .min(1)
    .optional(),
  /** Conditions that must all hold: `["delay", ">", 60]`, or `and`, `or`, `not` of some. */
  where: z.array(conditionShape).optional(),
  groupBy: z.array(z.string()).min(1).optional(),
  /** Names of what is selected, or columns; cells without a value come last in either direction. */
  orderBy: z
    .array(z.tuple([z.string(), z.enum(['asc', 'desc'])]))
    .min(1)
    .optional(),
  limit: z.number().int().positive().optional(),
  /** Goes on where an earlier scan of the same query stopped. */
  cursor: z.string().optional(),
});
/** A scan as JSON asks for it, of the right shape but not checked against a table. */
export type Query = z.infer<typeof queryShape>;

/** One column of the result. An aggregate's `column` is null for `count(*)`. */
export type Output =
  | { readonly kind: 'column'; readonly name: string; readonly type: ColumnType; readonly column: Column }
  | {
      readonly kind: Exclude<AggregateName, 'countDistinct' | 'countDistinctApprox' | 'quantile'>;
      readonly name: string;
      readonly type: ColumnType;
      readonly column: Column | null;
    }
  | {
      readonly kind: 'countDistinct' | 'countDistinctApprox' | 'quantile';
      readonly name: string;
      readonly type: ColumnType;
      readonly column: Column;
      /** Of a quantile: from 0 to 1. */
      readonly at: number;
    };

/** What rows are ordered by: a result column of that name, or else a column of the table. */
export type Ordering = { readonly name: string; readonly column: Column | null; readonly isDescending: boolean };

/** A query whose columns, types and groups were found in the table, as the store runs it. */
export type ScanPlan = {
  readonly table: Table;
  readonly outputs: readonly Output[];
  readonly filter: Filter;
  /** Null: rows as they are. Empty: one group of all rows. */
  readonly groupBy: readonly Column[] | null;
  readonly orderBy: readonly Ordering[];
  readonly limit: number | null;
  readonly cursor: string | null;
};

/** Checks the form of a request. @throws {Fault} `invalid`: names the place and what was expected. */
export function parseQuery(json: unknown): Query {
  checkNamed(json);
  checkConditions((json as { readonly where?: unknown } | null | undefined)?.where);
  const parsed = queryShape.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const place = issue.path.length === 0 ? 'scan' : `scan ${issue.path.join('.')}`;
  throw new Fault('invalid', `${place}: ${issue.message}; got ${shown(at(json, issue.path))}`, {
    got: shown(at(json, issue.path)),
    expected: issue.message,
  });
}

function at(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const step of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step];
  return value;
}

/** @throws {Fault} `invalid`: an unknown column, a value of the wrong type, an aggregate that makes no sense. */
export function planQuery(table: Table, query: Query): ScanPlan {
  const filter: Filter = { kind: 'and', parts: (query.where ?? []).map((json) => planCondition(table, json)) };
  const groupBy = query.groupBy?.map((name) => knownColumn(table, name));
  const outputs = planOutputs(table, query, groupBy);
  const isGrouped = groupBy !== undefined || outputs.some((output) => output.kind !== 'column');
  if (isGrouped && query.cursor !== undefined) throw wrong(table, 'a cursor', 'a scan of rows, not of groups');
  const plan = { table, outputs, filter, groupBy: isGrouped ? (groupBy ?? []) : null };
  return {
    ...plan,
    orderBy: (query.orderBy ?? []).map(([name, direction]) => planOrdering(plan, name, direction === 'desc')),
    limit: query.limit ?? null,
    cursor: query.cursor ?? null,
  };
}

function planOutputs(table: Table, query: Query, groupBy: readonly Column[] | undefined): Output[] {
  const all = groupBy ?? [...keyColumns(table), ...cellColumns(table)];
  const items = query.select ?? all.map((column) => column.name);
  const outputs = items.map((item) => (typeof item === 'string' ? columnOutput(table, item) : aggregate(table, item)));
  const names = new Set<string>();
  for (const { name } of outputs) {
    if (names.has(name)) throw wrong(table, `"${name}" twice in select`, 'each name once; name aggregates with "as"');
    names.add(name);
  }
  const isGrouped = groupBy !== undefined || outputs.some((output) => output.kind !== 'column');
  for (const output of outputs) {
    if (!isGrouped || output.kind !== 'column' || groupBy?.some((column) => column.id === output.column.id)) continue;
    throw wrong(
      table,
      `column "${output.name}" beside aggregates`,
      'it in groupBy, or an aggregate of it',
      output.name,
    );
  }
  return outputs;
}

function columnOutput(table: Table, name: string): Output {
  const column = knownColumn(table, name);
  return { kind: 'column', name, type: column.type, column };
}

function aggregate(table: Table, item: Exclude<NonNullable<Query['select']>[number], string>): Output {
  const { as, at, ...named } = item as { as?: string; at?: number } & Readonly<Record<string, string>>;
  const [kind, name] = Object.entries(named)[0] as [AggregateName, string];
  if (as !== undefined && !isColumnName(as)) throw wrong(table, `as ${shown(as)}`, COLUMN_NAME_EXPECTED);
  const shownName = as ?? (at === undefined ? `${kind}(${name})` : `${kind}(${name}, ${at})`);
  if (name === '*') {
    if (kind !== 'count') throw wrong(table, `${kind}(*)`, `count(*), or ${kind} of a column`);
    return { kind, name: shownName, type: { name: 'long' }, column: null };
  }
  const column = knownColumn(table, name);
  const type = aggregateType(table, kind, column);
  if (kind !== 'countDistinct' && kind !== 'countDistinctApprox' && kind !== 'quantile') {
    return { kind, name: shownName, type, column };
  }
  return { kind, name: shownName, type, column, at: at ?? 0 };
}

function aggregateType(table: Table, kind: AggregateName, column: Column): ColumnType {
  const { type } = column;
  if (kind.startsWith('count')) return { name: 'long' };
  if (kind === 'min' || kind === 'max' || kind === 'quantile') return type;
  const isNumber = ['int', 'long', 'double', 'decimal'].includes(type.name);
  if (!isNumber) {
    throw wrong(table, `${kind}(${column.name}) of type ${formatColumnType(type)}`, 'a column of numbers', column.name);
  }
  if (kind === 'avg') return { name: 'double' };
  // A sum may have more digits than what is summed.
  if (type.name === 'decimal') return { ...type, precision: 18 };
  return type.name === 'int' ? { name: 'long' } : type;
}

function planOrdering(
  plan: { readonly table: Table; readonly outputs: readonly Output[]; readonly groupBy: readonly Column[] | null },
  name: string,
  isDescending: boolean,
): Ordering {
  if (plan.outputs.some((output) => output.name === name)) return { name, column: null, isDescending };
  if (plan.groupBy === null) return { name, column: knownColumn(plan.table, name), isDescending };
  const names = plan.outputs.map((output) => output.name);
  throw wrong(plan.table, `orderBy "${name}"${nearestHint(name, names)}`, `one of ${names.join(', ')}`, name);
}

function planCondition(table: Table, json: ConditionJson): Filter {
  if ('and' in json) return planned(table, 'and', json.and);
  if ('or' in json) return planned(table, 'or', json.or);
  if ('not' in json) return { kind: 'not', part: planCondition(table, json.not) };
  const [name, operator, operand] = json;
  const column = knownColumn(table, name);
  switch (operator) {
    case 'is-null':
    case 'is-not-null':
      return { kind: 'null', column, isNull: operator === 'is-null' };
    case 'in':
      return { kind: 'in', column, values: list(table, column, operator, operand) };
    case 'between': {
      const [low, high, ...more] = list(table, column, operator, operand);
      if (low === undefined || high === undefined || more.length > 0) {
        throw wrong(table, `${name} between ${shown(operand)}`, '[low, high]', name);
      }
      return {
        kind: 'and',
        parts: [
          { kind: 'compare', column, operator: '>=', value: low },
          { kind: 'compare', column, operator: '<=', value: high },
        ],
      };
    }
    case 'prefix': {
      if (column.type.name !== 'string' && column.type.name !== 'bytes') {
        throw wrong(table, `${name} prefix of type ${formatColumnType(column.type)}`, 'a string or bytes column', name);
      }
      const prefix = parseJsonValue(column, operand);
      return {
        kind: 'prefix',
        column,
        prefix: typeof prefix === 'string' ? Buffer.from(prefix) : (prefix as Uint8Array),
      };
    }
    default:
      if (!COMPARISONS.includes(operator as Comparison)) {
        throw wrong(table, `operator "${operator}"`, `one of ${OPERATORS}`, name);
      }
      return { kind: 'compare', column, operator: operator as Comparison, value: parseJsonValue(column, operand) };
  }
}

function planned(table: Table, kind: 'and' | 'or', parts: readonly ConditionJson[]): Filter {
  return {
    kind,
    parts: joinedParts(
      kind,
      parts.map((part) => planCondition(table, part)),
    ),
  };
}

function list(table: Table, column: Column, operator: string, operand: unknown): Value[] {
  if (!Array.isArray(operand))
    throw wrong(table, `${column.name} ${operator} ${shown(operand)}`, 'a list', column.name);
  return operand.map((json) => parseJsonValue(column, json));
}

/** The column of that name, not dropped. @throws {Fault} `invalid`: there is none; names those there are. */
export function knownColumn(table: Table, name: string): Column {
  const column = columnNamed(table, name);
  if (column !== undefined) return column;
  const names = table.columns.filter((one) => !one.dropped).map((one) => one.name);
  const expected = names.join(', ');
  const message = `table ${table.name} has no column "${name}"${nearestHint(name, names)}; it has ${expected}`;
  throw new Fault('invalid', message, { table: table.name, column: name, got: name, expected });
}

function wrong(table: Table, got: string, expected: string, column?: string): Fault {
  const named = column === undefined ? {} : { column };
  return new Fault('invalid', `table ${table.name}: ${got}; expected ${expected}`, {
    table: table.name,
    ...named,
    got,
    expected,
  });
}
