/** A table as a program declares it, and the row types that follow from the declaration. */

import { Fault } from '@tidemark/platform/fault';
import type { Moment, Timestamp } from './timestamp.ts';

/** A column's type as a keyspace file writes it. */
export type ColumnTypeName =
  | 'boolean'
  | 'int'
  | 'long'
  | 'double'
  | 'string'
  | 'bytes'
  | 'timestamp'
  | 'date'
  | `decimal(${number},${number})`;

/** The part of a keyspace file's table that a program needs to read and write rows. */
export type TableDefinition = {
  /** Name → type. */
  readonly columns: { readonly [name: string]: ColumnTypeName };
  /** The column that decides which partition a row is in; the first of the key. */
  readonly partitionKey: string;
  /** The other columns of the key, in the order rows are kept in; none when left out. */
  readonly sortKey?: readonly string[];
};

/** Refuses, while compiling, a key that is not among the columns. */
type KeyIsAmongColumns<D extends TableDefinition> = {
  readonly partitionKey: ColumnName<D>;
  readonly sortKey?: readonly ColumnName<D>[];
};

/** A declared table: its place and its columns. `D` carries the row types. */
export type ClientTable<D extends TableDefinition = TableDefinition> = {
  /** The keyspace's name. */
  readonly keyspace: string;
  /** The table's name, without its keyspace. */
  readonly name: string;
  /** As it was declared. */
  readonly definition: D;
  /** Partition key first, then the sort key in order. */
  readonly key: readonly string[];
};

/** Names of all columns. */
export type ColumnName<D extends TableDefinition> = keyof D['columns'] & string;

/** Names of the key's columns. */
export type KeyName<D extends TableDefinition> =
  | Extract<D['partitionKey'], ColumnName<D>>
  | (D['sortKey'] extends readonly (infer S)[] ? Extract<S, ColumnName<D>> : never);

/** What a cell of a type is when read. A `long` is a bigint, a `decimal` its digits, a `date` YYYY-MM-DD. */
export type ReadValue<T extends ColumnTypeName> = T extends 'boolean'
  ? boolean
  : T extends 'int' | 'double'
    ? number
    : T extends 'long'
      ? bigint
      : T extends 'bytes'
        ? Uint8Array
        : T extends 'timestamp'
          ? Timestamp
          : string;

/** What may be written into a cell of a type. A plain `Date` has ms; a `Timestamp` or RFC 3339 text has µs. */
export type WriteValue<T extends ColumnTypeName> = T extends 'boolean'
  ? boolean
  : T extends 'int' | 'double'
    ? number
    : T extends 'long'
      ? number | bigint
      : T extends 'bytes'
        ? Uint8Array
        : T extends 'timestamp'
          ? Moment | string
          : T extends 'date' | 'string'
            ? string
            : string | number;

type TypeOf<D extends TableDefinition, C extends ColumnName<D>> = D['columns'][C];

/** A row as read: every column is there; a cell that has no value is null. */
export type Row<D extends TableDefinition> = {
  [C in ColumnName<D>]: C extends KeyName<D> ? ReadValue<TypeOf<D, C>> : ReadValue<TypeOf<D, C>> | null;
};

/** The row type of a declared table, for signatures: `RowOf<typeof flights>`. */
export type RowOf<T> = T extends ClientTable<infer D> ? Row<D> : never;

/** The key of one row. */
export type Key<D extends TableDefinition> = { [C in KeyName<D>]: WriteValue<TypeOf<D, C>> };

/** A row to write: the key, and cells. An absent cell is untouched, null deletes it, `$delete` deletes the row. */
export type WriteRow<D extends TableDefinition> =
  | (Key<D> & {
      [C in Exclude<ColumnName<D>, KeyName<D>>]?: WriteValue<TypeOf<D, C>> | null;
    })
  | (Key<D> & { $delete: true });

/** The first parts of a key: the partition key, and any sort-key columns that follow without a gap. */
export type KeyPrefix<D extends TableDefinition> = {
  [C in Extract<D['partitionKey'], ColumnName<D>>]: WriteValue<TypeOf<D, C>>;
} & Partial<Key<D>>;

/**
 * Declares a table, as the keyspace file does.
 * @param name `keyspace.table`
 * @throws {Fault} `invalid`: the name has another form, or the key names a column that is not declared.
 */
export function table<const D extends TableDefinition>(
  name: `${string}.${string}`,
  definition: D & KeyIsAmongColumns<D>,
): ClientTable<D> {
  const place = splitTableName(name);
  const key = [definition.partitionKey, ...(definition.sortKey ?? [])];
  for (const column of key) {
    if (Object.hasOwn(definition.columns, column)) continue;
    const expected = Object.keys(definition.columns).join(', ');
    throw new Fault('invalid', `table ${name}: the key names "${column}"; the columns are ${expected}`, {
      table: name,
      column,
      expected,
    });
  }
  return { ...place, definition, key };
}

/** @throws {Fault} `invalid`: not `keyspace.table`. */
export function splitTableName(name: string): { readonly keyspace: string; readonly name: string } {
  const match = /^([^./]+)\.([^./]+)$/.exec(name);
  if (match !== null) return { keyspace: match[1]!, name: match[2]! };
  const expected = 'keyspace.table, like travel.flights';
  throw new Fault('invalid', `table name "${name}", expected ${expected}`, { got: name, expected });
}
