/**
 * One table's share of one log partition: `<keyspace>/<table>/<partition>/` of a disk.
 *
 * `apply` merges batches into a memtable; `flush` writes it as a segment and moves segments and positions together in
 * one rename of the manifest. So what is found after a crash is the fold of exactly the positions the manifest names.
 */

import type { RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import { comparePositions, NOWHERE, type Position } from '@tidemark/model/position';
import type { Stamp } from '@tidemark/model/stamp';
import type { Column, Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { FailStopMutex } from '@tidemark/platform/sync/fail-stop-mutex';
import { digestOf, type PartitionDigest } from './digest.ts';
import { compressionBy } from './encoding/compression.ts';
import { compareGcWatermarks, type GcWatermark, laterGcWatermark } from './gc-watermark.ts';
import type { Memtable } from './memtable/memtable.ts';
import { MemtableSource } from './memtable/memtable-source.ts';
import { Memtables } from './memtable/memtables.ts';
import { Unflushed } from './memtable/unflushed.ts';
import { type CompactionExecutor, InlineCompaction } from './merge/compaction-executor.ts';
import { Compactor } from './merge/compactor.ts';
import { resolve } from './merge/flush.ts';
import { blockRowsFor, DEFAULTS, type StoreOptions } from './options.ts';
import { PointReads } from './query/point-read.ts';
import { PartitionRanges } from './range/partition-ranges.ts';
import type { RangePage, RangeWish } from './range/range-wish.ts';
import type { RowState, StoredRow } from './row/row-value.ts';
import type { LiveSegment } from './segment/live-segment.ts';
import { SegmentSet } from './segment/segment-set.ts';
import type { Snapshot } from './snapshot.ts';

export type { StoreOptions } from './options.ts';

/** More frozen memtables than this make a flush due: a read has to merge them all. */
const FROZEN_MAX = 16;

/** Of a partition without a schema. */
const NOTHING: RangePage = { rows: [], after: null, scanned: 0, bytes: 0, isUnfinished: false };

/** One open partition. One process opens it at a time; readers go by snapshots while it changes. */
export class Partition {
  readonly path: string;
  readonly #durable: SegmentSet;
  readonly #options: Required<StoreOptions>;
  #table: Table | null;
  #schemaVersion: number | undefined;
  readonly #positions: Map<string, Position>;
  readonly #memtables: Memtables;
  readonly #unflushed = new Unflushed();
  #gcWatermark: GcWatermark | null = null;
  /** Flushes and changes of the manifest, one at a time. */
  readonly #exclusive = new FailStopMutex();
  readonly #compactor: Compactor;
  readonly #reads: PointReads;
  readonly #ranges: PartitionRanges;

  /**
   * Opens the folder, or makes it; removes temporary and orphan files.
   * @throws {Fault} `corrupt`: manifests are there and none is whole. `invalid`: a newer version wrote it; untouched.
   */
  static async open(disk: Disk, path: string, options: StoreOptions = {}): Promise<Partition> {
    const compactionExecutor = options.compactionExecutor ?? new InlineCompaction(disk);
    const durable = await SegmentSet.open(disk, path, options.cache ?? DEFAULTS.cache);
    return new Partition(path, { ...DEFAULTS, ...options }, durable, compactionExecutor);
  }

  private constructor(
    path: string,
    options: Required<StoreOptions>,
    durable: SegmentSet,
    compactionExecutor: CompactionExecutor,
  ) {
    this.path = path;
    this.#durable = durable;
    this.#options = options;
    this.#table = durable.manifest.table;
    this.#schemaVersion = durable.manifest.schema;
    this.#positions = new Map(Object.entries(durable.manifest.positions));
    this.#memtables = new Memtables(options.memtableBytesMax);
    this.#reads = new PointReads(durable, this.#memtables);
    this.#ranges = new PartitionRanges(durable, this.#memtables);
    this.#compactor = new Compactor(durable, this.#exclusive, compactionExecutor, () => {
      const gcWatermark = this.#unflushed.bounded(this.#gcWatermark);
      return { table: this.#table, blockRows: blockRowsFor(this.#table, options), zstd: options.zstd, gcWatermark };
    });
  }

  /** What was found wrong with newer manifests when an older one had to be used; empty when all was well. */
  get openNotes(): readonly string[] {
    return this.#durable.openNotes;
  }

  /** The keyspace's version that the table is of; 0 when nobody said. */
  get schemaVersion(): number {
    return this.#schemaVersion ?? 0;
  }

  /** The newest schema it was given; kept in the manifest. */
  get table(): Table | null {
    return this.#table;
  }

  /**
   * A SCHEMA record: new columns, int → long, renames, drops. Never a change of the key or a narrowing.
   * @param version the keyspace's; one that is older than the manifest's changes nothing, as rows of the newer are there
   */
  setTable(table: Table, version?: number): void {
    if (version !== undefined) {
      if (version < this.schemaVersion) return;
      this.#schemaVersion = version;
    }
    this.#table = table;
    // Its vectors may be of a kind that is too narrow now.
    this.#memtables.freeze();
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

  /** What flushes and compactions found wrong with segments: those stay as they are, and all others go on. */
  get damage(): string[] {
    return this.#durable.segments.flatMap(({ damage }) => damage ?? []);
  }

  /** Segments there are now. */
  get segmentCount(): number {
    return this.#durable.segments.length;
  }

  /** Bytes of the segments' files. */
  get segmentBytes(): number {
    return this.#durable.segments.reduce((sum, { segment }) => sum + segment.bytes, 0);
  }

  /**
   * Merges a batch in memory, synchronously. `stamp` is the batch's; row i has the tick `stampOffsets[i]` after it.
   * @returns false when `at` is not beyond `position(origin)`: then nothing is done.
   * @throws {Fault} `corrupt`: two different writes with one stamp; nothing may be applied after that.
   */
  apply(batch: RowBatch, stamp: Stamp, origin: string, at: Position): boolean {
    if (this.#table === null) throw new Error(`partition ${this.path}: rows before a schema`);
    if (comparePositions(at, this.position(origin)) <= 0) return false;
    this.#unflushed.note(stamp);
    this.#memtables.apply(batch, stamp);
    this.#positions.set(origin, at);
    return true;
  }

  /**
   * Merges a batch once more whose position has been applied already: a replay. One that deletions may be missing of is
   * passed over, as it might bring back what they hide.
   * @returns false when it was passed over
   * @throws as `apply`
   */
  applyAgain(batch: RowBatch, stamp: Stamp): boolean {
    if (this.#table === null) throw new Error(`partition ${this.path}: rows before a schema`);
    if (this.purged !== null && compareGcWatermarks(stamp, this.purged) < 0) return false;
    this.#unflushed.note(stamp);
    this.#memtables.apply(batch, stamp);
    return true;
  }

  /**
   * Every member has applied everything with a smaller stamp: deletions below it may be forgotten when segments are
   * merged. An earlier one than before changes nothing.
   */
  forgetBelow(gcWatermark: GcWatermark): void {
    this.#gcWatermark = laterGcWatermark(this.#gcWatermark, gcWatermark);
    // A table that nobody writes to any more is not flushed either.
    if (this.#options.compaction) this.#compactor.start();
  }

  /** Deletions with smaller stamps may be missing in the segments; null: none is. */
  get purged(): GcWatermark | null {
    return laterGcWatermark(this.#durable.purged, this.#compactor.forgetting);
  }

  /** Notes a record that has no rows for this table. */
  advance(origin: string, at: Position): void {
    if (comparePositions(at, this.position(origin)) > 0) this.#positions.set(origin, at);
  }

  /** Memory held by what is not in segments yet. */
  get memtableBytes(): number {
    return this.#memtables.memoryBytes;
  }

  get needsFlush(): boolean {
    return this.#memtables.frozen.length > FROZEN_MAX || this.memtableBytes >= this.#options.memtableBytesMax;
  }

  /**
   * Makes everything applied so far durable. `apply` may go on meanwhile; what it adds belongs to the next flush.
   * @throws {Fault} `unavailable`: the disk is full; nothing is lost, try again. Any other error: end the process.
   */
  flush(): Promise<void> {
    return this.#exclusive.run(async () => {
      await this.#flush();
      if (this.#options.compaction) this.#compactor.start();
    });
  }

  /** The live row with that key as it is now, newest cell per column; null when there is none. At once when it is in memory. */
  get(key: Uint8Array): StoredRow | null | Promise<StoredRow | null> {
    return this.#table === null ? null : this.#reads.get(this.#table, key);
  }

  /** Values of the live row with that key, null where it has none; null when there is no such row. At once as `get`. */
  values(key: Uint8Array, columns: readonly Column[]): (Value | null)[] | null | Promise<(Value | null)[] | null> {
    return this.#table === null ? null : this.#reads.values(this.#table, key, columns);
  }

  /** `get` of many keys, which may repeat: row i is that of key i. Read in key order, so that each block is read once. */
  async getMany(keys: readonly Uint8Array[]): Promise<(StoredRow | null)[]> {
    const rows = new Array<StoredRow | null>(keys.length).fill(null);
    const order = keys.map((_, i) => i).sort((a, b) => Buffer.compare(keys[a]!, keys[b]!));
    for (const i of order) rows[i] = await this.get(keys[i]!);
    return rows;
  }

  /**
   * A page of the rows in a range of keys, as of one moment. At once when it is in memory.
   * @throws {Fault} `corrupt`: stored bytes are wrong; names file, block and both sums.
   */
  range(wish: RangeWish): RangePage | Promise<RangePage> {
    return this.#table === null ? NOTHING : this.#ranges.page(this.#table, wish);
  }

  /** A range of any length in pages, all as of the moment when the first is asked for. Throws as `range`. */
  async *rangePages(wish: RangeWish): AsyncGenerator<RangePage> {
    if (this.#table !== null) yield* this.#ranges.pages(this.#table, wish);
  }

  /** All that is known of the row with that key, live or deleted; null when it was never written. */
  async state(key: Uint8Array): Promise<RowState | null> {
    return this.#table === null ? null : await this.#reads.state(this.#table, key);
  }

  /** The partition as it is now, to read at leisure. The caller releases it. */
  async snapshot(): Promise<Snapshot> {
    this.#memtables.freeze();
    const frozen = this.#memtables.lend();
    const table = this.#table;
    const positions = new Map(this.#positions);
    const segments = this.#durable.pin();
    const { purged } = this;
    const blockRows = blockRowsFor(table, this.#options);
    const memtables = await Promise.all(frozen.map((memtable) => MemtableSource.open(memtable, blockRows)));
    const sources = [...segments.map(({ segment }) => segment), ...memtables];
    const release = (): void => this.#durable.unpin(segments);
    return { table, positions, sources, segments, memtables, purged, blockRows, release };
  }

  /** What it holds, in figures and a hash that depend on the content only. @param gcWatermark as `digestOf` */
  async digest(gcWatermark: GcWatermark | null = null): Promise<PartitionDigest> {
    const snapshot = await this.snapshot();
    try {
      return await digestOf(snapshot, gcWatermark);
    } finally {
      snapshot.release();
    }
  }

  /** Merges segments until none is due, then those that zstd would make smaller by a tenth. @throws as `flush`. */
  async compact(): Promise<void> {
    await this.#compactor.settle();
    this.#exclusive.check();
  }

  /** Reads every block of every segment. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    const segments = this.#durable.pin();
    try {
      for (const { segment } of segments) await segment.verify();
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** Waits for what is being written. Does not flush: what is only in memory is read from the log again. */
  async close(): Promise<void> {
    await this.#compactor.close();
    await this.#exclusive.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #flush(): Promise<void> {
    this.#memtables.freeze(false);
    this.#unflushed.begin();
    let isWritten = false;
    try {
      await this.#flushFrozen();
      isWritten = true;
    } finally {
      this.#unflushed.end(isWritten);
    }
  }

  async #flushFrozen(): Promise<void> {
    const table = this.#table;
    const schema = this.#schemaVersion;
    const positions = Object.fromEntries(this.#positions);
    const { manifest } = this.#durable;
    const isNothing = this.#memtables.frozen.length === 0;
    if (isNothing && isSame(positions, manifest.positions) && table === manifest.table) return;
    await this.#memtables.flush(async (memtables) => {
      const isSettled = table === null || memtables.length === 0;
      const segments = isSettled ? this.#durable.segments : await this.#resolve(table, memtables);
      await this.#durable.commit({ table, schema, positions, segments });
    });
  }

  #resolve(table: Table, memtables: readonly Memtable[]): Promise<readonly LiveSegment[]> {
    const compressionOf = compressionBy(this.#options.zstd, table, false);
    return resolve(this.#durable, table, memtables, { blockRows: blockRowsFor(table, this.#options), compressionOf });
  }
}

function isSame(a: Record<string, Position>, b: Record<string, Position>): boolean {
  const origins = Object.keys(a);
  if (origins.length !== Object.keys(b).length) return false;
  return origins.every((origin) => b[origin] !== undefined && comparePositions(a[origin]!, b[origin]) === 0);
}
