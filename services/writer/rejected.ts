/**
 * What cannot be read of one ingest partition is set aside in `tidemark.<keyspace>.ingest.rejected`: the record as it
 * was, and why, in headers. Each once: the newest source offset set aside is read back from the topic itself.
 */

import type { Log, LogEntry, LogRecord } from '@tidemark/log/log';
import { topicNames } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import { type Fault, isFault } from '@tidemark/world/fault';

export const REJECTED_HEADERS = {
  reason: 'tidemark-reason',
  partition: 'tidemark-source-partition',
  offset: 'tidemark-source-offset',
} as const;

const REASON_CHARACTERS_MAX = 1_000;
const RETRY_MS = 200;

export type RejectedParts = {
  readonly log: Log;
  readonly keyspace: string;
  /** Of the ingest topic; the rejected topic has as many. */
  readonly partition: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

export class Rejected {
  readonly #parts: RejectedParts;
  readonly #topic: string;
  /** Highest source offset that is set aside, and up to where the topic was read to know it. */
  #upTo = -1;
  #readTo = -1;
  #waiting: LogEntry[] = [];

  constructor(parts: RejectedParts) {
    this.#parts = parts;
    this.#topic = topicNames.ingestRejected(parts.keyspace);
  }

  /** Learns what is set aside already; forgets what was only waiting. @throws {Fault} as `Log.read` */
  async open(): Promise<void> {
    const { log, partition, signal } = this.#parts;
    this.#waiting = [];
    const { start } = await log.bounds(this.#topic, partition);
    const from = Math.max(start, this.#readTo);
    for await (const { records } of log.read({ topic: this.#topic, partition, from, signal, untilEnd: true })) {
      for (const { offset, headers } of records) {
        this.#upTo = Math.max(this.#upTo, Number(headers[REJECTED_HEADERS.offset] ?? -1));
        this.#readTo = offset + 1;
      }
    }
  }

  /** Sets a record aside with the next `flush`. False when it is there already. */
  add(record: LogRecord, fault: Fault): boolean {
    if (record.offset <= this.#upTo) return false;
    this.#waiting.push({
      value: record.value,
      headers: {
        [REJECTED_HEADERS.reason]: fault.message.slice(0, REASON_CHARACTERS_MAX),
        [REJECTED_HEADERS.partition]: String(this.#parts.partition),
        [REJECTED_HEADERS.offset]: String(record.offset),
      },
    });
    return true;
  }

  /** Resolves when everything added is stored. */
  async flush(): Promise<void> {
    const { log, partition, clock, signal } = this.#parts;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const waiting = this.#waiting;
      try {
        await log.append(this.#topic, partition, waiting);
        this.#upTo = Number(waiting.at(-1)!.headers![REJECTED_HEADERS.offset]);
        this.#waiting = [];
      } catch (error) {
        if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'unknown')) throw error;
        await clock.sleep(RETRY_MS, signal);
        await this.open().catch(() => {});
        this.#waiting = waiting.filter((entry) => Number(entry.headers![REJECTED_HEADERS.offset]) > this.#upTo);
      }
    }
  }
}
