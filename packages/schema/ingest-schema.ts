/** The Avro schemas in which other programs write rows to the ingest topic. */

import type { ColumnType } from './column-type.ts';
import { type Column, keyColumns, type Table } from './table.ts';

/** One row's change, of any table. */
export const ROW_MUTATION_SCHEMA = {
  type: 'record',
  name: 'RowMutation',
  namespace: 'tidemark.v1',
  fields: [
    { name: 'table', type: 'string' },
    {
      name: 'op',
      type: { type: 'enum', name: 'Op', symbols: ['UPSERT', 'DELETE'], default: 'UPSERT' },
      default: 'UPSERT',
    },
    { name: 'key', type: { type: 'map', values: ['boolean', 'long', 'double', 'string', 'bytes'] } },
    {
      name: 'cells',
      type: { type: 'map', values: ['null', 'boolean', 'long', 'double', 'string', 'bytes'] },
      default: {},
    },
    { name: 'requestId', type: ['null', 'string'], default: null },
  ],
} as const;

const AVRO_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Record name and field names are not always what table and columns are called: these attributes say it. */
export type TableSchema = {
  readonly type: 'record';
  readonly name: string;
  readonly namespace: string;
  readonly table: string;
  readonly fields: readonly Record<string, unknown>[];
};

/**
 * The record whose fields are a table's columns: key columns as they are, the others nullable with default null.
 * Columns that came into being by being written are not in it. A field whose column has no Avro name is called after
 * the column's id and names it in `column`.
 */
export function tableSchema(table: Table): TableSchema {
  const declared = table.columns.filter((column) => !column.dropped && column.dynamic !== true);
  const key = new Set(keyColumns(table).map((column) => column.id));
  return {
    type: 'record',
    name: AVRO_NAME.test(table.name) ? table.name : `table_${table.id}`,
    namespace: 'tidemark.tables',
    table: table.name,
    fields: declared.map((column) => ({
      ...fieldName(column),
      ...(key.has(column.id)
        ? { type: avroType(column.type) }
        : { type: ['null', avroType(column.type)], default: null }),
    })),
  };
}

function fieldName(column: Column): { name: string; column?: string } {
  if (AVRO_NAME.test(column.name)) return { name: column.name };
  return { name: `column_${column.id}`, column: column.name };
}

function avroType(type: ColumnType): string | object {
  if (type.name === 'timestamp') return { type: 'long', logicalType: 'timestamp-micros' };
  if (type.name === 'date') return { type: 'int', logicalType: 'date' };
  if (type.name !== 'decimal') return type.name;
  return { type: 'bytes', logicalType: 'decimal', precision: type.precision, scale: type.scale };
}
