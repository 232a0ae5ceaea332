/** A scan as a program asks for it, the type of its rows, and the rows as they arrive. */

import { own } from '@tidemark/model/own';
import { fromJson, rowFromJson, toJson } from './cell-json.ts';
import type { Reply } from './exchange.ts';
import { type ScanEnd, scanBlocks } from './ndjson.ts';
import type { ClientTable, ColumnName, ColumnTypeName, ReadValue, Row, TableDefinition, WriteValue } from './table.ts';

/** A column, or an aggregate under a name of its own. */
export type SelectItem<D extends TableDefinition> =
  | ColumnName<D>
  | { readonly count: '*' | ColumnName<D>; readonly as: string }
  | { readonly sum: ColumnName<D>; readonly as: string }
  | { readonly avg: ColumnName<D>; readonly as: string }
  | { readonly min: ColumnName<D>; readonly as: string }
  | { readonly max: ColumnName<D>; readonly as: string };

/** One condition on a column. A comparison with a cell that has no value is neither true nor false. */
export type ColumnCondition<D extends TableDefinition> = {
  [C in ColumnName<D>]:
    | readonly [C, '=' | '!=' | '<' | '<=' | '>' | '>=', WriteValue<D['columns'][C]>]
    | readonly [C, 'in', readonly WriteValue<D['columns'][C]>[]]
    | readonly [C, 'between', readonly [WriteValue<D['columns'][C]>, WriteValue<D['columns'][C]>]]
    | readonly [C, 'prefix', WriteValue<D['columns'][C]>]
    | readonly [C, 'is-null' | 'is-not-null'];
}[ColumnName<D>];

/** A condition, or several put together. */
export type Condition<D extends TableDefinition> =
  | ColumnCondition<D>
  | { readonly and: readonly Condition<D>[] }
  | { readonly or: readonly Condition<D>[] }
  | { readonly not: Condition<D> };

/** A scan: conditions, selection, grouping, order and limit, all optional. */
export type ScanQuery<D extends TableDefinition> = {
  /** Columns and aggregates; all columns when left out. */
  readonly select?: readonly SelectItem<D>[];
  /** All of them must hold. */
  readonly where?: readonly Condition<D>[];
  /** Columns whose values make the groups that aggregates are of. */
  readonly groupBy?: readonly ColumnName<D>[];
  /** Columns or the names of aggregates. Cells without a value come last, in either direction. */
  readonly orderBy?: readonly (readonly [string, 'asc' | 'desc'])[];
  /** Rows at most; a whole number from 1 on. */
  readonly limit?: number;
  /** Goes on where the `end` of an earlier scan of the same query stopped. */
  readonly cursor?: string;
};

/** How fresh and from where a read is. */
export type ReadOptions = {
  /** `local`: any site, what it has applied. `primary`: the newest committed value. */
  readonly read?: 'local' | 'primary';
  /** The site to ask, by name or address. */
  readonly at?: string;
  /** A receipt's token: the answer contains that write, and waits for it. */
  readonly atLeast?: string;
};

/** Whole numbers are summed exactly, so that the sum of an `int` is a `long`. */
type SumType<T extends ColumnTypeName> = T extends 'int' ? 'long' : T;

type NullableRead<T extends ColumnTypeName> = ReadValue<T> | null;

type SelectedCell<D extends TableDefinition, S> =
  S extends ColumnName<D>
    ? { [C in S]: Row<D>[C] }
    : S extends { readonly count: unknown; readonly as: infer A extends string }
      ? { [N in A]: number }
      : S extends { readonly avg: unknown; readonly as: infer A extends string }
        ? { [N in A]: number | null }
        : S extends { readonly sum: infer C extends ColumnName<D>; readonly as: infer A extends string }
          ? { [N in A]: NullableRead<SumType<D['columns'][C]>> }
          : S extends { readonly min: infer C extends ColumnName<D>; readonly as: infer A extends string }
            ? { [N in A]: NullableRead<D['columns'][C]> }
            : S extends { readonly max: infer C extends ColumnName<D>; readonly as: infer A extends string }
              ? { [N in A]: NullableRead<D['columns'][C]> }
              : never;

type Both<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

/** The row type of a query: the selected cells, or the whole row. */
export type ScanRow<D extends TableDefinition, Q extends ScanQuery<D>> = Q['select'] extends readonly (infer S)[]
  ? { [C in keyof Both<SelectedCell<D, S>>]: Both<SelectedCell<D, S>>[C] }
  : Row<D>;

/** The query as JSON, for the site. @throws {Fault} `invalid`: a value JSON cannot say. */
export function queryToJson<D extends TableDefinition>(query: ScanQuery<D>): string {
  const where = query.where?.map((one) => conditionToJson(one as Condition<TableDefinition>));
  return JSON.stringify({ ...query, where });
}

function conditionToJson(condition: Condition<TableDefinition>): unknown {
  if ('and' in condition) return { and: condition.and.map(conditionToJson) };
  if ('or' in condition) return { or: condition.or.map(conditionToJson) };
  if ('not' in condition) return { not: conditionToJson(condition.not) };
  const [column, operator, ...rest] = condition as readonly [string, string, unknown?];
  const operands = rest.map((operand) =>
    Array.isArray(operand) ? operand.map((one) => toJson(column, one)) : toJson(column, operand),
  );
  return [column, operator, ...operands];
}

/** Turns a row of the answer into the program's values. */
export function rowReader<D extends TableDefinition>(
  table: ClientTable<D>,
  select: readonly SelectItem<D>[] | undefined,
): (json: Record<string, unknown>) => Record<string, unknown> {
  if (select === undefined) return (json) => rowFromJson(table, json);
  const columns = select.map((item): readonly [string, ColumnTypeName] => selectedType(table, item));
  return (json) => Object.fromEntries(columns.map(([name, type]) => [name, fromJson(name, type, own(json, name))]));
}

function selectedType(table: ClientTable, item: SelectItem<TableDefinition>): readonly [string, ColumnTypeName] {
  const typeOf = (column: string): ColumnTypeName => own(table.definition.columns, column)!;
  if (typeof item === 'string') return [item, typeOf(item)];
  if ('count' in item || 'avg' in item) return [item.as, 'double'];
  if ('sum' in item) return [item.as, typeOf(item.sum) === 'int' ? 'long' : typeOf(item.sum)];
  return [item.as, typeOf('min' in item ? item.min : item.max)];
}

/** The rows of a scan, one by one as they arrive; `end` is known once they are through. Read it once. */
export class ScanRows<R> implements AsyncIterable<R> {
  readonly #open: () => Promise<Reply>;
  readonly #row: (json: Record<string, unknown>) => unknown;
  readonly #idleMs: number;
  #end: ScanEnd | null = null;

  private constructor(open: () => Promise<Reply>, row: (json: Record<string, unknown>) => unknown, idleMs: number) {
    this.#open = open;
    this.#row = row;
    this.#idleMs = idleMs;
  }

  /** @internal What `Database.scan` makes. */
  static of<R>(
    open: () => Promise<Reply>,
    row: (json: Record<string, unknown>) => unknown,
    idleMs: number,
  ): ScanRows<R> {
    return new ScanRows<R>(open, row, idleMs);
  }

  /** What the site said at the end; null until the last row was read. */
  get end(): ScanEnd | null {
    return this.#end;
  }

  /**
   * Rows in blocks as they arrive, for those who have many.
   * @throws {Fault} `unknown`: the answer stopped before its end; never silently short.
   */
  async *blocks(): AsyncGenerator<R[]> {
    using reply = await this.#open();
    const blocks = scanBlocks(reply, `scan at ${reply.url}`, this.#idleMs);
    try {
      for (;;) {
        const next = await blocks.next();
        if (next.done === true) {
          this.#end = next.value;
          return;
        }
        yield next.value.map((json) => this.#row(json) as R);
      }
    } finally {
      await blocks.return(undefined as never);
    }
  }

  /** The rows one by one. Errors as `blocks`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<R> {
    for await (const block of this.blocks()) yield* block;
  }
}
