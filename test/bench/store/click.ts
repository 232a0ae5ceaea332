/** ClickHouse's side, within this process (chdb): tables in the order of our keys, one thread. */

import { join } from 'node:path';
import { text } from './our-table.ts';
import type { ClickHouse, Peers } from './peers.ts';
import { startWatch } from './stopwatch.ts';

const COLUMNS = 'origin, date, destination, line, delay, distance';
const TYPES = `origin LowCardinality(String), date DateTime64(6, 'UTC'), destination LowCardinality(String), line Int32,
  delay Int32, distance Int32`;
const KEY = 'origin, date, destination, line';
/** One thread, and parts that are on the disk once an insert has returned. */
const SETTINGS = 'max_threads = 1, max_insert_threads = 1';
const DURABLE = 'fsync_after_insert = 1, fsync_part_directory = 1';

export class Click {
  readonly #session: ClickHouse;
  readonly #folder: string;

  static open(peers: Peers, folder: string): Click {
    return new Click(new peers.chdb.Session(join(folder, 'chdb')), folder);
  }

  private constructor(session: ClickHouse, folder: string) {
    this.#session = session;
    this.#folder = folder;
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
    this.run('create database if not exists bench');
    this.run(`create table bench.flights (${TYPES}) engine = MergeTree order by (${KEY})`);
    this.run(`insert into bench.flights select ${COLUMNS} from ${this.#file('flights.parquet')}`);
    this.run('optimize table bench.flights final');
    this.run(
      `create table bench.updated (${TYPES}, stamp UInt64) engine = ReplacingMergeTree(stamp) order by (${KEY})`,
    );
    this.run(`insert into bench.updated select ${COLUMNS}, 0 from bench.flights`);
    this.run('optimize table bench.updated final');
    this.run('system stop merges bench.updated');
    this.run(`insert into bench.updated select ${COLUMNS}, 1 from ${this.#file('updates.parquet')}`);
    const stream = `'${join(this.#folder, 'stream.native')}', Native, '${TYPES.replaceAll("'", "\\'")}, s UInt64'`;
    this.run(
      `insert into function file(${stream}) select ${COLUMNS}, s from ${this.#file('stream.parquet')} order by s`,
    );
  }

  /** Writes the stream into a new table where the newer write of a key stays. */
  upsertStream(): { readonly ms: number; readonly answer: string } {
    this.run('drop table if exists bench.upserts sync');
    this.run(`create table bench.upserts (${TYPES}, stamp UInt64) engine = ReplacingMergeTree(stamp) order by (${KEY})
      settings ${DURABLE}`);
    const elapsedMs = startWatch();
    const native = `file('${join(this.#folder, 'stream.native')}', Native)`;
    this.run(`insert into bench.upserts select ${COLUMNS}, s from ${native} settings ${SETTINGS}`);
    const ms = elapsedMs();
    return { ms, answer: this.answer('select count(), sum(delay), sum(distance) from bench.upserts final') };
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

  #file(name: string): string {
    return `file('${join(this.#folder, name)}', Parquet)`;
  }
}

/** A number as ours is compared; text as it is. */
function cell(word: string): string {
  const number = Number(word);
  return word === '' || Number.isNaN(number) || !/[.e]/.test(word) ? word : text(number);
}
