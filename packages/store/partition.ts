/**
 * One table's share of one log partition: `<keyspace>/<table>/<partition>/` of a disk.
 *
 * `apply` merges batches into a memtable; `flush` writes it as a segment and moves segments and positions together in
 * one rename of the manifest. So what is found after a crash is the fold of exactly the positions the manifest names.
 */

import { setImmediate } from 'node:timers/promises';
import type { Value } from '@tidemark/schema/column-type';
import { comparePositions, NOWHERE, type Position } from '@tidemark/schema/position';
import type { RowBatch } from '@tidemark/schema/row-batch';
import type { Stamp } from '@tidemark/schema/stamp';
import type { Column, Table } from '@tidemark/schema/table';
import type { Disk } from '@tidemark/world/disk';
import { isFault } from '@tidemark/world/fault';
import { clearedSince, pickCompaction, weightOf } from './compact.ts';
import { digestOf, type PartitionDigest } from './digest.ts';
import { markDamaged, resolve } from './flush.ts';
import type { LiveSegment } from './live-segment.ts';
import { findReading, Lookup } from './lookup.ts';
import { Memtable } from './memtable.ts';
import { cellKinds, MemtableSource, rowOf } from './memtable-source.ts';
import { mergeRow } from './merge.ts';
import { type RowState, rowState, rowValues, type StoredRow, storedRow } from './row-value.ts';
import type { Rows, Want } from './rows.ts';
import { type KeyToFind, keyToFind } from './segment.ts';
import { SegmentSet } from './segment-set.ts';
import { SelectedSource } from './selected-source.ts';
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
  #active = new Memtable();
  /** Oldest first; the first `#flushing` of them are being written. */
  #frozen: Memtable[] = [];
  #flushing = 0;
  /** Flushes and changes of the manifest, one at a time. */
  #exclusive: Promise<unknown> = Promise.resolve();
  #compacting: Promise<void> | null = null;
  #closed = false;
  #failure: unknown = null;

  /**
   * Opens the folder, or makes it; removes temporary and orphan files.
   * @throws {Fault} `corrupt`: manifests are there and none is whole. `invalid`: a newer version wrote it; untouched.
   */
  static async open(disk: Disk, path: string, options: StoreOptions = {}): Promise<Partition> {
    return new Partition(
      path,
      { ...DEFAULTS, ...options },
      await SegmentSet.open(disk, path, options.cache ?? DEFAULTS.cache),
    );
  }

  private constructor(path: string, options: Required<StoreOptions>, durable: SegmentSet) {
    this.path = path;
    this.#durable = durable;
    this.#options = options;
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

  /** The live row with that key as it is now, newest cell per column; null when there is none. At once when it is in memory. */
  get(key: Uint8Array): StoredRow | null | Promise<StoredRow | null> {
    const table = this.#table;
    if (table === null) return null;
    const found = this.#findInMemory(key, table);
    const { segments } = this.#durable;
    if (found.length > 0 || isDamaged(segments)) {
      return this.#lookJoined(found, key, table, (rows) => storedRow(table, rows, 0));
    }
    const wanted = keyToFind(table, key);
    if (wanted === null) return null;
    const lookup = new Lookup();
    const row = getIn(segments, wanted, table, lookup);
    if (row !== undefined) return row;
    return this.#whilePinned(findReading(lookup, () => getIn(segments, wanted, table, lookup)));
  }

  /** Values of the live row with that key, null where it has none; null when there is no such row. At once as `get`. */
  values(key: Uint8Array, columns: readonly Column[]): (Value | null)[] | null | Promise<(Value | null)[] | null> {
    const table = this.#table;
    if (table === null) return null;
    const found = this.#findInMemory(key, table);
    const { segments } = this.#durable;
    if (found.length > 0 || isDamaged(segments)) {
      return this.#lookJoined(found, key, table, (rows) => rowValues(table, rows, 0, columns));
    }
    const wanted = keyToFind(table, key);
    if (wanted === null) return null;
    const lookup = new Lookup();
    const values = valuesIn(segments, wanted, columns, lookup);
    if (values !== undefined) return values;
    return this.#whilePinned(findReading(lookup, () => valuesIn(segments, wanted, columns, lookup)));
  }

  async #lookJoined<T>(
    found: Rows[],
    key: Uint8Array,
    table: Table,
    ofRows: (rows: Rows) => T | null,
  ): Promise<T | null> {
    const segments = this.#durable.pin();
    try {
      const rows = await this.#join(found, segments, key, table);
      return rows === null ? null : ofRows(rows);
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** The files of the segments there are now stay until the answer is there. */
  async #whilePinned<T>(answer: Promise<T>): Promise<T> {
    const segments = this.#durable.pin();
    try {
      return await answer;
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** `get` of many keys, which may repeat: row i is that of key i. Read in key order, so that each block is read once. */
  async getMany(keys: readonly Uint8Array[]): Promise<(StoredRow | null)[]> {
    const rows = new Array<StoredRow | null>(keys.length).fill(null);
    const order = keys.map((_, i) => i).sort((a, b) => Buffer.compare(keys[a]!, keys[b]!));
    for (const i of order) rows[i] = await this.get(keys[i]!);
    return rows;
  }

  /** All that is known of the row with that key, live or deleted; null when it was never written. */
  async state(key: Uint8Array): Promise<RowState | null> {
    const table = this.#table;
    if (table === null) return null;
    const found = this.#findInMemory(key, table);
    const segments = this.#durable.pin();
    try {
      const rows = await this.#join(found, segments, key, table);
      return rows === null ? null : rowState(table, rows, 0);
    } finally {
      this.#durable.unpin(segments);
    }
  }

  #findInMemory(key: Uint8Array, table: Table): Rows[] {
    const found: Rows[] = [];
    if (this.#active.rowCount === 0 && this.#frozen.length === 0) return found;
    for (const memtable of [this.#active, ...this.#frozen]) {
      const rows = rowOf(memtable, key, table);
      if (rows !== null) found.push(rows);
    }
    return found;
  }

  /** What memtables and segments hold of a key, joined; null when it is nothing. */
  async #join(found: Rows[], segments: readonly LiveSegment[], key: Uint8Array, table: Table): Promise<Rows | null> {
    const want: Want = { columns: cellKinds(table), keys: true, stamps: true };
    const wanted = keyToFind(table, key);
    const isWhole = !isDamaged(segments);
    for (let i = segments.length - 1; i >= 0 && wanted !== null; i--) {
      const { segment, live } = segments[i]!;
      const row = await segment.find(wanted);
      if (row === -1 || live?.isLive(row) === false) continue;
      found.push(await segment.row(row, want, key));
      if (isWhole) break;
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
    const sources = [...segments.map(({ segment }) => segment), ...memtables];
    return { table, positions, sources, segments, memtables, blockRows, release: () => this.#durable.unpin(segments) };
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
      for (const { segment } of segments) await segment.verify();
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
      const isNothing = table === null || memtables.length === 0;
      const blockRows = blockRowsFor(table, this.#options);
      const segments = isNothing ? this.#durable.segments : await resolve(this.#durable, table, memtables, blockRows);
      await this.#durable.commit({ table, positions, segments });
      this.#frozen.splice(0, memtables.length);
    } finally {
      this.#flushing = 0;
    }
  }

  #startCompaction(): void {
    if (this.#compacting !== null || this.#closed || this.#failure !== null) return;
    if (pickCompaction(this.#durable.segments.map(weightOf)).length === 0) return;
    this.#compacting = this.#compactAll()
      .catch((error: unknown) => {
        // A full disk is no failure: the segments are as they were, and the next flush starts anew.
        if (!isFault(error, 'unavailable') && error !== GIVEN_UP) this.#failure = error;
      })
      .finally(() => {
        this.#compacting = null;
      });
  }

  async #compactAll(): Promise<void> {
    for (;;) {
      const before = this.#durable.segments;
      const picked = pickCompaction(before.map(weightOf)).map((i) => before[i]!);
      const table = this.#table;
      if (picked.length === 0 || table === null) return;
      try {
        await this.#compactThese(picked, table);
      } catch (error) {
        if (!isFault(error, 'corrupt') || !(await this.#setAside())) throw error;
      }
    }
  }

  async #compactThese(picked: readonly LiveSegment[], table: Table): Promise<void> {
    const pause = async (): Promise<void> => {
      await setImmediate();
      if (this.#closed) throw GIVEN_UP;
    };
    const blockRows = blockRowsFor(table, this.#options);
    const sources = await Promise.all(picked.map((one) => SelectedSource.live(one)));
    const isFiltered = picked.length < this.#durable.segments.length;
    const merged = await this.#durable.write({ table, sources, blockRows, isFiltered, pause });
    await this.#alone(async () => {
      const now = this.#durable.segments;
      const others = now.filter(({ segment }) => picked.every((one) => one.segment !== segment));
      const live = merged === null ? null : await clearedSince(picked, now, merged, table);
      const added = merged === null ? [] : [{ segment: merged, live, damage: null }];
      const { table: known, positions } = this.#durable.manifest;
      await this.#durable.commit({ table: known, positions, segments: [...others, ...added] });
    });
  }

  /** Marks segments in which a block is wrong, so that everything but them goes on. False when there is none. */
  #setAside(): Promise<boolean> {
    return this.#alone(async () => {
      const segments = await markDamaged(this.#durable.segments);
      const { table, positions } = this.#durable.manifest;
      if (segments !== null) await this.#durable.commit({ table, positions, segments });
      return segments !== null;
    });
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

function isDamaged(segments: readonly LiveSegment[]): boolean {
  for (const { damage } of segments) if (damage !== null) return true;
  return false;
}

/** The live row with that key, which no memtable has; undefined after a miss. */
function getIn(
  segments: readonly LiveSegment[],
  key: KeyToFind,
  table: Table,
  lookup: Lookup,
): StoredRow | null | undefined {
  for (let i = segments.length - 1; i >= 0; i--) {
    const row = liveRowOf(segments[i]!, key, lookup);
    if (row !== -1) return row === undefined ? row : segments[i]!.segment.storedRow(row, table, key.bytes, lookup);
  }
  return null;
}

/** As `getIn`, some values of it. */
function valuesIn(
  segments: readonly LiveSegment[],
  key: KeyToFind,
  columns: readonly Column[],
  lookup: Lookup,
): (Value | null)[] | null | undefined {
  for (let i = segments.length - 1; i >= 0; i--) {
    const row = liveRowOf(segments[i]!, key, lookup);
    if (row !== -1) return row === undefined ? row : segments[i]!.segment.valuesOf(row, columns, lookup);
  }
  return null;
}

/** −1 when the segment has no such row that is live: then another may have it, whole. */
function liveRowOf({ segment, live }: LiveSegment, key: KeyToFind, lookup: Lookup): number | undefined {
  const row = segment.rowOf(key, lookup);
  return row !== undefined && row !== -1 && live?.isLive(row) === false ? -1 : row;
}

/** Thrown through a compaction that is given up because the partition closes. */
const GIVEN_UP = new Error('given up: the partition closes');

function isSame(a: Record<string, Position>, b: Record<string, Position>): boolean {
  const origins = Object.keys(a);
  if (origins.length !== Object.keys(b).length) return false;
  return origins.every((origin) => b[origin] !== undefined && comparePositions(a[origin]!, b[origin]) === 0);
}
