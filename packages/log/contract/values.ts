/** What the suite of the Log port and the logs' own tests are made of: harnesses, small topics, texts as records. */

import { SystemClock } from '@tidemark/platform/system-clock';
import { type Log, type LogBatch, type LogRecord, RECORD_BYTES_MAX, type TopicSpec } from '../log.ts';

/** One site's log, empty, and what can be done to it from outside. */
export interface LogHarness extends AsyncDisposable {
  readonly log: Log;
  /** A second handle on the same log, as another process has it. The suite disposes it. */
  another(): Promise<Log>;
  /** Removes a topic as an operator's tool would, behind the log's back. */
  deleteTopic(topic: string): Promise<void>;
}

/** A harness of an engine that can be broken in a moment; where it takes more, its own tests do what this is for. */
export interface BreakableLogHarness extends LogHarness {
  /** Cuts a partition's records from `end` on. */
  loseEnd(topic: string, partition: number, end: number): Promise<void>;
  /** Makes the log unreachable until the result is disposed. */
  outage(): Promise<AsyncDisposable>;
}

const clock = new SystemClock();

/** Repeats while the answer is `unavailable` or `unknown`. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const kind = (error as { kind?: string }).kind;
      if (kind !== 'unavailable' && kind !== 'unknown') throw error;
      await clock.sleep(50);
    }
  }
}

/** Waits for something that happens by itself; the test's own time-out is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await clock.sleep(2);
}

export function topic(name: string, change: Partial<TopicSpec> = {}): TopicSpec {
  return { name, partitions: 3, genesis: null, flushed: false, ...change };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function texts(records: readonly LogRecord[]): string[] {
  return records.map((record) => new TextDecoder().decode(record.value));
}

/** Everything from `from` to the end known now. */
export async function readAll(
  log: Log,
  topicName: string,
  partition: number,
  from = 0,
  batchBytesMax?: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const options = { topic: topicName, partition, from, signal: never(), untilEnd: true };
  const bounded = batchBytesMax === undefined ? options : { ...options, batchBytesMax };
  for await (const batch of log.read(bounded)) records.push(...batch.records);
  return records;
}

/** The first batch from `from`, if there is any. */
export async function firstBatch(
  log: Log,
  topicName: string,
  partition: number,
  from = 0,
  batchBytesMax = RECORD_BYTES_MAX,
): Promise<LogBatch | undefined> {
  const options = { topic: topicName, partition, from, signal: never(), untilEnd: true, batchBytesMax };
  for await (const batch of log.read(options)) return batch;
  return undefined;
}

/** A signal that nobody aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

/** Bytes that differ from place to place and from seed to seed. */
export function patterned(size: number, seed = 0): Uint8Array {
  const value = new Uint8Array(size);
  for (let i = 0; i < size; i++) value[i] = (i * 31 + seed + (i >> 8)) & 255;
  return value;
}
