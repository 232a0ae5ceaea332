/**
 * Decides when memtables become column files, one flush at a time, and writes the checkpoint that goes with them.
 * All tables' partitions of one number are flushed together, so that they can be read on from one place.
 */

import type { Clock } from '@tidemark/platform/clock';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { Progress } from '@tidemark/platform/progress';
import type { Holder, SharedMemory } from '@tidemark/platform/shared-memory';
import { Mutex } from '@tidemark/platform/sync/mutex';
import type { Stores } from './stores.ts';

const TICK_MS = 1_000;
/** Nobody adds to memtables beyond this many times their bound. */
export const ROOM_FACTOR = 2;

/** When memtables have to become column files. */
export type FlushRules = {
  /** What has changed is flushed at least this often. */
  readonly flushEveryMs: number;
};

type FlusherParts = {
  readonly stores: Stores;
  /** Memtables of all keyspaces: beyond what they may hold together the largest are flushed. */
  readonly memtables: SharedMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called right before a flush of a partition begins, and once it is on disk. */
  readonly before: (partition: number) => () => void;
  /** Writes down what was flushed. */
  readonly checkpoint: () => Promise<void>;
  /** Told of an error; true when it says which column files are wrong, and they will be built again. */
  readonly onDamage: (error: unknown) => boolean;
  readonly onFatal: (error: unknown) => void;
};

/** The flushes of one keyspace; a disk without room is tried again while reading waits. */
export class Flusher implements AsyncDisposable {
  readonly #parts: FlusherParts;
  readonly #rules: FlushRules;
  readonly #news: Progress;
  #isFull = false;
  #isSaving = false;
  #isEnded = false;
  /** The partition whose memtables are being written. */
  #flushing: number | null = null;
  #flushedMs: number;
  readonly #mutex = new Mutex();
  readonly #holder: Holder = { bytes: () => this.#bytes, onOver: () => this.#news.tell() };
  readonly #share: Disposable;

  constructor(parts: FlusherParts, rules: FlushRules) {
    this.#parts = parts;
    this.#rules = rules;
    this.#news = new Progress(parts.clock);
    this.#flushedMs = parts.clock.monotonicMs();
    this.#share = parts.memtables.join(this.#holder);
  }

  /** True while the disk has no room: reading waits. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** What could be gained by flushing, in bytes; memtables that are being written count until they are gone. */
  get #bytes(): number {
    return this.#changed().reduce((sum, p) => sum + this.#parts.stores.memtableBytes(p), 0);
  }

  #changed(): number[] {
    const { stores } = this.#parts;
    const all = Array.from({ length: stores.keyspace.partitions }, (_, p) => p);
    return all.filter((p) => stores.hasChanged(p) || p === this.#flushing);
  }

  #hasRoom(bytes = this.#parts.memtables.bytes): boolean {
    return !this.#isFull && bytes < this.#parts.memtables.bytesMax * ROOM_FACTOR;
  }

  /** Resolves once memtables may grow; wakes those who flush when they are beyond their bound. */
  async room(signal: AbortSignal): Promise<void> {
    const { memtables } = this.#parts;
    // Every memtable is counted for it, and it is asked for behind every record.
    const { bytes } = memtables;
    if (bytes > memtables.bytesMax) memtables.tell();
    if (this.#hasRoom(bytes)) return;
    while (!this.#hasRoom() && !signal.aborted) await this.#news.until(() => this.#hasRoom(), TICK_MS, signal);
  }

  /** Flushes when it is time to, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#news.until(() => this.#isOver(), TICK_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#exclusively(() => this.#flushDue());
        this.#setFull(null);
      } catch (error) {
        if (this.#parts.onDamage(error)) return;
        if (!isFault(error, 'unavailable')) return this.#parts.onFatal(error);
        this.#setFull(messageOf(error));
      }
      this.#news.tell();
    }
  }

  /** True when there is something to flush before its time. */
  #isOver(): boolean {
    return !this.#isFull && this.#largest().length > 0;
  }

  #setFull(reason: string | null): void {
    const { logger, stores } = this.#parts;
    const { name } = stores.keyspace;
    if (reason !== null && !this.#isFull)
      logger.error({ keyspace: name, reason }, `keyspace ${name}: reading waits: ${reason}`);
    if (reason === null && this.#isFull) logger.info({ keyspace: name }, `keyspace ${name}: reading goes on`);
    this.#isFull = reason !== null;
  }

  async #flushDue(): Promise<void> {
    const { clock } = this.#parts;
    const isTime = clock.monotonicMs() - this.#flushedMs >= this.#rules.flushEveryMs;
    const due = isTime || this.#isFull ? this.#changed() : this.#largest();
    if (isTime) this.#flushedMs = clock.monotonicMs();
    await this.#flush(due);
  }

  /** Partition numbers, largest first, until what is left is half of the bound; none while all are within it. */
  #largest(): number[] {
    const { stores, memtables } = this.#parts;
    const sizes = this.#changed().map((partition) => ({ partition, bytes: stores.memtableBytes(partition) }));
    let bytes = sizes.reduce((sum, size) => sum + size.bytes, 0);
    const bytesMax = memtables.boundOf(this.#holder);
    if (bytes <= bytesMax) return [];
    const due: number[] = [];
    for (const size of sizes.sort((a, b) => b.bytes - a.bytes)) {
      if (bytes <= bytesMax / 2) break;
      due.push(size.partition);
      bytes -= size.bytes;
    }
    return due;
  }

  async #flush(due: readonly number[]): Promise<void> {
    for (const partition of due) await this.#flushOne(partition);
    if (due.length > 0) await this.#parts.checkpoint();
  }

  async #flushOne(partition: number): Promise<void> {
    const { stores, before } = this.#parts;
    const done = before(partition);
    stores.setChanged(partition, false);
    this.#flushing = partition;
    try {
      for (const store of stores.partitions(partition)) await store.flush();
      done();
    } catch (error) {
      stores.setChanged(partition, true);
      throw error;
    } finally {
      this.#flushing = null;
    }
    this.#parts.memtables.tell();
  }

  /** Flushes everything that has changed, now. @throws {Fault} `unavailable`: disk full. */
  flushAll(): Promise<void> {
    return this.#exclusively(() => this.#flush(this.#changed()));
  }

  /** Writes down where reading goes on, and the epoch ends, without flushing. @throws {Fault} `unavailable`: disk full. */
  save(): Promise<void> {
    return this.#exclusively(() => this.#parts.checkpoint());
  }

  /** Likewise, soon and without anyone waiting. A full disk only makes it be learnt again. */
  saveSoon(): void {
    if (this.#isSaving) return;
    this.#isSaving = true;
    const save = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      this.#isSaving = false;
      await this.save();
    };
    save().catch((error: unknown) => {
      if (!isFault(error, 'unavailable')) this.#parts.onFatal(error);
    });
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    using _turn = await this.#mutex.lock();
    if (!this.#isEnded) await work();
  }

  /**
   * Flushes what it can. Nothing is written any more afterwards, also not by who asked before: what is on disk is
   * somebody else's then. @throws {Fault} as a flush does
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#exclusively(async () => {
      try {
        await this.#flush(this.#changed());
      } finally {
        this.#share[Symbol.dispose]();
        this.#isEnded = true;
      }
    });
  }
}
