/**
 * One table's share of one log partition: `<keyspace>/<table>/<partition>/` of a disk.
 *
 * `apply` merges batches into a memtable; `flush` writes it as a segment and moves segments and positions together in
 * one rename of the manifest. So what is found after a crash is the fold of exactly the positions the manifest names.
 */

import { setImmediate } from 'node:timers/promises';
import { comparePositions, NOWHERE, type Position } from '@tidemark/schema/position';
import type { RowBatch } from '@tidemark/schema/row-batch';
import type { Stamp } from '@tidemark/schema/stamp';
import type { Table } from '@tidemark/schema/table';
import type { Disk } from '@tidemark/world/disk';
import { type Fault, isFault } from '@tidemark/world/fault';
import { BlockCache } from './block-cache.ts';
import { pickCompaction } from './compact.ts';
import { digestOf, type PartitionDigest } from './digest.ts';
import { Memtable } from './memtable.ts';
import { cellKinds, MemtableSource, rowOf } from './memtable-source.ts';
import { mergeRow } from './merge.ts';
import { type RowState, rowState, type StoredRow, storedRow } from './row-value.ts';
import type { Rows, Want } from './rows.ts';
import { SegmentSet } from './segment-set.ts';
import type { Snapshot } from './snapshot.ts';
import { blockRowsFor, DEFAULTS, type StoreOptions } from './store-options.ts';

export type { StoreOptions } from './store-options.ts';

/** Frozen memtables of up to this many rows are merged in memory as more are frozen. */
const ABSORB_ROWS_MAX = 16_384;
/** More frozen memtables than this make a flush due: a read has to merge them all. */
const FROZEN_MAX = 16;

export class Partition {
  readonly path: string;
  readonly #durable: SegmentSet;
  readonly #options: Required<StoreOptions>;
  #table: Table | null;
  readonly #positions: Map<string, Position>;
  /** A new one with every schema: what it holds is in the kinds of the table's columns. */
  #cache: BlockCache;
  #active = new Memtable();
  /** Oldest first; the first `#flushing` of them are being written. */
  #frozen: Memtable[] = [];
  #flushing = 0;
  /** Flushes and changes of the manifest, one at a time. */
  #exclusive: Promise<unknown> = Promise.resolve();
  #compacting: Promise<void> | null = null;
  #closed = false;
  #failure: unknown = null;
  #damage: Fault | null = null;

  /**
   * Opens the folder, or makes it; removes temporary and orphan files.
   * @throws {Fault} `corrupt`: manifests are there and none is whole. `invalid`: a newer version wrote it; untouched.
   */
  static async open(disk: Disk, path: string, options: StoreOptions = {}): Promise<Partition> {
    return new Partition(path, { ...DEFAULTS, ...options }, await SegmentSet.open(disk, path));
  }

  private constructor(path: string, options: Required<StoreOptions>, durable: SegmentSet) {
    this.path = path;
    this.#durable = durable;
    this.#options = options;
    this.#cache = new BlockCache(options.cacheBytesMax);
    this.#table = durable.manifest.table;
    this.#positions = new Map(Object.entries(durable.manifest.positions));
  }

  /** What was found wrong with newer manifests when an older one had to be used; empty when all was well. */
  get openNotes(): readonly string[] {
    return this.#durable.openNotes;
  }

  /** The newest schema it was given; kept in the manifest. */
  get table(): Table | null {
    return this.#table;
  }

  /** A SCHEMA record: new columns, int → long, renames, drops. Never a change of the key or a narrowing. */
  setTable(table: Table): void {
    this.#table = table;
    this.#cache = new BlockCache(this.#options.cacheBytesMax);
    // Its vectors may be of a kind that is too narrow now.
    this.#freeze();
  }

  /** The last position applied in memory; NOWHERE when none. */
  position(origin: string): Position {
    return this.#positions.get(origin) ?? NOWHERE;
  }

  /** The last position whose rows are in segments, as the manifest says. */
  durablePosition(origin: string): Position {
    return this.#durable.manifest.positions[origin] ?? NOWHERE;
  }

  /** Origins it has a position of. */
  get origins(): string[] {
    return [...this.#positions.keys()];
  }

  /** A damaged block that compaction came upon; segments are not merged any more then. Reads of it fail. */
  get damage(): Fault | null {
    return this.#damage;
  }

  /** Segments there are now. */
  get segmentCount(): number {
    return this.#durable.segments.length;
  }

  /** Bytes of the segments' files. */
  get segmentBytes(): number {
    return this.#durable.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /**
   * Merges a batch in memory, synchronously. `stamp` is the batch's; row i has the tick `stampOffsets[i]` after it.
   * @returns false when `at` is not beyond `position(origin)`: then nothing is done.
   * @throws {Fault} `corrupt`: two different writes with one stamp; nothing may be applied after that.
   */
  apply(batch: RowBatch, stamp: Stamp, origin: string, at: Position): boolean {
    if (this.#table === null) throw new Error(`partition ${this.path}: rows before a schema`);
    if (comparePositions(at, this.position(origin)) <= 0) return false;
    this.#active.apply(batch, stamp);
    this.#positions.set(origin, at);
    return true;
  }

  /** Merges a batch once more whose position has been applied already: a replay. @throws as `apply`. */
  applyAgain(batch: RowBatch, stamp: Stamp): void {
    if (this.#table === null) throw new Error(`partition ${this.path}: rows before a schema`);
    this.#active.apply(batch, stamp);
  }

  /** Notes a record that has no rows for this table. */
  advance(origin: string, at: Position): void {
    if (comparePositions(at, this.position(origin)) > 0) this.#positions.set(origin, at);
  }

  /** Memory held by what is not in segments yet. */
  get memtableBytes(): number {
    return this.#frozen.reduce((sum, memtable) => sum + memtable.memoryBytes, this.#active.memoryBytes);
  }

  get needsFlush(): boolean {
    return this.#frozen.length > FROZEN_MAX || this.memtableBytes >= this.#options.memtableBytesMax;
  }

  /**
   * Makes everything applied so far durable. `apply` may go on meanwhile; what it adds belongs to the next flush.
   * @throws {Fault} `unavailable`: the disk is full; nothing is lost, try again. Any other error: end the process.
   */
  flush(): Promise<void> {
    return this.#alone(async () => {
      await this.#flush();
      if (this.#options.compaction) this.#startCompaction();
    });
  }

  /** The live row with that key as it is now, newest cell per column; null when there is none. */
  async get(key: Uint8Array): Promise<StoredRow | null> {
    const table = this.#table;
    const rows = table === null ? null : await this.#find(key, table);
    return rows === null ? null : storedRow(table!, rows, 0);
  }

  /** All that is known of the row with that key, live or deleted; null when it was never written. */
  async state(key: Uint8Array): Promise<RowState | null> {
    const table = this.#table;
    const rows = table === null ? null : await this.#find(key, table);
    return rows === null ? null : rowState(table!, rows, 0);
  }

  async #find(key: Uint8Array, table: Table): Promise<Rows | null> {
    const cache = this.#cache;
    const found: Rows[] = [];
    for (const memtable of [this.#active, ...this.#frozen]) {
      const rows = rowOf(memtable, key, table);
      if (rows !== null) found.push(rows);
    }
    const want: Want = { columns: cellKinds(table), keys: true, stamps: true };
    const segments = this.#durable.pin();
    try {
      for (const segment of segments) {
        const rows = await segment.find(key, want, cache);
        if (rows !== null) found.push(rows);
      }
    } finally {
      this.#durable.unpin(segments);
    }
    return found.length === 0 ? null : mergeRow(found, want);
  }

  /** The partition as it is now, to read at leisure. The caller releases it. */
  async snapshot(): Promise<Snapshot> {
    this.#freeze();
    const frozen = [...this.#frozen];
    const table = this.#table;
    const positions = new Map(this.#positions);
    const segments = this.#durable.pin();
    const blockRows = blockRowsFor(table, this.#options);
    const memtables = await Promise.all(frozen.map((memtable) => MemtableSource.open(memtable, blockRows)));
    const sources = [...segments, ...memtables];
    return { table, positions, sources, blockRows, release: () => this.#durable.unpin(segments) };
  }

  /** What it holds, in figures and a hash that depend on the content only. */
  async digest(): Promise<PartitionDigest> {
    const snapshot = await this.snapshot();
    try {
      return await digestOf(snapshot);
    } finally {
      snapshot.release();
    }
  }

  /** Merges segments until none is due. @throws as `flush`. */
  async compact(): Promise<void> {
    this.#startCompaction();
    await this.#compacting;
    this.#check();
  }

  /** Reads every block of every segment. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    const segments = this.#durable.pin();
    try {
      for (const segment of segments) await segment.verify();
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** Waits for what is being written. Does not flush: what is only in memory is read from the log again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#compacting;
    await this.#exclusive.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Starts a new memtable; small frozen ones are merged like the digits of a counter, so few are left. */
  #freeze(absorb = true): void {
    if (this.#active.rowCount === 0) return;
    this.#frozen.push(this.#active);
    this.#active = new Memtable();
    while (absorb && this.#frozen.length - this.#flushing >= 2) {
      const [before, last] = this.#frozen.slice(-2) as [Memtable, Memtable];
      if (before.rowCount > ABSORB_ROWS_MAX || last.rowCount * 2 < before.rowCount) return;
      if (!before.isOfKindsOf(last)) return;
      const both = new Memtable();
      both.absorb(before);
      both.absorb(last);
      this.#frozen.splice(-2, 2, both);
    }
  }

  async #flush(): Promise<void> {
    this.#freeze(false);
    const table = this.#table;
    const positions = Object.fromEntries(this.#positions);
    const memtables = [...this.#frozen];
    if (
      memtables.length === 0 &&
      isSame(positions, this.#durable.manifest.positions) &&
      table === this.#durable.manifest.table
    )
      return;
    this.#flushing = memtables.length;
    try {
      const blockRows = blockRowsFor(table, this.#options);
      const segments = [...this.#durable.segments];
      if (table !== null && memtables.length > 0) {
        const sources = await Promise.all(memtables.map((memtable) => MemtableSource.open(memtable, blockRows)));
        segments.push(await this.#durable.write({ table, sources, blockRows, pause: () => setImmediate() }));
      }
      await this.#durable.commit({ table, positions, segments });
      this.#frozen.splice(0, memtables.length);
    } finally {
      this.#flushing = 0;
    }
  }

  #startCompaction(): void {
    if (this.#compacting !== null || this.#closed || this.#failure !== null || this.#damage !== null) return;
    if (pickCompaction(this.#durable.segments.map((segment) => segment.bytes)).length === 0) return;
    this.#compacting = this.#compactAll()
      .catch((error: unknown) => {
        // A full disk is no failure: the segments are as they were, and the next flush starts anew.
        if (isFault(error, 'corrupt')) this.#damage = error;
        else if (!isFault(error, 'unavailable') && error !== GIVEN_UP) this.#failure = error;
      })
      .finally(() => {
        this.#compacting = null;
      });
  }

  async #compactAll(): Promise<void> {
    for (;;) {
      const picked = pickCompaction(this.#durable.segments.map((segment) => segment.bytes)).map(
        (i) => this.#durable.segments[i]!,
      );
      const table = this.#table;
      if (picked.length === 0 || table === null) return;
      const pause = async (): Promise<void> => {
        await setImmediate();
        if (this.#closed) throw GIVEN_UP;
      };
      const blockRows = blockRowsFor(table, this.#options);
      const merged = await this.#durable.write({ table, sources: picked, blockRows, pause });
      await this.#alone(() => {
        const segments = [...this.#durable.segments.filter((segment) => !picked.includes(segment)), merged];
        const { table: known, positions } = this.#durable.manifest;
        return this.#durable.commit({ table: known, positions, segments });
      });
    }
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Runs after everything else that changes the manifest. What fails there for good fails for ever. */
  #alone<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(async () => {
      this.#check();
      try {
        return await act();
      } catch (error) {
        if (!isFault(error, 'unavailable')) this.#failure = error;
        throw error;
      }
    });
    this.#exclusive = result.catch(() => undefined);
    return result;
  }
}

/** Thrown through a compaction that is given up because the partition closes. */
const GIVEN_UP = new Error('given up: the partition closes');

function isSame(a: Record<string, Position>, b: Record<string, Position>): boolean {
  const origins = Object.keys(a);
  if (origins.length !== Object.keys(b).length) return false;
  return origins.every((origin) => b[origin] !== undefined && comparePositions(a[origin]!, b[origin]) === 0);
}
