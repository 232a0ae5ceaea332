/** A table of the bench: the same rows for ours, as cells by number, and for the peers, as a query of DuckDB. */

import type { RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import type { Column, Table } from '@tidemark/model/table';

export type Dataset = {
  readonly table: Table;
  readonly rowCount: number;
  readonly roles: Roles;
  keyOf(row: number): Buffer;
  /** Writes the cells of `row`, all but its key's, at place `at` of a batch. */
  putCells(batch: RowBatch, at: number, row: number): void;
  /**
   * A query of DuckDB that gives the rows: `i`, the number of a row, then the columns.
   * @param folder where files that it reads may be written
   */
  rowsSql(folder: string): string;
  /** The cells of a row as LMDB holds them. */
  packed(row: number): Buffer;
  readonly gets: readonly GetKind[];
};

/** What the measures do with which column. */
export type Roles = {
  /** An int: filtered by, averaged by group, and what updates write. */
  readonly updated: string;
  /** The filter is `updated > above`. */
  readonly above: number;
  /** An int: summed up where the filter holds. */
  readonly summed: string;
  readonly grouped: string;
  /** Columns of few different strings, which ClickHouse is told. */
  readonly fewValued: readonly string[];
};

/** Which cells a point get reads. */
export type GetKind = {
  readonly what: string;
  readonly columns: readonly string[];
  /** Those cells from LMDB's bytes. */
  unpack(bytes: Buffer): readonly (Value | null)[];
};

export function columnNamed(table: Table, name: string): Column {
  const column = table.columns.find((c) => c.name === name);
  if (column === undefined) throw new Error(`table ${table.name} has no column ${name}`);
  return column;
}

/** The names of all columns, and of the key's, as a list of SQL. */
export function columnList({ columns }: Table): string {
  return columns.map(({ name }) => name).join(', ');
}
export function keyList({ columns, key }: Table): string {
  return key.map((id) => columns.find((column) => column.id === id)!.name).join(', ');
}

const DUCK_TYPES = new Map([
  ['string', 'varchar'],
  ['int', 'int'],
  ['double', 'double'],
  ['timestamp', 'timestamp'],
]);
const CLICK_TYPES = new Map([
  ['string', 'String'],
  ['int', 'Int32'],
  ['double', 'Float64'],
  ['timestamp', "DateTime64(6, 'UTC')"],
]);

/** The columns with their types, as DuckDB and as ClickHouse define a table. */
export function duckColumns({ columns }: Table): string {
  return columns.map(({ name, type }) => `${name} ${DUCK_TYPES.get(type.name)!}`).join(', ');
}
export function clickColumns({ table, roles }: Dataset): string {
  return table.columns
    .map(({ name, type }) => {
      const clickType = CLICK_TYPES.get(type.name)!;
      return `${name} ${roles.fewValued.includes(name) ? `LowCardinality(${clickType})` : clickType}`;
    })
    .join(', ');
}
