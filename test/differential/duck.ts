/** DuckDB beside us: the mirror's rows as a table, and its answers as values. */

import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import type { Column } from '@tidemark/model/table';
import type { MirrorRow } from './random-table.ts';

/** A column's name in DuckDB's table. */
export const sqlName = ({ id }: Column): string => `c${id}`;

export function sqlType(type: ColumnType): string {
  switch (type.name) {
    case 'int':
      return 'INTEGER';
    case 'long':
      return 'BIGINT';
    case 'string':
      return 'VARCHAR';
    case 'bytes':
      return 'BLOB';
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`;
    default:
      return type.name.toUpperCase();
  }
}

export class Duck implements Disposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(): Promise<Duck> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const connection = await instance.connect();
    await connection.run("set timezone = 'UTC'");
    return new Duck(instance, connection);
  }

  /** The table `t` is made anew. */
  async fill(columns: readonly Column[], rows: Iterable<MirrorRow>): Promise<void> {
    const list = columns.map((column) => `${sqlName(column)} ${sqlType(column.type)}`).join(', ');
    await this.#connection.run(`create or replace table t (${list})`);
    const appender = await this.#connection.createAppender('t');
    for (const row of rows) {
      for (const { id, type } of columns) {
        const value = row.get(id);
        if (value === undefined) appender.appendNull();
        else append(appender, type, value);
      }
      appender.endRow();
    }
    appender.closeSync();
  }

  async ask(sql: string): Promise<(Value | null)[][]> {
    const reader = await this.#connection.runAndReadAll(sql);
    return reader.getRows().map((row) => row.map(plainValue));
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

type Appender = Awaited<ReturnType<DuckDBConnection['createAppender']>>;

function append(appender: Appender, type: ColumnType, value: Value): void {
  if (type.name === 'boolean') appender.appendBoolean(value as boolean);
  else if (type.name === 'int') appender.appendInteger(value as number);
  else if (type.name === 'long') appender.appendBigInt(value as bigint);
  else if (type.name === 'double') appender.appendDouble(value as number);
  else if (type.name === 'string') appender.appendVarchar(value as string);
  else if (type.name === 'bytes') appender.appendBlob(value as Uint8Array);
  else if (type.name === 'timestamp') appender.appendTimestamp(new DuckDBTimestampValue(BigInt(value as number)));
  else if (type.name === 'date') appender.appendDate(new DuckDBDateValue(value as number));
  else if (type.name === 'decimal')
    appender.appendDecimal(new DuckDBDecimalValue(value as bigint, type.precision, type.scale));
}

/** As our cells are: µs, days, a decimal's whole number. */
function plainValue(value: DuckDBValue): Value | null {
  if (value instanceof DuckDBTimestampValue) return Number(value.micros);
  if (value instanceof DuckDBDateValue) return value.days;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (value instanceof DuckDBBlobValue) return Uint8Array.from(value.bytes);
  return value as Value | null;
}
