/** DuckDB's side: the data every peer starts from, and DuckDB's own tables. */

import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { columnList, type Dataset, duckColumns, keyList } from './dataset.ts';
import { text } from './our-table.ts';
import type { DuckConnection, Peers } from './peers.ts';
import { startWatch } from './stopwatch.ts';
import { BATCH_ROWS, streamSql, updatesSql } from './writes.ts';

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

  /**
   * The rows as a table, `source`, and as Parquet files for the others: `rows` in key order, `updates`, `stream`.
   * @param data with all the rows that are asked for
   */
  async prepare(data: Dataset, { rows, upserts }: Sizes): Promise<void> {
    await this.run(`create table source as ${data.rowsSql(this.folder)}`);
    const copy = (query: string, name: string): Promise<void> =>
      this.run(`copy (${query}) to '${this.path(name)}' (format parquet, compression zstd)`);
    const { table } = data;
    await copy(`select ${columnList(table)} from source where i < ${rows} order by ${keyList(table)}`, 'rows.parquet');
    await copy(updatesSql(data, rows), 'updates.parquet');
    await this.run(`create table stream as ${streamSql(data, upserts)}`);
    await copy('select * from stream order by s', 'stream.parquet');
    await this.run(`attach '${this.path('table.duckdb')}' as t`);
    await this.run(`create table t.settled as select * from read_parquet('${this.path('rows.parquet')}')`);
    await this.run('checkpoint t');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  bytes(name: string): number {
    return statSync(this.path(name)).size;
  }

  /** Writes the stream into a new table where the newer write of a key stays; a transaction a batch. */
  async upsertStream(
    { table, roles }: Dataset,
    upserts: number,
  ): Promise<{ readonly ms: number; readonly answer: string }> {
    const name = `u${this.#tables++}`;
    await this.run(`attach '${this.path(`${name}.duckdb`)}' as ${name}`);
    await this.run(
      `create table ${name}.upserts (${duckColumns(table)}, stamp bigint, primary key (${keyList(table)}))`,
    );
    const cells = table.columns.filter(({ id }) => !table.key.includes(id)).map((column) => column.name);
    const set = [...cells, 'stamp'].map((cell) => `${cell} = excluded.${cell}`).join(', ');
    const elapsedMs = startWatch();
    for (let batch = 0; batch * BATCH_ROWS < upserts; batch++) {
      await this.run(`insert into ${name}.upserts select ${columnList(table)}, s from stream where batch = ${batch}
        on conflict (${keyList(table)}) do update set ${set} where excluded.stamp > upserts.stamp`);
    }
    const ms = elapsedMs();
    const sums = `sum(${roles.updated})::bigint, sum(${roles.summed})::bigint`;
    const answer = await this.answer(`select count(*), ${sums} from ${name}.upserts`);
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
