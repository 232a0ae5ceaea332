/**
 * A refusal by the tables as this site knows them, as of a column there is not, may be wrong by those of a newer primary that
 * it does not know of, being cut off. So it is told only once a barrier behind it is committed, which takes the copies that
 * an ack takes (protocol rule 13): then no newer term had begun when it was made.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, isRefusal } from '@tidemark/platform/fault';
import type { Writer } from '../writer.ts';

/** Refusals of so long share a barrier: bad requests fill no log. */
const TOGETHER_MS = 10;

/** The refusals of one process's writers. */
export class ProvedRefusals {
  readonly #clock: Clock;
  readonly #proofs = new WeakMap<Writer, Promise<boolean>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Throws what a request failed with, once that can be told; at once where it may be stored.
   * @param asked whose refusal it is, and how many ms it may wait; throws where this site does not write any more
   * @throws {Fault} `unavailable`: it was refused, and in that time it could not be told whether that holds
   */
  async tell(error: unknown, asked: () => readonly [writer: Writer, timeoutMs: number]): Promise<never> {
    if (!isRefusal(error) || !isByTables(error)) throw error;
    const [writer, timeoutMs] = asked();
    if (await this.#isProved(writer, timeoutMs)) throw error;
    const message = `keyspace ${writer.keyspace.name}: not enough sites answer to tell whether this one still writes it, and by the tables it knows it refuses: ${error.message}`;
    throw new Fault('unavailable', message, { retryAfterMs: 1_000, cause: error });
  }

  async #isProved(writer: Writer, timeoutMs: number): Promise<boolean> {
    const known = this.#proofs.get(writer);
    const proof = known ?? this.#prove(writer);
    if (known === undefined) this.#proofs.set(writer, proof);
    const over = new AbortController();
    const isOver = this.#clock.sleep(timeoutMs, over.signal).then(() => false);
    const isProved = await Promise.race([proof, isOver]);
    over.abort(null);
    return isProved;
  }

  async #prove(writer: Writer): Promise<boolean> {
    await this.#clock.sleep(TOGETHER_MS);
    this.#proofs.delete(writer);
    return writer.barrier().then(
      () => true,
      () => false,
    );
  }
}

/** Of a table or column that there is not, or a value that the column's type does not have: each may have changed. */
function isByTables({ kind, details }: Fault): boolean {
  return kind === 'notFound' || details.column !== undefined;
}
