/** The column files of a keyspace at this site: for each table and partition number one Partition. */

import { RowBatch } from '@tidemark/columnar/row-batch';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import { type Keyspace, siteNamed, type Table, tableById } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Envelope, MutateBody } from '@tidemark/record/envelope';
import { decodeMutate } from '@tidemark/record/mutate';
import { compareGcWatermarks, type GcWatermark, laterGcWatermark } from '@tidemark/store/gc-watermark';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import { Partition } from '@tidemark/store/partition';

/** A table and its partitions, by number. */
export type TableStore = { readonly table: Table; readonly partitions: readonly Partition[] };

/** Where a log told of a version of the keyspace. */
export type SchemaPlace = Position & { readonly origin: string; readonly partition: number };

/** Told of a partition's folder in which stored bytes are wrong, before it is opened once more: it is to be moved away. */
export type OnDamage = (folder: string, reason: string) => Promise<void>;

/**
 * Opens, or makes, the partitions of one table in a folder. `compaction executor` merges their segments; null: this thread does.
 * @throws {Fault} `corrupt`: stored bytes are wrong. `unavailable`: disk full.
 */
export async function openTable(
  disk: Disk,
  compactionExecutor: CompactionExecutor | null,
  folder: string,
  table: Table,
  { partitions: count, version }: { readonly partitions: number; readonly version?: number },
  onDamage: OnDamage | null = null,
): Promise<TableStore> {
  const partitions: Partition[] = [];
  for (let partition = 0; partition < count; partition++) {
    const path = `${folder}/${partition}`;
    const open = (): Promise<Partition> => Partition.open(disk, path, { compactionExecutor });
    const store = await open().catch(async (error: unknown) => {
      if (onDamage === null || !isFault(error, 'corrupt')) throw error;
      await onDamage(path, error.message);
      return open();
    });
    if (JSON.stringify(store.table) !== JSON.stringify(table)) store.setTable(table, version);
    partitions.push(store);
  }
  return { table, partitions };
}

/** Records without rows for a partition after which its positions are written down all the same. */
const ADVANCES_MAX = 4_096;

/** All tables' partitions of one keyspace, opened together; applying to them is synchronous and in memory. */
export class Stores {
  readonly #disk: Disk;
  readonly #compactionExecutor: CompactionExecutor | null;
  readonly #onDamage: OnDamage | null;
  #keyspace: Keyspace;
  #schemaAt: SchemaPlace | null;
  readonly #tables = new Map<number, TableStore>();
  #gcWatermark: GcWatermark | null = null;
  /** The newest version that column files were written under. */
  #versionBefore = 0;
  /** Decoding and applying are one synchronous step, so that all readers share one batch. */
  readonly #batch = new RowBatch();
  /** By partition: whether rows were applied, and how many records without rows, since `unchanged`. */
  readonly #changed: { rows: boolean; advances: number }[];

  private constructor(
    disk: Disk,
    keyspace: Keyspace,
    compactionExecutor: CompactionExecutor | null,
    onDamage: OnDamage | null,
    schemaAt: SchemaPlace | null,
  ) {
    this.#schemaAt = schemaAt;
    this.#onDamage = onDamage;
    this.#disk = disk;
    this.#compactionExecutor = compactionExecutor;
    this.#keyspace = keyspace;
    this.#changed = Array.from({ length: keyspace.partitions }, () => ({ rows: false, advances: 0 }));
  }

  /**
   * @param schemaAt where the log told of the keyspace; null: it is as it was created
   * @throws {Fault} `corrupt`: stored bytes are wrong, and nobody is told. `unavailable`: disk full.
   */
  static async open(
    disk: Disk,
    keyspace: Keyspace,
    compactionExecutor: CompactionExecutor | null,
    onDamage: OnDamage | null = null,
    schemaAt: SchemaPlace | null = null,
  ): Promise<Stores> {
    const stores = new Stores(disk, keyspace, compactionExecutor, onDamage, schemaAt);
    for (const table of keyspace.tables) await stores.#open(table);
    for (const { partitions } of stores.#tables.values()) {
      for (const store of partitions) stores.#versionBefore = Math.max(stores.#versionBefore, store.schemaVersion);
    }
    return stores;
  }

  async #open(table: Table): Promise<void> {
    const { name } = this.#keyspace;
    const folder = `${name}/${table.name}`;
    const store = await openTable(this.#disk, this.#compactionExecutor, folder, table, this.#keyspace, this.#onDamage);
    this.#tables.set(table.id, store);
  }

  /** A table that came later has seen, without rows, whatever the other tables have seen. */
  async #openLater(table: Table): Promise<void> {
    const others = this.tableIds;
    await this.#open(table);
    this.#tables.get(table.id)!.partitions.forEach((store, partition) => {
      for (const { name } of this.#keyspace.sites) store.advance(name, this.position(name, partition, others));
    });
  }

  /** The newest version known. */
  get keyspace(): Keyspace {
    return this.#keyspace;
  }

  /** Where a log told of it first: beyond an epoch end it is no part of the history. Null: it is as it was created. */
  get schemaAt(): SchemaPlace | null {
    return this.#schemaAt;
  }

  /** True for a version that column files were written under, and of which no log told yet what it is. */
  isWrittenUnder(version: number): boolean {
    return version > this.#keyspace.version && version <= this.#versionBefore;
  }

  get tableIds(): number[] {
    return [...this.#tables.keys()];
  }

  /** The partitions with that number, of all tables. */
  partitions(partition: number): Partition[] {
    return [...this.#tables.values()].map((store) => store.partitions[partition]!);
  }

  tableStore(id: number): TableStore | undefined {
    return this.#tables.get(id);
  }

  /** Why the tables are not those that the column files were written under, until the log told of them again; else null. */
  get schemaMissing(): string | null {
    const { version } = this.#keyspace;
    return version >= this.#versionBefore
      ? null
      : `its tables are as of version ${version}, they were at version ${this.#versionBefore}`;
  }

  /** Takes over a newer version of the keyspace; an older or equal one changes nothing. */
  async evolve(keyspace: Keyspace, at: SchemaPlace): Promise<void> {
    if (keyspace.version <= this.#keyspace.version) return;
    for (const table of keyspace.tables) {
      const existing = this.#tables.get(table.id);
      if (existing === undefined) await this.#openLater(table);
      else {
        for (const partition of existing.partitions) partition.setTable(table, keyspace.version);
        this.#tables.set(table.id, { ...existing, table });
      }
    }
    this.#keyspace = keyspace;
    this.#schemaAt = at;
  }

  /**
   * Applies a MUTATE and moves the position of the partition in every table.
   * @returns rows applied; 0 when the store held them already
   * @throws {Fault} `invalid`: its table or schema version is not known, or its rows cannot be read: I16 is broken.
   */
  mutate(envelope: Envelope, body: MutateBody): number {
    const { origin, partition } = envelope;
    const table = tableById(this.#keyspace, body.table);
    if (table === undefined || body.schemaVersion > this.#keyspace.version) throw this.#unknownSchema(envelope, body);
    const at = { epoch: envelope.epoch, seq: envelope.seq };
    const store = this.#tables.get(table.id)!.partitions[partition]!;
    const isNew = comparePositions(store.position(origin), at) < 0;
    if (isNew) {
      // A checkpoint may know older tables than the column files.
      decode(envelope, body, store.table ?? table, this.#batch);
      store.apply(this.#batch, stampOf(this.#keyspace, envelope), origin, at);
      this.#changed[partition]!.rows = true;
    }
    this.advance(origin, partition, at);
    return isNew ? this.#batch.rowCount : 0;
  }

  /**
   * True when deletions from the time of a MUTATE may be forgotten: merged once more, it might bring back what was deleted
   * after it.
   */
  isForgotten({ partition, stampMs, stampCounter }: Envelope, { table }: MutateBody): boolean {
    const purged = this.#tables.get(table)?.partitions[partition]?.purged ?? null;
    return purged !== null && compareGcWatermarks({ ms: stampMs, counter: stampCounter }, purged) < 0;
  }

  /** Merges the rows of a MUTATE once more that has been applied already and is not forgotten: a replay. Throws as `mutate`. */
  mutateAgain(envelope: Envelope, body: MutateBody): void {
    const table = tableById(this.#keyspace, body.table);
    if (table === undefined || body.schemaVersion > this.#keyspace.version) throw this.#unknownSchema(envelope, body);
    decode(envelope, body, table, this.#batch);
    const store = this.#tables.get(table.id)!.partitions[envelope.partition]!;
    store.applyAgain(this.#batch, stampOf(this.#keyspace, envelope));
    this.#changed[envelope.partition]!.rows = true;
  }

  /** Deletions with smaller stamps may be forgotten when segments are merged; see `Partition.forgetBelow`. */
  forgetBelow(gcWatermark: GcWatermark): void {
    this.#gcWatermark = laterGcWatermark(this.#gcWatermark, gcWatermark);
    for (const { partitions } of this.#tables.values()) for (const store of partitions) store.forgetBelow(gcWatermark);
  }

  /** Deletions with smaller stamps may be missing in a partition; null: none is. */
  get purged(): GcWatermark | null {
    const all = [...this.#tables.values()].flatMap(({ partitions }) => partitions);
    return all.reduce((late: GcWatermark | null, store) => laterGcWatermark(late, store.purged), null);
  }

  /** The same, or may come to be as long as nobody calls `forgetBelow`. */
  get forgotten(): GcWatermark | null {
    return laterGcWatermark(this.#gcWatermark, this.purged);
  }

  #unknownSchema(envelope: Envelope, body: MutateBody): Fault {
    const place = `${envelope.origin}/${envelope.partition} at ${formatPosition(envelope)}`;
    const { name, version } = this.#keyspace;
    return new Fault(
      'invalid',
      `keyspace ${name}, ${place}: MUTATE names table ${body.table} of version ${body.schemaVersion}, known is version ${version}`,
      { got: body.schemaVersion, expected: version },
    );
  }

  /** Every table's partition has seen everything of the origin up to `at`. */
  advance(origin: string, partition: number, at: Position): void {
    this.#changed[partition]!.advances++;
    for (const { partitions } of this.#tables.values()) {
      const store = partitions[partition]!;
      if (comparePositions(store.position(origin), at) < 0) store.advance(origin, at);
    }
  }

  /** The position all the given tables (default: all) have reached, in memory or on disk. */
  position(origin: string, partition: number, tables: readonly number[] = this.tableIds): Position {
    return this.#least(partition, tables, (store) => store.position(origin));
  }

  /** The position all the given tables have on disk. */
  durable(origin: string, partition: number, tables: readonly number[]): Position {
    return this.#least(partition, tables, (store) => store.durablePosition(origin));
  }

  #least(partition: number, tables: readonly number[], of: (store: Partition) => Position): Position {
    const positions = tables.map((id) => {
      const store = this.#tables.get(id)?.partitions[partition];
      return store === undefined ? NOWHERE : of(store);
    });
    return positions.reduce((least, at) => (comparePositions(at, least) < 0 ? at : least), positions[0] ?? NOWHERE);
  }

  /** True when the partitions with that number have something to flush. */
  hasChanged(partition: number): boolean {
    const { rows, advances } = this.#changed[partition]!;
    return rows || advances >= ADVANCES_MAX;
  }

  /** A flush of the partition begins (false), or failed (true). */
  setChanged(partition: number, changed: boolean): void {
    this.#changed[partition] = { rows: changed, advances: 0 };
  }

  /** The folder of the first partition in which a flush or a merge found wrong bytes, and what; null when none did. */
  get damage(): { readonly folder: string; readonly reason: string } | null {
    for (const { partitions } of this.#tables.values()) {
      for (const { path, damage } of partitions) if (damage.length > 0) return { folder: path, reason: damage[0]! };
    }
    return null;
  }

  /** Bytes of memory the memtables of that number hold. */
  memtableBytes(partition: number): number {
    let bytes = 0;
    for (const { partitions } of this.#tables.values()) bytes += partitions[partition]!.memtableBytes;
    return bytes;
  }

  /** Bytes in memory and on disk, of all tables. */
  sizes(): { readonly memtableBytes: number; readonly segmentBytes: number } {
    let memtableBytes = 0;
    let segmentBytes = 0;
    for (const { partitions } of this.#tables.values()) {
      for (const store of partitions) {
        memtableBytes += store.memtableBytes;
        segmentBytes += store.segmentBytes;
      }
    }
    return { memtableBytes, segmentBytes };
  }

  async close(): Promise<void> {
    for (const { partitions } of this.#tables.values()) for (const store of partitions) await store.close();
  }
}

/** The stamp of a record's first row. */
export function stampOf(
  keyspace: Keyspace,
  envelope: Envelope,
): { ms: number; counter: number; site: number; writer: number } {
  const { stampMs, stampCounter, writer, origin } = envelope;
  return { ms: stampMs, counter: stampCounter, site: siteNamed(keyspace, origin).number, writer };
}

/** Fills the batch with a record's rows. @throws {Fault} `invalid`: they cannot be read; names the record. */
export function decode(envelope: Envelope, body: MutateBody, table: Table, into: RowBatch): void {
  try {
    decodeMutate(body, table, into);
  } catch (error) {
    const place = `${envelope.origin}/${envelope.partition} at ${formatPosition(envelope)}`;
    throw new Fault('invalid', `table ${table.name}, ${place}: ${messageOf(error)}`, { cause: error });
  }
}
