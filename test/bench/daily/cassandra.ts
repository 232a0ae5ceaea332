/** The same questions of Cassandra: the same flights, each asked by as many at once, with its own driver. */

import type { Flights } from '../store/flights.ts';
import { loadCassandraDriver } from '../store/peers.ts';
import { updateOf } from '../store/writes.ts';
import { type Asked, askedBy, figuresOf } from './asking.ts';
import { shortAsked } from './sites.ts';

/** Rows of one airport in a batch, and batches on their way at once. */
const BATCH_ROWS = 64;
const IN_FLIGHT = 32;
const ROWS = 20;

/** The driver, as far as it is used here. */
export type CassandraClient = {
  connect(): Promise<void>;
  execute(query: string, values?: readonly unknown[], options?: object): Promise<{ readonly rows: readonly unknown[] }>;
  batch(queries: readonly { query: string; params: readonly unknown[] }[], options: object): Promise<unknown>;
  shutdown(): Promise<void>;
};

const TABLE = `create table travel.flights (origin text, date timestamp, destination text, line int, delay int, distance int,
  primary key (origin, date, destination, line))`;
const INSERT =
  'insert into travel.flights (origin, date, destination, line, delay, distance) values (?, ?, ?, ?, ?, ?)';
const PREPARED = { prepare: true };

type Question = {
  readonly what: string;
  readonly query: string;
  readonly values: (data: Flights, row: number) => readonly unknown[];
};

const QUESTIONS: readonly Question[] = [
  {
    what: 'the first 20 flights of an airport',
    query: `select * from travel.flights where origin = ? limit ${ROWS}`,
    values: (data, row) => [data.origin(row)],
  },
  {
    what: 'its newest 20',
    query: `select * from travel.flights where origin = ? order by date desc limit ${ROWS}`,
    values: (data, row) => [data.origin(row)],
  },
  {
    what: '20 from a moment on',
    query: `select * from travel.flights where origin = ? and date >= ? limit ${ROWS}`,
    values: (data, row) => [data.origin(row), new Date(data.date(row) / 1_000)],
  },
  {
    what: 'one flight by its key',
    query: 'select * from travel.flights where origin = ? and date = ? and destination = ? and line = ?',
    values: (data, row) => [data.origin(row), new Date(data.date(row) / 1_000), data.destination(row), data.line(row)],
  },
];

/** Connected, and the flights in it. */
export async function filledCassandra(
  data: Flights,
  address: { host: string; port: number },
): Promise<CassandraClient> {
  const { Client } = loadCassandraDriver();
  const client = new Client({
    contactPoints: [`${address.host}:${address.port}`],
    localDataCenter: 'dc1',
    encoding: { useUndefinedAsUnset: true },
  }) as CassandraClient;
  await client.connect();
  await client.execute(
    "create keyspace travel with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  );
  await client.execute(TABLE);
  const waiting = new Map<string, (readonly unknown[])[]>();
  const running = new Set<Promise<unknown>>();
  const send = async (rows: readonly (readonly unknown[])[]): Promise<void> => {
    const queries = rows.map((params) => ({ query: INSERT, params }));
    const sent = client.batch(queries, { prepare: true, logged: false }).finally(() => running.delete(sent));
    running.add(sent);
    if (running.size >= IN_FLIGHT) await Promise.race(running);
  };
  for (let row = 0; row < data.rowCount; row++) {
    const origin = data.origin(row);
    const rows = waiting.get(origin) ?? [];
    const date = new Date(data.date(row) / 1_000);
    rows.push([origin, date, data.destination(row), data.line(row), data.delay(row), data.distance(row)]);
    waiting.set(origin, rows);
    if (rows.length < BATCH_ROWS) continue;
    waiting.delete(origin);
    await send(rows);
  }
  for (const rows of waiting.values()) await send(rows);
  await Promise.all(running);
  return client;
}

/** Every question, by so many at once; prints each. @param count as `askSites` */
export async function askCassandra(
  client: CassandraClient,
  { data, runs, count, atOnce }: { data: Flights; runs: number; count: number; atOnce: readonly number[] },
): Promise<Record<string, object>> {
  const figures: Record<string, object> = {};
  for (const { what, query, values } of QUESTIONS) {
    for (const lanes of atOnce) {
      const total = count * Math.min(lanes, 8);
      const wanted = Array.from({ length: total }, (_, n) => values(data, updateOf(n, data.rowCount).row));
      const ask = (n: number): Promise<unknown> => client.execute(query, wanted[n]!, PREPARED);
      const asked: Asked[] = [];
      for (let run = -1; run < runs; run++) {
        const one = await askedBy(new Array(lanes).fill(ask), total);
        if (run >= 0) asked.push(one);
      }
      const name = `${what}, ${lanes} at a time`;
      figures[name] = shortAsked(name, figuresOf(asked));
    }
  }
  return figures;
}
