/** DuckDB in this process. It is an optional dependency: whoever asks for no SQL may leave it out. */

import type { DuckDBConnection, DuckDBInstance, DuckDBValueConverter, Json } from '@duckdb/node-api';
import { formatTimestamp, TIMESTAMP_US_MAX } from '@tidemark/model/text/time';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { SqlTable } from './sql-tables.ts';

type Library = typeof import('@duckdb/node-api');

/** An answer whose cells JSON can say, in the forms that a scan's have. */
export type SqlAnswer = {
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly ms: number;
};

/** One database in memory and a connection to it; times are of UTC. */
export class DuckDb implements Disposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #convert: DuckDBValueConverter<Json>;

  /** @throws {Fault} `invalid`: DuckDB is not installed; says how it is. */
  static async open(): Promise<DuckDb> {
    const library = await import('@duckdb/node-api').catch((cause: unknown) => {
      const message = 'SQL needs DuckDB, which is not installed: npm install @duckdb/node-api';
      throw new Fault('invalid', message, { expected: '@duckdb/node-api', cause });
    });
    const instance = await library.DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run("set timezone = 'UTC'");
    return new DuckDb(library, instance, connection);
  }

  private constructor(library: Library, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#convert = converterOf(library);
    this.#instance = instance;
    this.#connection = connection;
  }

  /** From now on queries find the file under the table's name. */
  async nameFile({ keyspace, name }: Pick<SqlTable, 'keyspace' | 'name'>, path: string): Promise<void> {
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
    const strange = columns.find((name) => name.startsWith('$'));
    if (strange !== undefined) {
      const expected = 'a name that does not begin with $: select … as "another name"';
      throw new Fault('invalid', `column "${strange}", expected ${expected}`, {
        column: strange,
        got: strange,
        expected,
      });
    }
    const rows = reader
      .convertRows(this.#convert)
      .map((row) => Object.fromEntries(row.map((cell, i) => [columns[i]!, cell])));
    return { columns, rows, ms: Math.round(performance.now() - startMs) };
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

/**
 * Cells as a scan has them: moments in UTC, whatever zone this machine is in; bytes in base64; whole numbers as numbers
 * where JSON's are exact. Everything else is as DuckDB has it in JSON.
 */
function converterOf(library: Library): DuckDBValueConverter<Json> {
  const { DuckDBBlobValue, DuckDBTimestampTZValue, JsonDuckDBValueConverter } = library;
  return (value, type, nested) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    if (value instanceof DuckDBBlobValue) return { $bytes: Buffer.from(value.bytes).toString('base64') };
    if (value instanceof DuckDBTimestampTZValue) {
      const micros = Number(value.micros);
      return Math.abs(micros) <= TIMESTAMP_US_MAX ? formatTimestamp(micros) : String(value);
    }
    return JsonDuckDBValueConverter(value, type, nested);
  };
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
