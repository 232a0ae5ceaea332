/** For tests: records as an ingest topic has them, of one keyspace, and what becomes of them. */

import { type JsonRow, rowToJson } from '@tidemark/columnar/json-rows';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import type { Keyspace } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { fingerprint } from '@tidemark/record/fingerprint';
import avro from 'avsc';
import { expect } from 'vitest';
import { IngestReader } from '../ingest-record.ts';
import { ROW_MUTATION_SCHEMA } from '../ingest-schema.ts';

export const COLUMNS = {
  origin: 'string',
  date: 'timestamp',
  line: 'int',
  delay: 'int',
  big: 'long',
  load: 'double',
  day: 'date',
  price: 'decimal(9,2)',
  raw: 'bytes',
  full: 'boolean',
  'seat no': 'string',
};
export function keyspaceOf(columns: Record<string, unknown> = COLUMNS): Keyspace {
  const flights = { columns, partitionKey: 'origin', sortKey: ['date', 'line'] };
  const events = { columns: { id: 'string' }, partitionKey: 'id', dynamicColumns: { max: 4 } };
  const file = {
    keyspace: 'travel',
    primary: 'paris',
    ack: 'local',
    sites: { paris: 'data' },
    tables: { flights, events },
  };
  return evolve(null, parseKeyspaceFile(file)).keyspace;
}
export const keyspace = keyspaceOf();
export const mutationType = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

export const confluent = (id: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, payload]);
};
export const single = (schema: object, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint(schema), payload]);
type Branch = Record<string, unknown> | null;
export type Mutation = { table?: string; op?: string; key?: Record<string, Branch>; cells?: Record<string, Branch> };
export const payloadOf = (mutation: Mutation): Buffer =>
  mutationType.toBuffer({ table: 'flights', op: 'UPSERT', key: KEY, cells: {}, requestId: null, ...mutation });
export const KEY = { origin: { string: 'SAN' }, date: { long: 979_150_800_000_000 }, line: { long: 1 } };
export const JSON_KEY = { origin: 'SAN', date: '2001-01-10T18:20:00Z', line: 1 };

/** The row a record becomes. */
export function rowOf(value: Uint8Array, reader = new IngestReader(keyspace)): JsonRow {
  const { table, batch, row } = reader.add(value);
  return rowToJson(table, batch, row);
}
export function refusal(value: Uint8Array, reader = new IngestReader(keyspace)): string {
  const before = [...reader.batches.values()].map((batch) => batch.rowCount);
  try {
    reader.add(value);
  } catch (error) {
    if (!isFault(error, 'invalid')) throw error;
    const after = [...reader.batches.values()].map((batch) => batch.rowCount).filter((n) => n > 0);
    expect(after).toEqual(before.filter((n) => n > 0));
    return error.message;
  }
  return 'no fault';
}
/** A writer of some other schema, known to a registry under id 7. */
export function foreign(fields: unknown[], value: object, more: object = {}): [Buffer, IngestReader] {
  const schema = { type: 'record', name: 'flights', fields, ...more };
  const bytes = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true }).toBuffer(value);
  return [confluent(7, bytes), new IngestReader(keyspace, (id) => (id === 7 ? schema : null))];
}
export const KEY_FIELDS = [
  { name: 'origin', type: 'string' },
  { name: 'date', type: { type: 'long', logicalType: 'timestamp-micros' } },
  { name: 'line', type: 'int' },
];
export const KEY_VALUES = { origin: 'SAN', date: 979_150_800_000_000, line: 1 };
