/** A log whose appends to one topic partition take turns: for handles that several parts of a process share. */

import type { Log, LogBatch, LogEntry, ReadOptions, TopicSpec } from './log.ts';

/**
 * Passes everything on to a log, but begins an append only when the one before it to that topic partition has ended.
 */
export class AppendTurns implements Log {
  readonly #log: Log;
  /** By topic partition: the last append in line; never rejects. */
  readonly #lines = new Map<string, Promise<unknown>>();

  constructor(log: Log) {
    this.#log = log;
  }

  get address(): string {
    return this.#log.address;
  }

  ensureTopic(spec: TopicSpec): Promise<void> {
    return this.#log.ensureTopic(spec);
  }

  partitionCount(topic: string): Promise<number | null> {
    return this.#log.partitionCount(topic);
  }

  topicId(topic: string): Promise<string | null> {
    return this.#log.topicId(topic);
  }

  topics(): Promise<string[]> {
    return this.#log.topics();
  }

  append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number> {
    const key = `${topic}/${partition}`;
    const before = this.#lines.get(key);
    // Nobody in line: no turn of the event loop is lost.
    const turn =
      before === undefined
        ? this.#log.append(topic, partition, entries)
        : before.then(() => this.#log.append(topic, partition, entries));
    const settled: Promise<void> = turn.then(
      () => this.#left(key, settled),
      () => this.#left(key, settled),
    );
    this.#lines.set(key, settled);
    return turn;
  }

  #left(key: string, settled: Promise<void>): void {
    if (this.#lines.get(key) === settled) this.#lines.delete(key);
  }

  read(options: ReadOptions): AsyncIterable<LogBatch> {
    return this.#log.read(options);
  }

  bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }> {
    return this.#log.bounds(topic, partition);
  }

  offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    return this.#log.offsetAtTime(topic, partition, timeMs);
  }

  trim(topic: string, partition: number, offset: number): Promise<void> {
    return this.#log.trim(topic, partition, offset);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#log[Symbol.asyncDispose]();
  }
}
