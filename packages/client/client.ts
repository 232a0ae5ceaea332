/** The SDK: connect to a keyspace's sites, declare tables, write and read rows with their types. */

import type { Clock } from '@tidemark/platform/clock';
import { type Random, SystemRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { Database } from './database.ts';
import type { Fetch } from './exchange.ts';
import { Sites } from './sites.ts';

export { Fault, type FaultKind, isFault } from '@tidemark/platform/fault';
export { Database, type EncodedBatch, type StreamOptions, type WriteOptions } from './database.ts';
export type { ScanEnd } from './ndjson.ts';
export {
  type ColumnCondition,
  type Condition,
  type ReadOptions,
  type ScanQuery,
  type ScanRow,
  ScanRows,
  type SelectItem,
} from './scan.ts';
export {
  type ClientTable,
  type Key,
  type Row,
  type RowOf,
  type TableDefinition,
  table,
  type WriteRow,
} from './table.ts';
export { Timestamp } from './timestamp.ts';
export type { Receipt, RowError } from './write-reply.ts';

export type ConnectOptions = {
  /** How long a request is repeated before it is given up, in ms; 30,000 unless told. */
  readonly timeoutMs?: number;
  /** Longest silence of one site before another try, in ms; 10,000 unless told. */
  readonly idleMs?: number;
  /** Time, chance and network; the machine's own unless told. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly fetch?: Fetch;
};

const TIMEOUT_MS = 30_000;
const IDLE_MS = 10_000;

/**
 * Opens a connection. Give the addresses of all sites: it finds the primary among them, and its successor.
 * Sites that do not answer yet are no error here; each request says so when its time is up.
 * @throws {Fault} `invalid`: no address, or one that is not http(s).
 */
export async function connect(urls: readonly string[], options: ConnectOptions = {}): Promise<Database> {
  const network = {
    clock: options.clock ?? new SystemClock(),
    fetch: options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init)),
  };
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  return new Database({
    ...network,
    random: options.random ?? new SystemRandom(),
    sites: new Sites(urls, network),
    timeoutMs,
    idleMs: Math.min(timeoutMs, options.idleMs ?? IDLE_MS),
  });
}
