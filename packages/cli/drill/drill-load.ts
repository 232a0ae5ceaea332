/** Flights written on and on while something goes wrong, with the client's own ledger of what was acked. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@tidemark/client';
import { Fault } from '@tidemark/platform/fault';
import { FLIGHTS_TABLE, flights } from '../load/flights.ts';
import type { Ledger } from '../load/ledger.ts';
import { readLedger } from '../load/ledger-file.ts';
import { type LoadResult, loadRows } from '../load/load-rows.ts';
import { type LedgerVerdict, verifyLedger } from '../load/verify-ledger.ts';
import { type Ack, acksOf } from './outage.ts';
import { TABLE } from './stage.ts';

const IN_FLIGHT = 4;
/** Longer than any outage that is worth waiting for: a batch that is given up ends the load. */
const TIMEOUT_MS = 120_000;
const POLL_MS = 10;
const LEDGER = 'ledger.jsonl';

type DrillLoadOptions = {
  readonly urls: readonly string[];
  readonly keyspace: string;
  /** Holds the ledger; one that is there is gone on with. */
  readonly folder: string;
  readonly batchRows: number;
  /** Rows a second; 0 for as fast as it goes. */
  readonly rate: number;
  /** Rows in all; without end unless told. */
  readonly limit?: number;
  readonly timeoutMs?: number;
};

/** What was offered and became of it, over all loads of one ledger. */
export type LoadSums = { readonly offered: number; readonly acked: number; readonly unknown: number };

/** One load from its construction until it is stopped; it tries on over an outage. */
export class DrillLoad implements AsyncDisposable {
  readonly #options: DrillLoadOptions;
  readonly #stop = new AbortController();
  readonly #closed = new AbortController();
  readonly #done: Promise<LoadResult>;
  #acked = 0;
  #hasEnded = false;

  constructor(options: DrillLoadOptions) {
    this.#options = options;
    this.#done = this.#run();
    // Whoever waits for its end is told; until somebody does, the process lives on.
    this.#done.catch(() => undefined);
  }

  /** Rows acked by now, by this load. */
  get acked(): number {
    return this.#acked;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async #run(): Promise<LoadResult> {
    const { urls, keyspace, folder, batchRows, rate, limit, timeoutMs = TIMEOUT_MS } = this.#options;
    await using db = await connect(urls, { timeoutMs });
    this.#closed.signal.addEventListener('abort', () => void db[Symbol.asyncDispose]());
    try {
      return await loadRows({
        ...{ db, keyspace, table: TABLE, source: flights(), batchRows, rate, inFlight: IN_FLIGHT },
        ...(limit === undefined ? {} : { limit }),
        ...{ ledgerPath: join(folder, LEDGER), resume: true, signal: this.#stop.signal },
        onProgress: ({ accepted }) => {
          this.#acked = accepted;
        },
      });
    } finally {
      this.#hasEnded = true;
    }
  }

  /** Resolves once `rows` more are acked, or the load has ended. @throws {Fault} `unavailable`: not within `msMax`. */
  async more(rows: number, msMax: number): Promise<void> {
    const wanted = this.#acked + rows;
    for (const untilMs = performance.now() + msMax; this.#acked < wanted && !this.#hasEnded; await sleep(POLL_MS)) {
      if (performance.now() > untilMs) {
        throw new Fault('unavailable', `${this.#acked} rows acked, expected ${wanted} within ${msMax} ms`);
      }
    }
  }

  /** Takes no more rows and waits for those on their way. */
  async stop(): Promise<LoadResult> {
    this.#stop.abort();
    return this.#done;
  }

  /** Gives up what is on its way: for when nobody wants to know any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#closed.abort();
    await this.#done.catch(() => undefined);
  }

  /** Resolves when the load has come to its limit, or had to stop before. */
  async ended(): Promise<LoadResult> {
    return this.#done;
  }
}

/** The ledger that a folder's loads wrote. @throws {Fault} `corrupt`: nothing was acked. */
export async function ledgerOf(folder: string): Promise<Ledger> {
  const path = join(folder, LEDGER);
  const ledger = await readLedger(path);
  if (ledger === null) throw new Fault('corrupt', `the ledger ${path} is empty: nothing was acked`);
  return ledger;
}

/** Acks in the order in which they came. */
export async function acksIn(folder: string): Promise<Ack[]> {
  return acksOf((await ledgerOf(folder)).entries.values());
}

/** Looks up every row of the ledger at each of the sites. `offered`: rows of the source that were sent. */
export async function verifyLoad(folder: string, offered: number, urls: readonly string[]): Promise<LedgerVerdict> {
  const ledger = await ledgerOf(folder);
  return verifyLedger({ ledger, source: flights(), limit: offered, table: FLIGHTS_TABLE, sites: urls });
}
