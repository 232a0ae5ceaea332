/**
 * Writes cells that were lost again, as new writes through the primary's HTTP. Each batch has an idempotency key made
 * of its content, so that one that is sent twice, by a job that was killed and asked for again, counts once.
 */

import { createHash } from 'node:crypto';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import type { Answer, ROUTES } from '@tidemark/peer/routes';
import type { Told } from '@tidemark/peer/told';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isRefusal } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';

const BATCH_ROWS = 500;
const RETRY_MS = 500;
/** A batch that nobody takes for this long ends the job; what was taken stays. */
const GIVE_UP_MS = 120_000;

type ResendParts = {
  readonly keyspace: string;
  readonly network: Network;
  readonly clock: Clock;
  /** Where the keyspace is written now. */
  readonly primary: () => string;
};

/** One run of writing lost cells again; call `flush` after the last row. */
export class Resender {
  readonly #parts: ResendParts;
  readonly #signal: AbortSignal;
  #table = '';
  #rows: object[] = [];
  /** Rows that were taken, and rows that the primary refused. */
  applied = 0;
  rejected = 0;

  constructor(parts: ResendParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Rows are written in the order in which they are added: of one cell the last one stands. */
  async add(table: string, row: object): Promise<void> {
    if (table !== this.#table || this.#rows.length >= BATCH_ROWS) await this.flush();
    this.#table = table;
    this.#rows.push(row);
  }

  /** @throws {Fault} `unavailable`: nobody took the rows; asking for the job again goes on. */
  async flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    const body = { rows: this.#rows };
    this.#rows = [];
    const key = `tail-${createHash('sha256')
      .update(JSON.stringify([this.#table, body]))
      .digest('hex')
      .slice(0, 40)}`;
    const { answer } = await this.#send(this.#table, body.rows, key);
    this.applied += answer?.accepted ?? 0;
    this.rejected += answer?.rejected ?? body.rows.length;
  }

  /** What the primary says: rows that were taken, or a refusal that stands. */
  async #send(table: string, rows: readonly object[], key: string): Promise<Told<Answer<typeof ROUTES.write>>> {
    const { network, clock, primary, keyspace } = this.#parts;
    const sentMs = clock.monotonicMs();
    const untilMs = sentMs + GIVE_UP_MS;
    let why = '';
    while (!this.#signal.aborted && clock.monotonicMs() < untilMs) {
      const ageMs = Math.ceil(clock.monotonicMs() - sentMs);
      const told = await new Peer(network, placeOf(primary())).write({ keyspace, table, key, ageMs }, rows);
      // A rule may let it in later, and anything else that is no refusal is somebody else's to take, or later.
      if (told.fault === null || (isRefusal(told.fault) && told.fault.kind !== 'conflict')) return told;
      why = told.fault.message;
      await clock.sleep(RETRY_MS, this.#signal);
    }
    throw new Fault('unavailable', `keyspace ${keyspace}: lost cells were not written again: ${why}`);
  }
}
