/**
 * Writes cells that were lost again, as new writes through the primary's HTTP. Each batch has an idempotency key made
 * of its content, so that one that is sent twice, by a job that was killed and asked for again, counts once.
 */

import { createHash } from 'node:crypto';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Answer, Network } from '@tidemark/platform/network';

const BATCH_ROWS = 500;
const TIMEOUT_MS = 10_000;
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
    const { keyspace } = this.#parts;
    const answer = await this.#send(`/v1/${keyspace}/${this.#table}/rows`, body, key);
    const { accepted = 0, rejected = 0 } = (answer.body ?? {}) as { accepted?: number; rejected?: number };
    this.applied += answer.status < 300 ? accepted : 0;
    this.rejected += answer.status < 300 ? rejected : body.rows.length;
  }

  async #send(path: string, body: object, key: string): Promise<Answer> {
    const { network, clock, primary, keyspace } = this.#parts;
    const sentMs = clock.monotonicMs();
    const untilMs = sentMs + GIVE_UP_MS;
    let why = '';
    while (!this.#signal.aborted && clock.monotonicMs() < untilMs) {
      const url = `site://${primary()}${path}`;
      try {
        const age = Math.ceil(clock.monotonicMs() - sentMs);
        const headers = { 'idempotency-key': key, 'tidemark-key-age-ms': `${age}` };
        const answer = await network.ask(url, body, TIMEOUT_MS, headers);
        // 307, 409, 5xx: somebody else, or later. 4xx: never.
        if (answer.status < 300 || (answer.status >= 400 && answer.status < 500 && answer.status !== 409))
          return answer;
        why = `${url} answered ${answer.status}`;
      } catch (error) {
        if (!isFault(error)) throw error;
        why = messageOf(error);
      }
      await clock.sleep(RETRY_MS, this.#signal);
    }
    throw new Fault('unavailable', `keyspace ${keyspace}: lost cells were not written again: ${why}`);
  }
}
