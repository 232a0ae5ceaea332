/** The SDK: connect to a keyspace's sites, declare tables, write and read rows with their types. */

import type { Clock } from '@tidemark/platform/clock';
import { type Random, SystemRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { Database } from './database.ts';
import type { Fetch } from './exchange.ts';
import { Sites } from './sites.ts';

export type { Position } from '@tidemark/model/position';
export type { Clock } from '@tidemark/platform/clock';
export {
  Fault,
  type FaultDetails,
  type FaultKind,
  isFault,
  isRefusal,
  type RefusalKind,
} from '@tidemark/platform/fault';
export type { Random } from '@tidemark/platform/random';
export { Database, type EncodedBatch, type StreamOptions, type WriteOptions } from './database.ts';
export type { Fetch } from './exchange.ts';
export type { ScanEnd } from './ndjson.ts';
export type { RangeBound, RangeOptions } from './range.ts';
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
  type ColumnName,
  type ColumnTypeName,
  type Key,
  type KeyName,
  type KeyPrefix,
  type ReadValue,
  type Row,
  type RowOf,
  type TableDefinition,
  table,
  type WriteRow,
  type WriteValue,
} from './table.ts';
export { type Moment, Timestamp } from './timestamp.ts';
export type { Receipt, RowError } from './write-reply.ts';

/** How a connection behaves; all optional. */
export type ConnectOptions = {
  /** How long a request is repeated before it is given up, in ms; 30,000 unless told. */
  readonly timeoutMs?: number;
  /** Longest silence of one site before another try, in ms; 10,000 unless told. */
  readonly idleMs?: number;
  /** False: each `put` and `get` is a request of its own. Unless told, those made at the same time travel together. */
  readonly gather?: boolean;
  /** Time; the machine's own unless told. */
  readonly clock?: Clock;
  /** Chance, for pauses and idempotency keys; the machine's own unless told. */
  readonly random?: Random;
  /** The network; the global `fetch` unless told. */
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
  const caller = {
    ...network,
    random: options.random ?? new SystemRandom(),
    sites: new Sites(urls, network),
    timeoutMs,
    idleMs: Math.min(timeoutMs, options.idleMs ?? IDLE_MS),
  };
  return Database.through(caller, options.gather ?? true);
}
