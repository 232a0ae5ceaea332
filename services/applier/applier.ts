/**
 * One keyspace at one site: follows the site's own log and its mirrors of the other sites' logs, applies what counts to
 * the column files, and knows how far that has come. Put together here; each part can be asked what it knows.
 */

import type { Log } from '@tidemark/log/log';
import type { Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { Progress } from '@tidemark/platform/progress';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { Envelope } from '@tidemark/record/envelope';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import { applyRecord } from './follow/apply-record.ts';
import { ClosedTimestamp, type Tick } from './follow/closed-timestamp.ts';
import { Counts } from './follow/counts.ts';
import { EpochEndsCache } from './follow/epoch-ends-cache.ts';
import type { EpochEnd } from './follow/known-epoch-ends.ts';
import { Lag } from './follow/lag.ts';
import { Origins } from './follow/origins.ts';
import { PausedApply } from './follow/paused-apply.ts';
import type { Closed, Held } from './follow/record-sequencer.ts';
import { writeCheckpoint } from './keyspace/checkpoint.ts';
import { FlushedPlaces } from './keyspace/flushed-places.ts';
import { Flusher, type FlushRules } from './keyspace/flusher.ts';
import { type Damage, damageOf, type OpenStores, openStores } from './keyspace/open-stores.ts';
import { type Beyond, ReadGate } from './keyspace/read-gate.ts';
import type { Stores } from './keyspace/stores.ts';
import { ToldAsOf } from './keyspace/told-as-of.ts';

const TICK_MS = 1_000;

/** When to flush, and how many bytes of uncommitted records to hold. */
export type ApplierRules = FlushRules & {
  /** Most bytes of records that wait to be committed, for each origin's partition. */
  readonly heldBytesMax: number;
};

/** What the keyspaces of a site share. */
export type ApplierMemory = {
  /** Beyond it the largest are flushed; twice as much may be held until they are. */
  readonly memtables: SharedMemory;
  /** Records that wait to be committed. */
  readonly uncommitted: SharedMemory;
};

/** What one keyspace's applier is given to run with. */
export type KeyspaceApplierParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly disk: Disk;
  readonly compactionExecutor?: CompactionExecutor | null;
  readonly memory: ApplierMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
  /** This site's copy of an origin's partition cannot be read beyond `at`, though there is more in it. */
  readonly onStuck?: ((keyspace: string, origin: string, partition: number, at: Position) => void) | undefined;
};

/** What is known when a keyspace is started. */
export type Known = {
  /** By partition. */
  readonly epochEnds?: readonly (readonly EpochEnd[])[];
  /** How far it could be read before: it is not read again until it is there. */
  readonly asOf?: Tick | null;
  /** What readers have been told of it; left out, it is opened here. */
  readonly told?: ToldAsOf;
  /** Told once when the stores turn out to hold records beyond an epoch end: it is to be stopped and started again. */
  readonly onBeyond?: (what: Beyond) => void;
  /** True when all column files are to be begun anew, though none of them is beyond an epoch end. */
  readonly discards?: boolean;
  /** Partitions in which stored bytes turned out to be wrong: they are set aside and built again. */
  readonly damaged?: readonly Damage[];
  /** Told when a flush or a merge finds such a partition: it is to be stopped and started again. */
  readonly onDamage?: (damage: Damage) => void;
};

/** One keyspace being applied, from `open` until it is disposed; it follows all origins' partitions at once. */
export class KeyspaceApplier implements AsyncDisposable {
  readonly stores: Stores;
  readonly epochEnds: EpochEndsCache;
  readonly origins: Origins;
  readonly asOf: ClosedTimestamp;
  readonly told: ToldAsOf;
  readonly readGate: ReadGate;
  readonly holding: PausedApply;
  readonly counts: Counts;
  readonly lag: Lag;
  /** Told whenever something was applied. */
  readonly progress: Progress;
  /** Origins of which records beyond an epoch end were passed over, and have not been written out. */
  readonly unwrittenTails: Set<string>;
  readonly #parts: KeyspaceApplierParts;
  readonly #places: FlushedPlaces;
  readonly #flusher: Flusher;
  readonly #onDamage: (damage: Damage) => void;
  readonly #share: Disposable;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  private constructor(
    parts: KeyspaceApplierParts,
    rules: ApplierRules,
    opened: OpenStores,
    { told, onBeyond, onDamage }: Required<Pick<Known, 'told' | 'onBeyond' | 'onDamage'>>,
  ) {
    this.#onDamage = onDamage;
    const { cluster, site, log, disk, clock, logger, memory, onFatal, onStuck } = parts;
    const { memtables, uncommitted } = memory;
    const { stores, checkpoint, knownEpochEndsByPartition, floor } = opened;
    const { name } = stores.keyspace;
    const { signal } = this.#stop;
    this.#parts = parts;
    this.stores = stores;
    this.told = told;
    this.asOf = new ClosedTimestamp(told.barrier, ({ origin, at }) => this.origins.isCutOff(origin, 0, at));
    this.epochEnds = new EpochEndsCache(name, knownEpochEndsByPartition, logger);
    this.counts = new Counts(clock, logger);
    this.lag = new Lag(clock);
    this.progress = new Progress(clock);
    this.unwrittenTails = new Set(checkpoint?.tails);
    this.#places = new FlushedPlaces(stores, logger, checkpoint?.places ?? []);
    const { epochEnds, counts, lag, asOf } = this;
    const applying = { stores, asOf, counts, lag, clock, logger, signal };
    this.origins = new Origins({
      ...{ cluster, site, log, clock, logger, stores, epochEnds, counts, onFatal, onStuck },
      places: this.#places,
      ...{ heldBytesMax: rules.heldBytesMax, uncommitted },
      apply: (record) => {
        const applied = applyRecord(applying, record);
        return applied instanceof Promise ? applied.then(() => this.#lookAgain(record)) : undefined;
      },
      mayApply: (origin, partition, at) => !this.readGate.isBeyond && this.holding.allows(origin, partition, at),
      onApplied: (origin, partition) => this.#onApplied(origin, partition),
      onClosed: (partition, closed) => this.#onClosed(partition, closed),
      onCutOff: (origin, body) => this.#onCutOff(origin, body),
      room: () => this.room(),
    });
    this.#share = uncommitted.join({ bytes: () => this.origins.heldBytes });
    this.holding = new PausedApply(name, this.origins);
    this.readGate = new ReadGate(
      { stores, origins: this.origins, epochEnds, asOf, told, disk, logger, onFatal, onBeyond },
      floor,
    );
    this.#flusher = new Flusher(
      {
        ...{ stores, memtables, clock, logger, onFatal },
        before: (partition) => this.#places.flushing(this.origins.places(partition)),
        checkpoint: () => this.#checkpoint(),
        onDamage: (error) => this.noteDamage(error),
      },
      rules,
    );
    this.#settle();
    this.#running = Promise.all([this.origins.run(signal), this.#flusher.run(signal), this.#tick(signal)]);
  }

  /**
   * Opens the stores and begins to read.
   * @throws {Fault} `corrupt`: column files or checkpoint are wrong, or another cluster's.
   */
  static async start(
    parts: KeyspaceApplierParts,
    given: Keyspace,
    rules: ApplierRules,
    {
      epochEnds = [],
      asOf = null,
      onBeyond = () => {},
      discards = false,
      damaged = [],
      onDamage = () => {},
      ...known
    }: Known = {},
  ): Promise<KeyspaceApplier> {
    const { cluster, disk, compactionExecutor = null, clock, logger } = parts;
    const told = known.told ?? (await ToldAsOf.open({ disk, clock, logger }, given.name));
    const files = { cluster, disk, compactionExecutor, clock, logger };
    const opened = await openStores(files, given, epochEnds, asOf, { damaged, discards });
    return new KeyspaceApplier(parts, rules, opened, { told, onBeyond, onDamage });
  }

  #settle(): void {
    this.asOf.settle((o, p) => this.origins.applied(o, p), this.#parts.clock.monotonicMs());
  }

  #onApplied(origin: string, partition: number): void {
    this.#settle();
    // Another origin's next epoch may have waited for this one's cut.
    this.origins.freedIn(partition, origin);
    this.progress.tell();
  }

  /** An EPOCH_START that counts says on what it follows. */
  #onClosed(partition: number, { origin, at, next }: Closed): void {
    this.epochEnds.of(partition).learnFollows(next, at.epoch);
    if (origin !== '') this.closed(partition, origin, at);
    this.origins.freedIn(partition);
  }

  #onCutOff(origin: string, body: Envelope['body']): void {
    this.unwrittenTails.add(origin);
    if (body.kind === 'Schema') this.readGate.passedOver(body.version);
  }

  /** Everything of the origin's partition up to `at`, in its epoch, is committed. */
  committed(partition: number, origin: string, at: Position): void {
    this.origins.learnCommitted(partition, origin, at);
  }

  /** An epoch end before it may have been learnt while it was applied, when the stores did not hold it yet. */
  #lookAgain({ envelope: { origin, partition, epoch } }: Held): void {
    const seq = this.epochEnds.epochEndOf(origin, partition, epoch);
    if (seq !== null) this.readGate.lookBeyond(partition, origin, { epoch, seq });
  }

  /** The origin's epoch ends there in the partition: up to there its records count, beyond they never do. */
  closed(partition: number, origin: string, at: Position): void {
    if (!this.epochEnds.learn(partition, origin, at)) return;
    // What was learnt of epoch ends outlives the process, without a flush.
    this.#flusher.saveSoon();
    // First, as what the epoch end frees moves the stores on, and then nothing tells any more that they hold what lies beyond.
    this.readGate.lookBeyond(partition, origin, at);
    this.origins.learnEnd(partition, origin, at);
  }

  /**
   * Every member has applied everything with a smaller stamp: deletions below it may be forgotten. Not while sites are
   * compared: they have told each other up to where they have.
   */
  forgetBelow(gcWatermark: Tick): void {
    if (!this.holding.isHeld) this.stores.forgetBelow(gcWatermark);
  }

  async #checkpoint(): Promise<void> {
    const { keyspace, schemaAt } = this.stores;
    const epochEnds = this.epochEnds.all;
    await writeCheckpoint(this.#parts.disk, {
      keyspace,
      schemaAt,
      places: this.#places.all,
      epochEnds,
      tails: [...this.unwrittenTails],
    });
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(TICK_MS, signal);
      this.origins.tick();
      await this.readGate.tick();
      const { damage } = this.stores;
      if (damage !== null) this.#onDamage(damage);
    }
  }

  /** Resolves once the stores may take more. */
  room(): Promise<void> {
    return this.#flusher.room(this.#stop.signal);
  }

  /** Writes everything applied so far to disk. @throws {Fault} `unavailable`: disk full. */
  flush(): Promise<void> {
    return this.#flusher.flushAll();
  }

  /** Told of anything thrown while column files were used. @returns true when some are wrong, and will be built again */
  noteDamage(error: unknown): boolean {
    const damage = damageOf(error);
    if (damage !== null) this.#onDamage(damage);
    return damage !== null;
  }

  /** Stops reading, flushes what it can, and closes the stores. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#share[Symbol.dispose]();
    try {
      await this.#flusher[Symbol.asyncDispose]();
    } catch (error) {
      if (!isFault(error, 'unavailable') && damageOf(error) === null) this.#parts.onFatal(error);
    }
    await this.stores.close();
  }
}
