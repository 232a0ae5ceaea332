/** The Avro schemas in which other programs write rows to the ingest topic. */

import type { ColumnType } from '@tidemark/model/column-type';
import { type Column, keyColumns, type Table } from '@tidemark/model/table';

/** One row's change, of any table. */
export const ROW_MUTATION_SCHEMA = {
  type: 'record',
  name: 'RowMutation',
  namespace: 'tidemark.v1',
  doc: 'One change of one row. docs/ingest.md says what becomes of it.',
  fields: [
    { name: 'table', type: 'string', doc: 'Without the keyspace, which the topic names.' },
    {
      name: 'op',
      type: { type: 'enum', name: 'Op', symbols: ['UPSERT', 'DELETE'], default: 'UPSERT' },
      default: 'UPSERT',
    },
    {
      name: 'key',
      type: { type: 'map', values: ['boolean', 'long', 'double', 'string', 'bytes'] },
      doc: 'Every key column, and no other.',
    },
    {
      name: 'cells',
      type: { type: 'map', values: ['null', 'boolean', 'long', 'double', 'string', 'bytes'] },
      default: {},
      doc: 'A timestamp is a long of microseconds since 1970 UTC or RFC 3339 text, a date a long of days since 1970 or text, a decimal text. Null deletes the cell; what is absent stays.',
    },
    {
      name: 'requestId',
      type: ['null', 'string'],
      default: null,
      doc: 'Done once, however often it comes, for ten minutes; for another row it is refused. It costs a log record of its own.',
    },
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
 * The record whose fields are a table's columns: key columns as they are, the others nullable with default null. A field
 * whose column has no Avro name is called after the column's id and names it in `column`.
 * @param idMax leaves out columns with larger ids: the table as it was before those were added
 */
export function tableSchema(table: Table, idMax = Number.POSITIVE_INFINITY): TableSchema {
  const columns = table.columns.filter((column) => !column.dropped && column.id <= idMax);
  const key = new Set(keyColumns(table).map((column) => column.id));
  return {
    type: 'record',
    name: AVRO_NAME.test(table.name) ? table.name : `table_${table.id}`,
    namespace: 'tidemark.tables',
    table: table.name,
    fields: columns.map((column) => ({
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
