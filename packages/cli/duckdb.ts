/** DuckDB in this process. It is an optional dependency: whoever asks for no SQL may leave it out. */

import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { Fault, messageOf } from '@tidemark/world/fault';
import type { SqlTable } from './sql-tables.ts';

/** An answer whose cells JSON can say. */
export type SqlAnswer = {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly ms: number;
};

export class DuckDb implements Disposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  /** @throws {Fault} `invalid`: DuckDB is not installed; says how it is. */
  static async open(): Promise<DuckDb> {
    const { DuckDBInstance } = await import('@duckdb/node-api').catch((cause: unknown) => {
      const message = 'SQL needs DuckDB, which is not installed: npm install @duckdb/node-api';
      throw new Fault('invalid', message, { expected: '@duckdb/node-api', cause });
    });
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run("set timezone = 'UTC'");
    return new DuckDb(instance, connection);
  }

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  /** From now on queries find the file under the table's name. */
  async nameFile({ keyspace, name }: SqlTable, path: string): Promise<void> {
    await this.#connection.run(`create schema if not exists ${quoted(keyspace)}`);
    const file = path.replaceAll("'", "''");
    await this.#connection.run(`create view ${quoted(keyspace)}.${quoted(name)} as from read_parquet('${file}')`);
  }

  /** @throws {Fault} `invalid`: in DuckDB's words. */
  async ask(query: string): Promise<SqlAnswer> {
    const startMs = performance.now();
    const reader = await this.#connection.runAndReadAll(query).catch((error: unknown) => {
      throw new Fault('invalid', messageOf(error), { got: query, cause: error });
    });
    const columns = reader.deduplicatedColumnNames();
    const rows = reader
      .getRowsJson()
      .map((row) => Object.fromEntries(row.map((cell, i) => [columns[i]!, numberIfOne(cell, reader.columnType(i))])));
    return { rows, ms: Math.round(performance.now() - startMs) };
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

const WHOLE_NUMBERS = new Set(['BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT']);

/** DuckDB's JSON has long numbers as texts; here, as in a scan, only those that JSON numbers would round. */
function numberIfOne(cell: unknown, type: { toString(): string }): unknown {
  if (typeof cell !== 'string' || !WHOLE_NUMBERS.has(type.toString())) return cell;
  return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
