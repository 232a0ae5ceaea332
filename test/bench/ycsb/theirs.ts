/** Apache Cassandra as three data centres of one node each, with its own driver: writes are acked by two of them, reads by the nearest. */

import type { Reaper } from '@tidemark/dev/reaper';
import type { CassandraClient } from '../daily/cassandra.ts';
import { startCassandra } from '../daily/cassandra-server.ts';
import { loadCassandraDriver } from '../store/peers.ts';
import type { Side, TableName } from './sides.ts';
import { bucketKeyOf, FIELDS, fieldsOf, keyOf, type Operation, writtenField } from './workloads.ts';

/** Of the native protocol. */
const CONSISTENCY = { two: 2, localOne: 10 } as const;
const IN_FLIGHT = 128;
const NAMES = Array.from({ length: FIELDS }, (_, i) => `field${i}`);
const TYPES = NAMES.map((name) => `${name} text`).join(', ');
const KEYS = { usertable: ['id'], buckets: ['bucket', 'id'] } as const;

type Query = { readonly text: string; readonly values: readonly unknown[]; readonly consistency: number };

/** @throws {Fault} as `startCassandra` */
export async function startTheirs(folder: string, reaper: Reaper): Promise<Side> {
  const server = await startCassandra(folder, reaper, 3);
  const { Client } = loadCassandraDriver();
  const client = new Client({
    contactPoints: [`${server.host}:${server.port}`],
    localDataCenter: 'dc1',
  }) as CassandraClient;
  await client.connect();
  const everywhere = "{'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1, 'dc3': 1}";
  await client.execute(`create keyspace ycsb with replication = ${everywhere}`);
  await client.execute(`create table ycsb.usertable (id text, ${TYPES}, primary key (id))`);
  await client.execute(`create table ycsb.buckets (bucket int, id text, ${TYPES}, primary key (bucket, id))`);
  const run = ({ text, values, consistency }: Query) => client.execute(text, values, { prepare: true, consistency });
  return {
    name: 'Cassandra',
    async load(table, from, to) {
      let next = from;
      const lane = async (): Promise<void> => {
        while (next < to) await run(insertOf(table, next++));
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    },
    async read(table, row, length) {
      const kind = length === 1 ? 'read' : 'scan';
      const { rows } = await run(queriesOf(table, { kind, row, length, value: '' })[0]!);
      return (rows as readonly { field0: string }[]).map(({ field0 }) => field0);
    },
    async askers(table, wanted, lanes) {
      const queries = wanted.map((operation) => queriesOf(table, operation));
      const ask = async (n: number): Promise<void> => {
        for (const query of queries[n]!) await run(query);
      };
      return { askers: new Array(lanes).fill(ask), close: () => {} };
    },
    async stop() {
      await client.shutdown();
      await server.stop();
    },
  };
}

function keysOf(table: TableName, row: number): readonly unknown[] {
  const { bucket, id } = bucketKeyOf(row);
  return table === 'usertable' ? [keyOf(row)] : [bucket, id];
}

function insertOf(table: TableName, row: number): Query {
  const columns = [...KEYS[table], ...NAMES];
  const text = `insert into ycsb.${table} (${columns.join()}) values (${columns.map(() => '?').join()})`;
  return { text, values: [...keysOf(table, row), ...Object.values(fieldsOf(row))], consistency: CONSISTENCY.two };
}

function queriesOf(table: TableName, operation: Operation): readonly Query[] {
  const { kind, row, length, value } = operation;
  const where = KEYS[table].map((name) => `${name} = ?`).join(' and ');
  const keys = keysOf(table, row);
  const read = { text: `select * from ycsb.${table} where ${where}`, values: keys, consistency: CONSISTENCY.localOne };
  const set = `update ycsb.${table} set ${writtenField(operation)} = ? where ${where}`;
  const update = { text: set, values: [value, ...keys], consistency: CONSISTENCY.two };
  const onward = `select * from ycsb.${table} where bucket = ? and id >= ? limit ?`;
  switch (kind) {
    case 'read':
      return [read];
    case 'update':
      return [update];
    case 'insert':
      return [insertOf(table, row)];
    case 'scan':
      return [{ text: onward, values: [...keys, length], consistency: CONSISTENCY.localOne }];
    case 'modify':
      return [read, update];
  }
}
