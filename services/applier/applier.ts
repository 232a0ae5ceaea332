/**
 * One keyspace at one site: follows the site's own log and its mirrors of the other sites' logs, applies what counts to
 * the column files, and knows how far that has come.
 */

import type { Log } from '@tidemark/log/log';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/schema/position';
import { type Keyspace, topicNames } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import type { Disk } from '@tidemark/world/disk';
import { Fault, isFault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import { Progress } from '@tidemark/world/progress';
import { AsOf, type Tick } from './as-of.ts';
import { type Place, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { Counts } from './counts.ts';
import { Flusher, type FlushRules } from './flusher.ts';
import type { Hold, Positions } from './hold.ts';
import { Lag } from './lag.ts';
import { type Held, type News, OriginFold } from './origin-fold.ts';
import { OriginReader } from './origin-reader.ts';
import { beyondCut, discardStores, type Floor, floorOf, missingTo, readNote, removeNote } from './rebuild.ts';
import { Stores } from './stores.ts';
import { type Cut, Succession } from './succession.ts';

const TICK_MS = 1_000;

export type ApplierRules = FlushRules & {
  /** Most bytes of records that wait to be committed, for each origin's partition. */
  readonly heldBytesMax: number;
};

export type KeyspaceApplierParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
  /** This site's copy of an origin's partition cannot be read beyond `at`, though there is more in it. */
  readonly onStuck?: (keyspace: string, origin: string, partition: number, at: Position) => void;
};

/** What is known when a keyspace is started. */
export type Known = {
  /** By partition. */
  readonly cuts?: readonly (readonly Cut[])[];
  /** How far it could be read before: it is not read again until it is there. */
  readonly asOf?: Tick | null;
  /** Told once when the stores turn out to hold records beyond a cut: it is to be stopped and started again. */
  readonly onBeyond?: () => void;
};

/** A place that was flushed, and the tables that were flushed for it. */
type FlushedPlace = Place & { readonly tables: readonly number[] };

export class KeyspaceApplier implements AsyncDisposable {
  readonly stores: Stores;
  readonly asOf = new AsOf();
  readonly counts: Counts;
  readonly lag: Lag;
  /** Told whenever something was applied. */
  readonly progress: Progress;
  readonly #parts: KeyspaceApplierParts;
  readonly #rules: ApplierRules;
  readonly #readers = new Map<string, OriginReader[]>();
  readonly #folds = new Map<string, OriginFold[]>();
  /** By partition. */
  readonly #successions: readonly Succession[];
  #isSaving = false;
  #floor: Floor | null = null;
  #isBeyond = false;
  #hold: Hold | null = null;
  readonly #tails = new Set<string>();
  #onBeyond: (() => void) | null = null;
  readonly #flushed = new Map<string, FlushedPlace>();
  /** When an origin's newest barrier was reached, on the monotonic clock. */
  readonly #heardMs = new Map<string, number>();
  readonly #flusher: Flusher;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(
    parts: KeyspaceApplierParts,
    rules: ApplierRules,
    stores: Stores,
    successions: readonly Succession[],
  ) {
    this.stores = stores;
    this.#parts = parts;
    this.#rules = rules;
    this.counts = new Counts(parts.clock, parts.logger);
    this.lag = new Lag(parts.clock);
    this.progress = new Progress(parts.clock);
    this.#successions = successions;
    this.#flusher = new Flusher(
      {
        ...parts,
        stores,
        before: (partition) => this.#placesOf(partition),
        checkpoint: () => this.#checkpoint(),
      },
      rules,
    );
  }

  /**
   * Opens the stores and begins to read.
   * @throws {Fault} `corrupt`: column files or checkpoint are wrong, or another cluster's.
   */
  static async start(
    parts: KeyspaceApplierParts,
    given: Keyspace,
    rules: ApplierRules,
    known: Known = {},
  ): Promise<KeyspaceApplier> {
    const opened = await openStores(parts, given, known);
    const applier = new KeyspaceApplier(parts, rules, opened.stores, opened.successions);
    applier.#floor = opened.floor;
    applier.#onBeyond = known.onBeyond ?? null;
    for (const origin of opened.checkpoint?.tails ?? []) applier.#tails.add(origin);
    for (const place of opened.checkpoint?.places ?? []) applier.#flushed.set(keyOf(place.prefix), place);
    for (const { name, role } of opened.stores.keyspace.sites) if (role === 'data') applier.#follow(name);
    const { signal } = applier.#stop;
    const readers = [...applier.#readers.values()].flat();
    applier.#running = Promise.all([
      ...readers.map((reader) => reader.run(signal)),
      applier.#flusher.run(signal),
      applier.#tick(signal),
    ]);
    return applier;
  }

  /** Makes the readers of an origin, each standing where the checkpoint and the column files allow. */
  #follow(origin: string): void {
    const { cluster, site } = this.#parts;
    const { name: keyspace, partitions, ack } = this.stores.keyspace;
    const topic = origin === site ? topicNames.log(keyspace, site) : topicNames.mirror(keyspace, origin);
    const folds: OriginFold[] = [];
    const readers: OriginReader[] = [];
    this.#folds.set(origin, folds);
    this.#readers.set(origin, readers);
    for (let partition = 0; partition < partitions; partition++) {
      const place = this.#usablePlace(origin, partition);
      const name = { cluster, keyspace, origin, partition };
      const succession = this.#successions[partition]!;
      const onCutOff = (): void => this.tailUnwritten(origin);
      const reached = (other: string, at: Position): boolean =>
        comparePositions(this.applied(other, partition), at) >= 0;
      const fold = new OriginFold(
        name,
        { sync: ack.name === 'sync', heldBytesMax: this.#rules.heldBytesMax, succession, reached, onCutOff },
        place?.prefix ?? null,
      );
      folds.push(fold);
      readers.push(this.#reader(origin, partition, topic, fold, place));
    }
  }

  /** Null when there is no place, or when a table does not hold what was flushed for it any more. */
  #usablePlace(origin: string, partition: number): FlushedPlace | null {
    const key = keyOf({ origin, partition });
    const place = this.#flushed.get(key);
    if (place === undefined) return null;
    const durable = this.stores.durable(origin, partition, place.tables);
    if (place.tables.length === 0 || comparePositions(durable, place.prefix) >= 0) return place;
    const { logger } = this.#parts;
    const message = `keyspace ${this.stores.keyspace.name}, ${key}: column files stand at ${formatPosition(durable)}, the checkpoint at ${formatPosition(place.prefix)}: building again from the log`;
    logger.warn({ origin, partition }, message);
    this.#flushed.delete(key);
    return null;
  }

  #reader(
    origin: string,
    partition: number,
    topic: string,
    fold: OriginFold,
    place: FlushedPlace | null,
  ): OriginReader {
    const { log, clock, logger, onFatal } = this.#parts;
    const tables = place?.tables ?? this.stores.tableIds;
    return new OriginReader({
      log,
      topic,
      clock,
      logger,
      fold,
      place: place === null ? null : { offset: place.offset, prefix: place.prefix },
      applied: this.stores.position(origin, partition, tables),
      apply: (held) => this.#apply(origin, held),
      mayApply: (at) => this.#hold === null || this.#hold.allows(origin, partition, at),
      onApplied: () => this.#onApplied(origin, partition),
      onNews: (news, offset, first) => this.#onNews({ origin, topic, partition }, news, offset, first),
      room: () => this.room(),
      onStuck: (at) => this.#parts.onStuck?.(this.stores.keyspace.name, origin, partition, at),
      onStopped: ({ reason, fatal, error }) => {
        this.counts.stopped(origin, `${topic}/${partition}: ${reason}`);
        logger.error({ topic, partition, reason }, `${topic}/${partition}: reading stopped: ${reason}`);
        if (fatal) onFatal(error);
      },
    });
  }

  #apply(origin: string, { envelope }: Held): void | Promise<void> {
    const { body, partition, epoch, seq } = envelope;
    const at = { epoch, seq };
    this.counts.applied(origin);
    switch (body.kind) {
      case 'Mutate': {
        const rows = this.stores.mutate(envelope, body);
        if (rows === 0) return;
        this.counts.rows(origin, rows);
        this.lag.add(envelope.stampMs);
        return;
      }
      case 'Schema':
        return this.#evolve(JSON.parse(body.keyspace) as Keyspace).then(() =>
          this.stores.advance(origin, partition, at),
        );
      case 'Barrier': {
        const stamp = { ms: envelope.stampMs, counter: envelope.stampCounter };
        this.asOf.add({ origin, at, stamp, heads: body.heads });
        return this.stores.advance(origin, partition, at);
      }
      default:
        return this.stores.advance(origin, partition, at);
    }
  }

  /** Takes over a newer keyspace; a full disk is waited out. */
  async #evolve(keyspace: Keyspace): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        return await this.stores.evolve(keyspace);
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error;
        this.#parts.logger.error({ keyspace: keyspace.name }, `keyspace ${keyspace.name}: ${error.message}`);
        await this.#parts.clock.sleep(TICK_MS, this.#stop.signal);
      }
    }
  }

  #onApplied(origin: string, partition: number): void {
    const heard = this.asOf.settle((o, p) => this.applied(o, p));
    for (const one of heard) this.#heardMs.set(one, this.#parts.clock.monotonicMs());
    // Another origin's next epoch may have waited for this one's cut.
    for (const [other, readers] of this.#readers) if (other !== origin) readers[partition]?.freed();
    this.progress.tell();
  }

  #onNews(
    source: { readonly origin: string; readonly topic: string; readonly partition: number },
    news: News,
    offset: number,
    first: boolean,
  ): void {
    switch (news.kind) {
      case 'committed':
        this.committed(news.partition, source.origin, news.at);
        return;
      case 'closed':
        this.#follows(source.partition, news);
        return;
      case 'duplicate':
        if (first) this.counts.duplicate(source.origin);
        return;
      case 'ignored': {
        const position = formatPosition(this.#folds.get(source.origin)![source.partition]!.prefix);
        if (first) this.counts.ignored({ ...source, offset, position }, news.reason, news.alarm);
        return;
      }
      case 'halted':
        return;
    }
  }

  /** Everything of the origin's partition up to `at`, in its epoch, is committed. */
  committed(partition: number, origin: string, at: Position): void {
    const news = this.#folds.get(origin)?.[partition]?.learnCommitted(at) ?? [];
    for (const told of news) if (told.kind === 'closed') this.#follows(partition, told);
    this.#readers.get(origin)?.[partition]?.freed();
  }

  /** The origin's epoch ends there in the partition: up to there its records count, beyond they never do. */
  closed(partition: number, origin: string, at: Position): void {
    const cut = { origin, epoch: at.epoch, seq: at.seq };
    const learnt = this.#successions[partition]!.learn(cut);
    if (typeof learnt === 'object') this.#alarmSecondCut(partition, cut, learnt.other);
    if (learnt !== 'new') return;
    this.#saveSoon();
    const news = this.#folds.get(origin)?.[partition]?.learnCut(at) ?? [];
    for (const told of news) if (told.kind === 'closed') this.#follows(partition, told);
    for (const readers of this.#readers.values()) readers[partition]?.freed();
    this.#lookBeyond(partition, origin, at);
  }

  /** The stores may have gone beyond a cut before it was known: not those of a sync keyspace, unless it lost. */
  #lookBeyond(partition: number, origin: string, { epoch, seq }: Position): void {
    const isBeyond = this.stores.partitions(partition).some((store) => {
      const at = store.position(origin);
      return at.epoch === epoch && at.seq > seq;
    });
    if (!isBeyond || this.#isBeyond) return;
    this.#isBeyond = true;
    this.#onBeyond?.();
  }

  /** Why nothing may be read yet, in words: the stores are being built again; null when all is well. */
  get notReadable(): string | null {
    const { name } = this.stores.keyspace;
    if (this.#isBeyond) return `keyspace ${name} holds records beyond a cut here and is being built again`;
    if (this.#floor === null) return null;
    const missing = missingTo(this.#floor, (origin, partition) => this.applied(origin, partition), this.asOf.current);
    return missing === null ? null : `keyspace ${name} is being built again here: ${missing}`;
  }

  /** How far it can be read, for the applier that takes this one's place. */
  get readableAsOf(): Tick | null {
    return this.#floor?.asOf ?? this.asOf.current;
  }

  /**
   * Applies nothing more until `release`, and what is being applied is through when this resolves.
   * @throws {Fault} `unavailable`: it is held already.
   */
  async hold(hold: Hold): Promise<void> {
    const { name } = this.stores.keyspace;
    if (this.#hold !== null && this.#hold.id !== hold.id) {
      throw new Fault('unavailable', `keyspace ${name} is being compared already`, { retryAfterMs: 1_000 });
    }
    this.#hold = hold;
    await Promise.all([...this.#readers.values()].flat().map((reader) => reader.settled()));
  }

  /** The hold with that id; null when it is over. */
  heldBy(id: string): Hold | null {
    return this.#hold?.id === id ? this.#hold : null;
  }

  /** Goes on, as far as the hold says. */
  freeHeld(): void {
    for (const readers of this.#readers.values()) for (const reader of readers) reader.freed();
  }

  /** Ends the hold, if it is that one. */
  release(id: string): void {
    if (this.#hold?.id !== id) return;
    this.#hold = null;
    this.freeHeld();
  }

  /** Origin → how far it has been applied, by partition. */
  get positions(): Positions {
    return Object.fromEntries(this.origins.map((o) => [o, this.readers(o).map((reader) => reader.applied)]));
  }

  /** Origins of which records beyond a cut were passed over, and have not been written out. */
  get unwrittenTails(): string[] {
    return [...this.#tails];
  }

  tailUnwritten(origin: string): void {
    this.#tails.add(origin);
  }

  tailWritten(origin: string): void {
    this.#tails.delete(origin);
  }

  /** By partition. */
  get cuts(): Cut[][] {
    return this.#successions.map((succession) => succession.cuts);
  }

  /** An EPOCH_START that counts says on what it follows. */
  #follows(partition: number, { origin, at, next }: News & { readonly kind: 'closed' }): void {
    this.#successions[partition]!.learnFollows(next, at.epoch);
    if (origin !== '') this.closed(partition, origin, at);
    for (const readers of this.#readers.values()) readers[partition]?.freed();
  }

  #alarmSecondCut(partition: number, told: Cut, known: Cut): void {
    const words = ({ origin, epoch, seq }: Cut): string => `${origin} ${formatPosition({ epoch, seq })}`;
    const { name } = this.stores.keyspace;
    const message = `keyspace ${name}, partition ${partition}: told of a cut at ${words(told)}, known is ${words(known)}`;
    this.#parts.logger.error({ partition, told, known }, message);
  }

  /** What was learnt of cuts outlives the process, without a flush. A full disk only makes it be learnt again. */
  #saveSoon(): void {
    if (this.#isSaving) return;
    this.#isSaving = true;
    const save = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      this.#isSaving = false;
      await this.#flusher.save();
    };
    save().catch((error: unknown) => {
      if (!isFault(error, 'unavailable')) this.#parts.onFatal(error);
    });
  }

  /** How far the origin's partition has been applied here. */
  applied(origin: string, partition: number): Position {
    return this.#readers.get(origin)?.[partition]?.applied ?? NOWHERE;
  }

  /** True for a record beyond the cut of its epoch. */
  isCutOff(origin: string, partition: number, at: Position): boolean {
    return this.#folds.get(origin)?.[partition]?.isCutOff(at) ?? false;
  }

  /** Last seq of the origin's epoch that counts in the partition, −1 for none; null while it is not closed. */
  cutOf(origin: string, partition: number, epoch: number): number | null {
    return this.#successions[partition]?.cutOf(origin, epoch) ?? null;
  }

  /** By partition; none for what is no origin here. */
  readers(origin: string): readonly OriginReader[] {
    return this.#readers.get(origin) ?? [];
  }

  get origins(): string[] {
    return [...this.#readers.keys()];
  }

  /** The origin's newest barrier whose heads are all applied: its stamp's ms, and when that was; null for none. */
  heard(origin: string): { readonly barrierMs: number; readonly monotonicMs: number } | null {
    const barrier = this.asOf.reached(origin);
    return barrier === null ? null : { barrierMs: barrier.stamp.ms, monotonicMs: this.#heardMs.get(origin)! };
  }

  /** The furthest position of the origin's partition known to be committed; NOWHERE for none. */
  committedAt(origin: string, partition: number): Position {
    return this.#folds.get(origin)?.[partition]?.committed ?? NOWHERE;
  }

  /** The newest epoch anything was applied of; 0 for none. */
  get epoch(): number {
    return Math.max(0, ...[...this.#readers.values()].flat().map((reader) => reader.applied.epoch));
  }

  /** True as soon as `holds` does, false when it did not in time. */
  waitUntil(holds: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    return this.progress.until(holds, timeoutMs, signal);
  }

  /** What to note once a flush that begins now is on disk. */
  #placesOf(partition: number): () => void {
    const tables = this.stores.tableIds;
    const places = this.origins.map((origin) => [origin, this.readers(origin)[partition]!.place] as const);
    return () => {
      for (const [origin, place] of places) {
        if (place !== null) this.#flushed.set(keyOf({ origin, partition }), { ...place, tables });
      }
    };
  }

  async #checkpoint(): Promise<void> {
    const { keyspace } = this.stores;
    await writeCheckpoint(this.#parts.disk, {
      keyspace,
      places: [...this.#flushed.values()],
      cuts: this.cuts,
      tails: this.unwrittenTails,
    });
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(TICK_MS, signal);
      for (const readers of this.#readers.values()) for (const reader of readers) reader.tick();
      if (this.#floor !== null && this.notReadable === null) await this.#endRebuild();
    }
  }

  async #endRebuild(): Promise<void> {
    const { name } = this.stores.keyspace;
    this.#floor = null;
    try {
      await removeNote(this.#parts.disk, name);
    } catch (error) {
      this.#parts.onFatal(error);
    }
    this.#parts.logger.info({ keyspace: name }, `keyspace ${name}: built again, and read again`);
  }

  get cluster(): string {
    return this.#parts.cluster;
  }

  /** Resolves once the stores may take more. */
  room(): Promise<void> {
    return this.#flusher.room(this.#stop.signal);
  }

  /** Writes everything applied so far to disk. @throws {Fault} `unavailable`: disk full. */
  flush(): Promise<void> {
    return this.#flusher.flushAll();
  }

  /** Stops reading, flushes what it can, and closes the stores. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    try {
      await this.#flusher.flushAll();
    } catch (error) {
      if (!isFault(error, 'unavailable')) this.#parts.onFatal(error);
    }
    await this.stores.close();
  }
}

/** Opens the column files; those that hold records beyond a cut, or were being discarded, are begun anew. */
async function openStores({ disk, cluster, logger }: KeyspaceApplierParts, given: Keyspace, known: Known) {
  const checkpoint = await readCheckpoint(disk, cluster, given.name);
  const stored = checkpoint?.keyspace;
  const newest = stored !== undefined && stored.version > given.version ? stored : given;
  const cutsOf = (p: number): Cut[] => [...(known.cuts?.[p] ?? []), ...(checkpoint?.cuts[p] ?? [])];
  const successions = Array.from({ length: newest.partitions }, (_, p) => new Succession(cutsOf(p)));
  const note = await readNote(disk, given.name);
  let floor = note?.floor ?? null;
  if (note?.discarding !== true) {
    const stores = await Stores.open(disk, newest);
    const beyond = beyondCut(stores, successions);
    if (beyond === null) return { checkpoint, stores, successions, floor };
    logger.error({ keyspace: given.name }, `keyspace ${given.name}: ${beyond}: building it again from the logs`);
    floor ??= floorOf(stores, successions, known.asOf ?? null);
    await stores.close();
  }
  const cuts = successions.map((succession) => succession.cuts);
  await discardStores(disk, given, cuts, floor ?? { positions: [], asOf: null });
  return { checkpoint: null, stores: await Stores.open(disk, given), successions, floor };
}

function keyOf({ origin, partition }: { readonly origin: string; readonly partition: number }): string {
  return `${origin}/${partition}`;
}
