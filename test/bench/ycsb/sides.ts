/** What takes part in `npm run bench ycsb`: three sites of ours, or three data centres of Cassandra. */

import type { Asker } from '../daily/asking.ts';
import type { Operation } from './workloads.ts';

/** The two tables: `usertable` by key, `buckets` by bucket and then key. */
export type TableName = 'usertable' | 'buckets';

/** One side, running and empty. */
export interface Side {
  readonly name: string;
  /** Rows from `from` up to `to` into a table, acked at two sites. */
  load(table: TableName, from: number, to: number): Promise<void>;
  /** `field0` of a row, or of so many rows from it on. */
  read(table: TableName, row: number, length: number): Promise<readonly (string | undefined)[]>;
  /** So many askers that do these operations, the n-th when they are asked for it. Connections are made before. */
  askers(table: TableName, wanted: readonly Operation[], lanes: number): Promise<Lanes>;
  stop(): Promise<void>;
}

/** Askers, and what ends their connections. */
export type Lanes = { readonly askers: readonly Asker[]; close(): void };
