/**
 * What cannot be read of one ingest partition is set aside in `tidemark.<keyspace>.ingest.rejected`: the record as it
 * was, with its key and headers, and why, in headers more. Each once: the newest source offset set aside is read back
 * from the topic itself. A record too large to be stored there is cut short, and says so: nothing behind it waits.
 */

import { headerBytesOf } from '@tidemark/log/append-rules';
import {
  HEADER_BYTES_MAX,
  type HeaderValue,
  type Log,
  type LogEntry,
  type LogRecord,
  RECORD_BYTES_MAX,
} from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';

/** Headers of a record set aside: why, and which source record it was. */
export const REJECTED_HEADERS = {
  reason: 'tidemark-reason',
  /** Identity of the ingest topic, `~1` behind it once it lost its end. */
  topic: 'tidemark-source-topic',
  partition: 'tidemark-source-partition',
  offset: 'tidemark-source-offset',
  /** Of the value, where the copy is shorter. */
  bytes: 'tidemark-source-bytes',
  /** Names of headers there was no room for. */
  leftOut: 'tidemark-headers-left-out',
} as const;

const REASON_CHARACTERS_MAX = 1_000;
const NAMES_CHARACTERS_MAX = 4_000;
/** What a record's own key and headers may take; ours take the rest. */
const CARRIED_BYTES_MAX = HEADER_BYTES_MAX - 32 * 1024;
const APPEND_RECORDS_MAX = 1_000;
const RETRY_MS = 200;

type RejectedParts = {
  readonly log: Log;
  readonly keyspace: string;
  /** Of the ingest topic. */
  readonly partition: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

type Waiting = { readonly offset: number; readonly entry: LogEntry };

/** Sets records of one ingest partition aside in order; they are stored when `flush` has answered. */
export class Rejected {
  readonly #parts: RejectedParts;
  readonly #topic: string;
  /** Of the rejected topic: an ingest topic with more partitions shares them. */
  #partition = 0;
  #source = '';
  /** Highest offset of that source that is set aside, and up to where the topic was read to know it. */
  #upTo = -1;
  #readTo = -1;
  #waiting: Waiting[] = [];

  constructor(parts: RejectedParts) {
    this.#parts = parts;
    this.#topic = topicNames.ingestRejected(parts.keyspace);
  }

  /** Highest source offset that is set aside; −1 for none. */
  get upTo(): number {
    return this.#upTo;
  }

  /**
   * Learns what of this source is set aside already; forgets what was only waiting.
   * @throws {Fault} as `Log.read`
   */
  async open(source: string): Promise<void> {
    const { log, partition, signal } = this.#parts;
    this.#waiting = [];
    const partitions = (await log.partitionCount(this.#topic)) ?? partition + 1;
    // Makes it where somebody deleted it, and takes the one that is there for the right one.
    await log.ensureTopic({ name: this.#topic, partitions, genesis: null, flushed: true });
    this.#partition = partition % partitions;
    if (source !== this.#source) this.#upTo = this.#readTo = -1;
    this.#source = source;
    const { start, end } = await log.bounds(this.#topic, this.#partition);
    const from = this.#readTo > end ? start : Math.max(start, this.#readTo);
    const place = { topic: this.#topic, partition: this.#partition, from, signal, untilEnd: true };
    for await (const { records } of log.read(place)) for (const record of records) this.#learn(record);
  }

  #learn({ offset, headers }: LogRecord): void {
    this.#readTo = offset + 1;
    if (headers[REJECTED_HEADERS.topic] !== this.#source) return;
    if (headers[REJECTED_HEADERS.partition] !== String(this.#parts.partition)) return;
    this.#upTo = Math.max(this.#upTo, Number(headers[REJECTED_HEADERS.offset] ?? -1));
  }

  /** Sets a record aside with the next `flush`, unless it is there already. */
  add(record: LogRecord, reason: string): void {
    if (record.offset <= this.#upTo) return;
    const own = {
      [REJECTED_HEADERS.reason]: reason.slice(0, REASON_CHARACTERS_MAX),
      [REJECTED_HEADERS.topic]: this.#source,
      [REJECTED_HEADERS.partition]: String(this.#parts.partition),
      [REJECTED_HEADERS.offset]: String(record.offset),
    };
    const entry = cutTo({ value: record.value, ...carried(record), headers: {} }, RECORD_BYTES_MAX);
    const headers = { ...carried(record).headers, ...entry.headers, ...own };
    this.#waiting.push({ offset: record.offset, entry: { ...entry, headers } });
  }

  /** Resolves when everything added is stored. @returns how many records that was */
  async flush(): Promise<number> {
    const { clock, signal } = this.#parts;
    let count = 0;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const group = this.#waiting.slice(0, countTogether(this.#waiting));
      try {
        await this.#append(group.map(({ entry }) => entry));
        this.#upTo = group.at(-1)!.offset;
        this.#waiting = this.#waiting.slice(group.length);
        count += group.length;
      } catch (error) {
        if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'unknown')) throw error;
        await clock.sleep(RETRY_MS, signal);
        const waiting = this.#waiting;
        await this.open(this.#source).catch(() => {});
        this.#waiting = waiting.filter(({ offset }) => offset > this.#upTo);
        count += waiting.length - this.#waiting.length;
      }
    }
    return count;
  }

  /** Smaller and smaller where the topic, which somebody else may have made, takes less than ours do. */
  async #append(entries: readonly LogEntry[]): Promise<void> {
    const { log } = this.#parts;
    try {
      await log.append(this.#topic, this.#partition, entries);
    } catch (error) {
      const [first, ...others] = entries;
      const isTooLarge = isFault(error, 'tooLarge');
      if (!isTooLarge || first === undefined || (others.length === 0 && first.value.length === 0)) throw error;
      await this.#append([others.length > 0 ? first : cutTo(first, Math.floor(first.value.length / 2))]);
      if (others.length > 0) await this.#append(others);
    }
  }
}

/** How many of the first ones fit into one append. */
function countTogether(waiting: readonly Waiting[]): number {
  let valueBytes = 0;
  let headerBytes = 0;
  let count = 0;
  for (const { entry } of waiting) {
    valueBytes += entry.value.length;
    headerBytes += (entry.key?.length ?? 0) + headerBytesOf(entry.headers);
    if (count > 0 && (valueBytes > RECORD_BYTES_MAX || headerBytes > HEADER_BYTES_MAX)) break;
    if (++count === APPEND_RECORDS_MAX) break;
  }
  return count;
}

/** The entry with as much of its value as fits, and then how long it was. */
function cutTo(entry: LogEntry, bytesMax: number): LogEntry {
  if (entry.value.length <= bytesMax) return entry;
  const bytes = { [REJECTED_HEADERS.bytes]: String(entry.value.length) };
  return { ...entry, value: entry.value.subarray(0, bytesMax), headers: { ...bytes, ...entry.headers } };
}

/** Key and headers as the producer gave them, as far as there is room. */
function carried({ key, headers }: LogRecord): { key: Uint8Array | null; headers: Record<string, HeaderValue> } {
  const kept: Record<string, HeaderValue> = {};
  const leftOut: string[] = [];
  let room = CARRIED_BYTES_MAX - Math.min(key?.length ?? 0, CARRIED_BYTES_MAX);
  for (const [name, value] of Object.entries(headers)) {
    const bytes = headerBytesOf({ [name]: value });
    if (bytes > room) leftOut.push(name);
    else {
      kept[name] = value;
      room -= bytes;
    }
  }
  if (leftOut.length > 0) kept[REJECTED_HEADERS.leftOut] = leftOut.join(', ').slice(0, NAMES_CHARACTERS_MAX);
  return { key: key?.subarray(0, CARRIED_BYTES_MAX) ?? null, headers: kept };
}
