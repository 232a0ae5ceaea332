/** ClickHouse's side, within this process (chdb): tables in the order of our keys, one thread. */

import { join } from 'node:path';
import { clickColumns, columnList, type Dataset, keyList } from './dataset.ts';
import { text } from './our-table.ts';
import type { ClickHouse, Peers } from './peers.ts';
import { startWatch } from './stopwatch.ts';

/** One thread, and parts that are on the disk once an insert has returned. */
const SETTINGS = 'max_threads = 1, max_insert_threads = 1';
const DURABLE = 'fsync_after_insert = 1, fsync_part_directory = 1';

export class Click {
  readonly #session: ClickHouse;
  readonly #folder: string;
  readonly #data: Dataset;

  static open(peers: Peers, folder: string, data: Dataset): Click {
    return new Click(new peers.chdb.Session(join(folder, 'chdb')), folder, data);
  }

  private constructor(session: ClickHouse, folder: string, data: Dataset) {
    this.#session = session;
    this.#folder = folder;
    this.#data = data;
  }

  run(sql: string): string {
    return this.#session.query(sql, 'TSV').trim();
  }

  /** Rows as `OurTable.answer` gives them. */
  answer(sql: string): string {
    return this.run(`${sql} settings ${SETTINGS}`)
      .split('\n')
      .map((line) => line.split('\t').map(cell).join(','))
      .join('\n');
  }

  /** From the Parquet files: the settled table, the one with updates on top, and the stream in ClickHouse's own form. */
  prepare(): void {
    const [columns, types, key] = this.#lists();
    this.run('create database if not exists bench');
    this.run(`create table bench.settled (${types}) engine = MergeTree order by (${key})`);
    this.run(`insert into bench.settled select ${columns} from ${this.#file('rows.parquet')}`);
    this.run('optimize table bench.settled final');
    this.run(
      `create table bench.updated (${types}, stamp UInt64) engine = ReplacingMergeTree(stamp) order by (${key})`,
    );
    this.run(`insert into bench.updated select ${columns}, 0 from bench.settled`);
    this.run('optimize table bench.updated final');
    this.run('system stop merges bench.updated');
    this.run(`insert into bench.updated select ${columns}, 1 from ${this.#file('updates.parquet')}`);
    const stream = `'${join(this.#folder, 'stream.native')}', Native, '${types.replaceAll("'", "\\'")}, s UInt64'`;
    this.run(
      `insert into function file(${stream}) select ${columns}, s from ${this.#file('stream.parquet')} order by s`,
    );
  }

  /** Writes the stream into a new table where the newer write of a key stays. */
  upsertStream(): { readonly ms: number; readonly answer: string } {
    const [columns, types, key] = this.#lists();
    this.run('drop table if exists bench.upserts sync');
    this.run(`create table bench.upserts (${types}, stamp UInt64) engine = ReplacingMergeTree(stamp) order by (${key})
      settings ${DURABLE}`);
    const elapsedMs = startWatch();
    const native = `file('${join(this.#folder, 'stream.native')}', Native)`;
    this.run(`insert into bench.upserts select ${columns}, s from ${native} settings ${SETTINGS}`);
    const ms = elapsedMs();
    const { updated, summed } = this.#data.roles;
    return { ms, answer: this.answer(`select count(), sum(${updated}), sum(${summed}) from bench.upserts final`) };
  }

  /** Bytes of a table's parts. */
  bytes(table: string): number {
    return Number(
      this.run(
        `select sum(bytes_on_disk) from system.parts where active and database = 'bench' and table = '${table}'`,
      ),
    );
  }

  close(): void {
    this.#session.cleanup();
  }

  /** Columns, columns with types, and the key, as SQL has them. */
  #lists(): readonly [columns: string, types: string, key: string] {
    const { table } = this.#data;
    return [columnList(table), clickColumns(this.#data), keyList(table)];
  }

  #file(name: string): string {
    return `file('${join(this.#folder, name)}', Parquet)`;
  }
}

/** A number as ours is compared; text as it is. */
function cell(word: string): string {
  const number = Number(word);
  return word === '' || Number.isNaN(number) || !/[.e]/.test(word) ? word : text(number);
}
