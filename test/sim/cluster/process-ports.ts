/** The ports of one simulated process: each waits at the process's gate, and what is elsewhere is behind a link. */

import type { Beat, HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Log, LogBatch, LogEntry, ReadOptions, TopicSpec } from '@tidemark/log/log';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk, DiskFile } from '@tidemark/platform/disk';
import type { Links } from './links.ts';
import type { SimProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';

/** Where a port stands: in this process at `from`, asking `to`. */
export type Way = { readonly process: SimProcess; readonly links: Links; readonly from: string; readonly to: string };

export const START_MS = 1_700_000_000_000;

/** A site's clock; `wrongMs` says by how much its wall time is wrong now. */
export class ProcessClock implements Clock {
  readonly #process: SimProcess;
  readonly #scheduler: Scheduler;
  readonly #wrongMs: () => number;

  constructor(process: SimProcess, scheduler: Scheduler, wrongMs: () => number) {
    this.#process = process;
    this.#scheduler = scheduler;
    this.#wrongMs = wrongMs;
  }

  nowMs(): number {
    return START_MS + Math.floor(this.#scheduler.nowMs + this.#wrongMs());
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return this.#process.step(
      () =>
        new Promise((resolve) => {
          const done = (): void => {
            signal?.removeEventListener('abort', done);
            appointment.cancel();
            resolve();
          };
          const appointment = this.#scheduler.after(ms, done);
          signal?.addEventListener('abort', done, { once: true });
        }),
    );
  }
}

export class ProcessDisk implements Disk {
  readonly #process: SimProcess;
  readonly #disk: Disk;

  constructor(process: SimProcess, disk: Disk) {
    this.#process = process;
    this.#disk = disk;
  }

  makeFolder(path: string): Promise<void> {
    return this.#process.step(() => this.#disk.makeFolder(path));
  }

  async create(path: string): Promise<DiskFile> {
    const file = await this.#process.step(() => this.#disk.create(path));
    return {
      path,
      append: (bytes) => this.#process.step(() => file.append(bytes)),
      sync: () => this.#process.step(() => file.sync()),
      close: () => this.#process.step(() => file.close()),
    };
  }

  read(path: string): Promise<Uint8Array> {
    return this.#process.step(() => this.#disk.read(path));
  }

  readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#process.step(() => this.#disk.readAt(path, offset, length));
  }

  exists(path: string): Promise<boolean> {
    return this.#process.step(() => this.#disk.exists(path));
  }

  list(path: string): Promise<string[]> {
    return this.#process.step(() => this.#disk.list(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#process.step(() => this.#disk.rename(from, to));
  }

  syncFolder(path: string): Promise<void> {
    return this.#process.step(() => this.#disk.syncFolder(path));
  }

  remove(path: string): Promise<void> {
    return this.#process.step(() => this.#disk.remove(path));
  }

  lock(path: string): Promise<AsyncDisposable> {
    return this.#process.step(() => this.#disk.lock(path));
  }

  room(): ReturnType<Disk['room']> {
    return this.#disk.room();
  }
}

export class ProcessLog implements Log {
  readonly address: string;
  readonly #way: Way;
  readonly #log: Log;

  constructor(way: Way, log: Log) {
    this.address = log.address;
    this.#way = way;
    this.#log = log;
  }

  ensureTopic(spec: TopicSpec): Promise<void> {
    return this.#ask(() => this.#log.ensureTopic(spec));
  }

  partitionCount(topic: string): Promise<number | null> {
    return this.#ask(() => this.#log.partitionCount(topic));
  }

  topicId(topic: string): Promise<string | null> {
    return this.#ask(() => this.#log.topicId(topic));
  }

  topics(): Promise<string[]> {
    return this.#ask(() => this.#log.topics());
  }

  append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number> {
    return this.#ask(() => this.#log.append(topic, partition, entries));
  }

  async *read(options: ReadOptions): AsyncIterable<LogBatch> {
    const { process, links, from, to } = this.#way;
    const signal = AbortSignal.any([options.signal, process.killed]);
    const batches = this.#log.read({ ...options, signal })[Symbol.asyncIterator]();
    const next = async (): Promise<IteratorResult<LogBatch>> => {
      const found = await batches.next();
      if (from !== to && found.done !== true) await links.carrySurely(to, from, signal);
      return found;
    };
    try {
      for (;;) {
        const { done, value } = await process.step(next);
        if (done === true) return;
        if (options.signal.aborted) return;
        yield value;
      }
    } finally {
      await batches.return?.();
    }
  }

  bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }> {
    return this.#ask(() => this.#log.bounds(topic, partition));
  }

  offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    return this.#ask(() => this.#log.offsetAtTime(topic, partition, timeMs));
  }

  trim(topic: string, partition: number, offset: number): Promise<void> {
    return this.#ask(() => this.#log.trim(topic, partition, offset));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
  }

  #ask<T>(work: () => Promise<T>): Promise<T> {
    const { process, links, from, to } = this.#way;
    return process.step(() => links.call(from, to, work));
  }
}

export class ProcessHeartbeatStore implements HeartbeatStore {
  readonly address: string;
  readonly #way: Way;
  readonly #board: HeartbeatStore;

  constructor(way: Way, board: HeartbeatStore) {
    this.address = board.address;
    this.#way = way;
    this.#board = board;
  }

  beat(beat: Beat): Promise<void> {
    const { process, links, from, to } = this.#way;
    return process.step(() => links.call(from, to, () => this.#board.beat(beat)));
  }

  beats(): Promise<Beat[]> {
    const { process, links, from, to } = this.#way;
    return process.step(() => links.call(from, to, () => this.#board.beats()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#board[Symbol.asyncDispose]();
  }
}
