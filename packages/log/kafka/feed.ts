/** What one reader has been brought from Kafka and has not taken yet. */

import { Fault, messageOf } from '@tidemark/platform/fault';
import { Bell } from '../bell.ts';
import type { LogBatch, LogRecord } from '../log.ts';
import { countFitting } from '../read-rules.ts';
import { decodeRecords } from './records.ts';
import type { Fetched, FetchPart } from './wire.ts';

/** A reader that has this much waiting is brought no more; it can overshoot by one answer. */
const WAITING_BYTES_MAX = 2 * 1024 * 1024;

/** Asked for at a time; a larger record comes all the same. */
const ANSWER_BYTES_MAX = 1024 * 1024;

export class KafkaFeed {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly place: string;
  readonly committedOnly: boolean;
  readonly bell = new Bell();
  /** Node that leads the partition; null while that has to be found out. */
  leader: number | null;
  /** True while a request that brings its records is under way. */
  isAsked = false;
  #next: number;
  #leaderEpoch = -1;
  #end: number;
  #waiting: LogRecord[] = [];
  #waitingFrom = 0;
  #waitingBytes = 0;
  #failure: Error | null = null;

  constructor(parts: {
    readonly topic: string;
    readonly topicId: string;
    readonly partition: number;
    readonly place: string;
    readonly from: number;
    readonly end: number;
    readonly leader: number;
    readonly committedOnly: boolean;
  }) {
    this.topic = parts.topic;
    this.topicId = parts.topicId;
    this.partition = parts.partition;
    this.place = parts.place;
    this.committedOnly = parts.committedOnly;
    this.#next = parts.from;
    this.#end = parts.end;
    this.leader = parts.leader;
  }

  /** Names the partition in answers. */
  get key(): string {
    return `${this.topicId}/${this.partition}`;
  }

  /** Offset of the next record to bring. */
  get next(): number {
    return this.#next;
  }

  /** Offset after the partition's last record, as last heard. */
  get end(): number {
    return this.#end;
  }

  get wantsMore(): boolean {
    return !this.isAsked && this.#failure === null && this.#waitingBytes < WAITING_BYTES_MAX;
  }

  /** What to ask the leader for. */
  get ask(): FetchPart {
    const { topicId, partition } = this;
    return { topicId, partition, from: this.#next, leaderEpoch: this.#leaderEpoch, bytesMax: ANSWER_BYTES_MAX };
  }

  /**
   * Takes in the leader's answer. Bytes that cannot be read are the reader's failure, behind what was read before.
   * @returns where a damaged batch begins
   */
  bring({ records: bytes, end, aborted }: Fetched): readonly LogRecord[] {
    this.#end = end;
    if (bytes.length === 0) return [];
    try {
      const { records, next, leaderEpoch } = decodeRecords(bytes, this.#next, { end, aborted });
      // Brokers give whole batches, or nothing, since Kafka 0.10: this one names a wrong length.
      if (next === null)
        throw new Error(`offset ${this.#next}: a record batch longer than its answer of ${bytes.length} bytes`);
      this.#next = next;
      this.#leaderEpoch = leaderEpoch;
      for (const record of records) {
        this.#waiting.push(record);
        this.#waitingBytes += record.value.length;
      }
      this.bell.ring();
      return records.filter(({ damage, value }) => damage !== null && value.length > 0);
    } catch (error) {
      this.fail(new Fault('corrupt', `${this.place}: ${messageOf(error)}`, { cause: error }));
      return [];
    }
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.bell.ring();
  }

  /** The next batch, or null when nothing waits. @throws {Fault} the failure, once everything before it was taken. */
  take(bytesMax: number, stopAt: number | null): LogBatch | null {
    const left = this.#waiting.length - this.#waitingFrom;
    if (left === 0) {
      if (this.#failure !== null) throw this.#failure;
      return null;
    }
    const from = this.#waitingFrom;
    const count = countFitting(sizesFrom(this.#waiting, from, stopAt), bytesMax);
    if (count === 0) return null;
    const records = this.#waiting.slice(from, from + count);
    for (const record of records) this.#waitingBytes -= record.value.length;
    this.#waitingFrom += count;
    if (this.#waitingFrom === this.#waiting.length) {
      this.#waiting = [];
      this.#waitingFrom = 0;
    }
    const next = records.at(-1)!.offset + 1;
    // What lies behind is nothing for a reader: the ends of transactions, and aborted ones.
    const isLast = this.#waiting.length === 0 && this.#next >= this.#end;
    return { records, end: isLast ? next : Math.max(this.#end, next) };
  }
}

function* sizesFrom(records: readonly LogRecord[], from: number, stopAt: number | null): Iterable<number> {
  for (let i = from; i < records.length; i++) {
    if (stopAt !== null && records[i]!.offset >= stopAt) return;
    yield records[i]!.value.length;
  }
}
