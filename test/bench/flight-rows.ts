/** The real flights, in memory, in the forms that the two sides of a measure start from. */

import { FLIGHTS_TABLE, flights } from '@tidemark/cli/load/flights';
import { encodeColumnarRows, type ValueRow } from '@tidemark/columnar/columnar-write';
import { type ColumnType, parseColumnType } from '@tidemark/model/column-type';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import type { Keyspace } from '@tidemark/model/table';
import { parseTimestamp } from '@tidemark/model/text/time';
import avro from 'avsc';
import type { NamedFile } from './site-load.ts';

/** One row; `date` in µs. What avsc encodes as it is. */
export type Flight = {
  readonly origin: string;
  readonly date: number;
  readonly destination: string;
  readonly line: number;
  readonly delay: number;
  readonly distance: number;
};

/** The peer's form: one Avro record a row. */
export const FLIGHT_AVRO = avro.Type.forSchema({
  type: 'record',
  name: 'Flight',
  fields: [
    { name: 'origin', type: 'string' },
    { name: 'date', type: 'long' },
    { name: 'destination', type: 'string' },
    { name: 'line', type: 'int' },
    { name: 'delay', type: 'int' },
    { name: 'distance', type: 'int' },
  ],
});

const TYPES = new Map<string, ColumnType>(
  Object.entries(FLIGHTS_TABLE.columns).map(([name, type]) => [name, parseColumnType(type)]),
);

export type KeyspaceChoice = { readonly ack: string; readonly sites: readonly string[]; readonly partitions: number };

/** What `PUT /v1/keyspaces/travel` takes. */
export function keyspaceFile({ ack, sites, partitions }: KeyspaceChoice): NamedFile {
  return {
    keyspace: 'travel',
    mode: 'single',
    primary: sites[0],
    ack,
    failover: 'manual',
    sites: Object.fromEntries(sites.map((site) => [site, 'data'])),
    partitions,
    tables: { flights: FLIGHTS_TABLE },
  };
}

export function flightsKeyspace(choice: KeyspaceChoice): Keyspace {
  return evolve(null, parseKeyspaceFile(keyspaceFile(choice))).keyspace;
}

/** The first `count` flights as JSON lines, in the order of the file. */
export async function flightLines(count: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const block of flights({ rows: count }).lines(0)) lines.push(...block);
  return lines;
}

export function flightsOf(lines: readonly string[]): Flight[] {
  return lines.map((line) => {
    const row = JSON.parse(line) as Omit<Flight, 'date'> & { readonly date: string };
    return { ...row, date: parseTimestamp(row.date)! };
  });
}

/** Rows in the SDK's columnar form, `batchRows` in each body. */
export function columnarBodies(rows: readonly Flight[], batchRows: number): Buffer[] {
  return inGroups(rows, batchRows).map((group) => encodeColumnarRows(TYPES, group as readonly ValueRow[]));
}

export function inGroups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
