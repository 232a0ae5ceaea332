/** What one reader has been brought from Kafka and has not taken yet. */

import { Fault } from '@tidemark/platform/fault';
import { Notifier } from '@tidemark/platform/sync/notifier';
import type { LogBatch, LogRecord } from '../log.ts';
import { countFitting } from '../read-rules.ts';
import { Beyond } from './beyond.ts';
import { type BatchName, damagedRecords, decodeRecords, firstBatch } from './records.ts';
import type { Fetched, FetchPart, TopicMetadata } from './wire.ts';

/** A reader that has this much waiting is brought no more; it can overshoot by one answer. */
const WAITING_BYTES_MAX = 2 * 1024 * 1024;

/** Asked for at a time; a larger record comes all the same. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** So often the broker gives nothing, or an error, for a place that it says it has, before that is taken for damage. */
const VAIN_MAX = 3;

type FeedOptions = {
  /** The partition by name, for whoever reads an error. */
  readonly place: string;
  /** Offset of the first record to bring. */
  readonly from: number;
  /** Offset after the partition's last record, as heard. */
  readonly end: number;
  readonly committedOnly: boolean;
};

/**
 * A bounded buffer between one reader and the fetches that fill it; a failure is handed out after what came before it.
 */
export class KafkaFeed {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly place: string;
  readonly committedOnly: boolean;
  readonly bell = new Notifier();
  /** Node that leads the partition; null while that has to be found out. */
  leader: number | null;
  /** True while a request that brings its records is under way. */
  isAsked = false;
  #next: number;
  /** Of the last batch that was brought; −1: not known, or not to be believed. */
  #leaderEpoch = -1;
  #last: BatchName | null = null;
  /** Set while the last batch is looked at again: how far had been read, and from where on the broker said that it differs. */
  #doubted: { readonly next: number; readonly divergesAt: number } | null = null;
  #end: number;
  #waiting: LogRecord[] = [];
  #waitingFrom = 0;
  #waitingBytes = 0;
  #failure: Error | null = null;
  /** Answers in a row that gave nothing of what there is. */
  #vain = 0;
  /** Set while the log cannot be read at `next`: where it can be again. */
  #beyond: Beyond | null = null;

  constructor(view: TopicMetadata, partition: number, { place, from, end, committedOnly }: FeedOptions) {
    this.topic = view.name;
    this.topicId = view.id;
    this.partition = partition;
    this.place = place;
    this.committedOnly = committedOnly;
    this.#next = from;
    this.#end = end;
    this.leader = view.leaders[partition]!;
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

  /** Asked for with no other: in an answer that is full of others' records there is no room for its own. */
  get isAlone(): boolean {
    return this.#vain > 0 || this.#beyond !== null;
  }

  /** What to ask the leader for. */
  get ask(): FetchPart {
    const { topicId, partition } = this;
    const from = this.#beyond?.probe(this.#end) ?? this.#next;
    return { topicId, partition, from, leaderEpoch: this.#leaderEpoch, bytesMax: ANSWER_BYTES_MAX };
  }

  /**
   * Takes in the leader's answer. What cannot be read becomes damaged records; reading goes on behind them.
   * @returns the first record of each damaged place
   */
  bring({ records: bytes, end, aborted }: Fetched): readonly LogRecord[] {
    this.#end = end;
    if (this.#doubted !== null) return this.#lookedAgain(bytes, this.#doubted);
    if (this.#beyond !== null) return this.#lookedBeyond(bytes, this.#beyond);
    if (bytes.length === 0) return this.#next < end ? this.#inVain('the broker gives nothing of it') : [];
    const { records, next, leaderEpoch, last, broken } = decodeRecords(bytes, this.#next, { end, aborted });
    // Brokers give whole batches, or nothing, since Kafka 0.10: this one names a wrong length.
    if (next === null) return this.#inVain(broken ?? `a record batch longer than its answer of ${bytes.length} bytes`);
    this.#vain = 0;
    this.#next = next;
    this.#leaderEpoch = leaderEpoch;
    this.#last = last ?? this.#last;
    return this.#add(records);
  }

  /**
   * The broker says that the log is another one from there on, judged by the leader epoch of the last batch. No checksum covers that
   * one: so the batch is looked at again first.
   */
  diverges(divergesAt: number): void {
    if (this.#last === null) {
      this.#lost(divergesAt);
      return;
    }
    this.#doubted = { next: this.#next, divergesAt };
    this.#next = this.#last.base;
    this.#leaderEpoch = -1;
  }

  /** Where the last batch stands as it stood, reading goes on behind it, by no leader epoch until another one is brought. */
  #lookedAgain(
    bytes: Buffer,
    { next, divergesAt }: { readonly next: number; readonly divergesAt: number },
  ): readonly [] {
    const found = firstBatch(bytes);
    this.#doubted = null;
    this.#next = next;
    if (found === null || found.base !== this.#last?.base || found.sum !== this.#last.sum) this.#lost(divergesAt);
    return [];
  }

  #lost(divergesAt: number): void {
    const message = `${this.place}: the log lost its end: read up to offset ${this.#next}, it differs from ${divergesAt} on`;
    this.fail(new Fault('corrupt', message, { got: this.#next, expected: divergesAt }));
  }

  /** The broker says that it cannot read there. */
  refused(error: number): readonly LogRecord[] {
    if (this.#beyond !== null) return this.#told(this.#beyond, false);
    return this.#inVain(`the broker cannot read it: Kafka error ${error}`);
  }

  #inVain(why: string): readonly LogRecord[] {
    if (++this.#vain < VAIN_MAX) return [];
    this.#beyond = new Beyond(this.#next, `offset ${this.#next}: the log cannot be read: ${why}`);
    return this.#goBeyond(this.#beyond);
  }

  #lookedBeyond(bytes: Buffer, beyond: Beyond): readonly LogRecord[] {
    const at = beyond.probe(this.#end)!;
    const { next } = decodeRecords(bytes, at, { end: this.#end });
    return this.#told(beyond, next !== null && bytes.readBigInt64BE(0) <= at && next > at);
  }

  #told(beyond: Beyond, isReadable: boolean): readonly LogRecord[] {
    beyond.told(beyond.probe(this.#end)!, isReadable);
    return this.#goBeyond(beyond);
  }

  #goBeyond(beyond: Beyond): readonly LogRecord[] {
    if (beyond.probe(this.#end) !== null) return [];
    this.#beyond = null;
    this.#vain = 0;
    const { from, found, damage } = beyond;
    this.#next = found;
    return this.#add(damagedRecords({ from, next: found, damage }));
  }

  #add(records: readonly LogRecord[]): readonly LogRecord[] {
    for (const record of records) {
      this.#waiting.push(record);
      this.#waitingBytes += record.value.length;
    }
    this.bell.notify();
    return records.filter(({ damage }, i) => damage !== null && damage !== records[i - 1]?.damage);
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.bell.notify();
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
