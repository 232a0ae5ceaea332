/** DuckDB's side: the data every peer starts from, and DuckDB's own tables. */

import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BATCH_ROWS, flightsSql, streamSql, updatesSql } from './flights.ts';
import { text } from './our-table.ts';
import type { DuckConnection, Peers } from './peers.ts';
import { startWatch } from './stopwatch.ts';

const COLUMNS = 'origin, date, destination, line, delay, distance';
const KEY = 'origin, date, destination, line';

/** What there is to prepare. */
export type Sizes = { readonly rows: number; readonly upserts: number };

export class Duck {
  readonly folder: string;
  readonly #connection: DuckConnection;
  readonly #close: () => void;
  #tables = 0;

  /** One thread, as every side has. */
  static async open(peers: Peers, folder: string): Promise<Duck> {
    const instance = await peers.duckdb.DuckDBInstance.create(join(folder, 'stage.duckdb'), { threads: '1' });
    return new Duck(folder, await instance.connect(), () => instance.closeSync());
  }

  private constructor(folder: string, connection: DuckConnection, close: () => void) {
    this.folder = folder;
    this.#connection = connection;
    this.#close = close;
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  /** Rows as `OurTable.answer` gives them. */
  async answer(sql: string): Promise<string> {
    const reader = await this.#connection.runAndReadAll(sql);
    return reader
      .getRows()
      .map((row) => row.map(text).join(','))
      .join('\n');
  }

  /** The flights as a table, and as Parquet files for the others: `flights` in key order, `updates`, `stream`. */
  async prepare({ rows, upserts }: Sizes): Promise<void> {
    await this.run(`create table flights as ${flightsSql(Math.max(rows, upserts))}`);
    const copy = (query: string, name: string): Promise<void> =>
      this.run(`copy (${query}) to '${this.path(name)}' (format parquet, compression zstd)`);
    await copy(`select ${COLUMNS} from flights where i < ${rows} order by ${KEY}`, 'flights.parquet');
    await copy(updatesSql(rows), 'updates.parquet');
    await this.run(`create table stream as ${streamSql(upserts)}`);
    await copy('select * from stream order by s', 'stream.parquet');
    await this.run(`attach '${this.path('table.duckdb')}' as t`);
    await this.run(`create table t.flights as select * from read_parquet('${this.path('flights.parquet')}')`);
    await this.run('checkpoint t');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  bytes(name: string): number {
    return statSync(this.path(name)).size;
  }

  /** Writes the stream into a new table where the newer write of a key stays; a transaction a batch. */
  async upsertStream(upserts: number): Promise<{ readonly ms: number; readonly answer: string }> {
    const name = `u${this.#tables++}`;
    await this.run(`attach '${this.path(`${name}.duckdb`)}' as ${name}`);
    await this.run(`create table ${name}.flights (origin varchar, date timestamp, destination varchar, line int,
      delay int, distance int, stamp bigint, primary key (${KEY}))`);
    const elapsedMs = startWatch();
    for (let batch = 0; batch * BATCH_ROWS < upserts; batch++) {
      await this.run(`insert into ${name}.flights select ${COLUMNS}, s from stream where batch = ${batch}
        on conflict (${KEY}) do update set delay = excluded.delay, distance = excluded.distance, stamp = excluded.stamp
        where excluded.stamp > flights.stamp`);
    }
    const ms = elapsedMs();
    const answer = await this.answer(`select count(*), sum(delay)::bigint, sum(distance)::bigint from ${name}.flights`);
    await this.run(`detach ${name}`);
    await rm(this.path(`${name}.duckdb`), { force: true });
    await rm(this.path(`${name}.duckdb.wal`), { force: true });
    return { ms, answer };
  }

  close(): void {
    this.#connection.closeSync();
    this.#close();
  }
}
