/**
 * The origins of a keyspace as they are followed here, this site's own log and its mirrors of the others': for each
 * partition a fold that decides and the reader that feeds it.
 */

import type { Log } from '@tidemark/log/log';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import { topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Logger } from '@tidemark/platform/logger';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { Envelope } from '@tidemark/record/envelope';
import type { FlushedPlace, Place } from '../keyspace/checkpoint.ts';
import type { FlushedPlaces } from '../keyspace/flushed-places.ts';
import type { Stores } from '../keyspace/stores.ts';
import type { Positions } from './apply-pause.ts';
import type { Counts } from './counts.ts';
import type { EpochEndsCache } from './epoch-ends-cache.ts';
import { LogFollower, type Stopped } from './log-follower.ts';
import { type Closed, type Held, type News, RecordSequencer } from './record-sequencer.ts';

type OriginsParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
  /** This site's copy of an origin's partition cannot be read beyond `at`, though there is more in it. */
  readonly onStuck: ((keyspace: string, origin: string, partition: number, at: Position) => void) | undefined;
  readonly stores: Stores;
  readonly epochEnds: EpochEndsCache;
  readonly places: FlushedPlaces;
  readonly counts: Counts;
  /** Most bytes of records that wait to be committed, for each origin's partition. */
  readonly heldBytesMax: number;
  /** Records that wait to be committed, of all keyspaces. */
  readonly uncommitted: SharedMemory;
  readonly apply: (record: Held) => void | Promise<void>;
  readonly mayApply: (origin: string, partition: number, at: Position) => boolean;
  /** Some records were applied. */
  readonly onApplied: (origin: string, partition: number) => void;
  /** An EPOCH_START that counts says on what it follows. */
  readonly onClosed: (partition: number, closed: Closed) => void;
  /** A record was passed over because it lies beyond an epoch end. */
  readonly onCutOff: (origin: string, body: Envelope['body']) => void;
  /** Resolves once the stores may take more. */
  readonly room: () => Promise<void>;
};

/** One partition of an origin's topic. */
type Source = { readonly origin: string; readonly topic: string; readonly partition: number };

/** All followers of a keyspace, by origin and partition. */
export class Origins {
  readonly #parts: OriginsParts;
  readonly #readers = new Map<string, LogFollower[]>();
  readonly #folds = new Map<string, RecordSequencer[]>();

  constructor(parts: OriginsParts) {
    this.#parts = parts;
    const { name, partitions, sites } = parts.stores.keyspace;
    for (const { name: origin, role } of sites) {
      if (role !== 'data') continue;
      const topic = origin === parts.site ? topicNames.log(name, origin) : topicNames.mirror(name, origin);
      const sources = Array.from({ length: partitions }, (_, partition) => ({ origin, topic, partition }));
      const places = sources.map(({ partition }) => parts.places.usable(origin, partition));
      const folds = sources.map((source, partition) => this.#fold(source, places[partition]!));
      this.#folds.set(origin, folds);
      const readers = sources.map((source, partition) => this.#reader(source, folds[partition]!, places[partition]!));
      this.#readers.set(origin, readers);
    }
  }

  #fold({ origin, partition }: Source, place: Place | null): RecordSequencer {
    const { cluster, stores, epochEnds, heldBytesMax, uncommitted, onCutOff } = this.#parts;
    const { name: keyspace, ack } = stores.keyspace;
    const rules = {
      sync: ack.name === 'sync',
      ...{ heldBytesMax, uncommitted },
      knownEpochEnds: epochEnds.of(partition),
      reached: (other: string, at: Position) => comparePositions(this.applied(other, partition), at) >= 0,
      onCutOff: ({ body }: Envelope) => onCutOff(origin, body),
    };
    return new RecordSequencer({ cluster, keyspace, origin, partition }, rules, place?.logHead ?? null);
  }

  #reader(source: Source, fold: RecordSequencer, place: FlushedPlace | null): LogFollower {
    const { log, clock, logger, stores, apply, mayApply, onApplied, room, onStuck } = this.#parts;
    const { origin, topic, partition } = source;
    return new LogFollower({
      log,
      topic,
      clock,
      logger,
      fold,
      place: place === null ? null : { offset: place.offset, logHead: place.logHead },
      applied: stores.position(origin, partition, place?.tables ?? stores.tableIds),
      apply,
      mayApply: (at) => mayApply(origin, partition, at),
      onApplied: () => onApplied(origin, partition),
      onNews: (news, offset, first) => this.#onNews(source, news, offset, first),
      room,
      onStuck: (at) => onStuck?.(stores.keyspace.name, origin, partition, at),
      onStopped: (stopped) => this.#onStopped(source, stopped),
    });
  }

  #onStopped({ origin, topic, partition }: Source, { reason, fatal, error }: Stopped): void {
    const { counts, logger, onFatal } = this.#parts;
    counts.stopped(origin, `${topic}/${partition}: ${reason}`);
    logger.error({ topic, partition, reason }, `${topic}/${partition}: reading stopped: ${reason}`);
    if (fatal) onFatal(error);
  }

  #onNews(source: Source, news: News, offset: number, first: boolean): void {
    const { counts, onClosed } = this.#parts;
    const { origin, partition } = source;
    switch (news.kind) {
      case 'committed':
        this.learnCommitted(news.partition, origin, news.at);
        return;
      case 'closed':
        onClosed(partition, news);
        return;
      case 'duplicate':
        if (first) counts.duplicate(origin);
        return;
      case 'ignored': {
        const position = formatPosition(this.#folds.get(origin)![partition]!.logHead);
        if (first) counts.ignored({ ...source, offset, position }, news.reason, news.alarm);
        return;
      }
      case 'halted':
      case 'other':
        return;
    }
  }

  /** Reads all of them until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((reader) => reader.run(signal)));
  }

  get names(): string[] {
    return [...this.#readers.keys()];
  }

  /** By partition; none for what is no origin here. */
  readers(origin: string): readonly LogFollower[] {
    return this.#readers.get(origin) ?? [];
  }

  /** Bytes of records that wait here to be committed. */
  get heldBytes(): number {
    let bytes = 0;
    for (const folds of this.#folds.values()) for (const fold of folds) bytes += fold.heldBytes;
    return bytes;
  }

  get #all(): LogFollower[] {
    return [...this.#readers.values()].flat();
  }

  /** How far the origin's partition has been applied here. */
  applied(origin: string, partition: number): Position {
    return this.#readers.get(origin)?.[partition]?.applied ?? NOWHERE;
  }

  /** The furthest position of the origin's partition known to be committed; NOWHERE for none. */
  committed(origin: string, partition: number): Position {
    return this.#folds.get(origin)?.[partition]?.committed ?? NOWHERE;
  }

  /** True for a record beyond the epoch end of its epoch. */
  isCutOff(origin: string, partition: number, at: Position): boolean {
    return this.#folds.get(origin)?.[partition]?.isCutOff(at) ?? false;
  }

  /** Origin → how far it has been applied, by partition. */
  get positions(): Positions {
    return Object.fromEntries(this.names.map((o) => [o, this.readers(o).map((reader) => reader.applied)]));
  }

  /** The newest epoch anything was applied of; 0 for none. */
  get epoch(): number {
    return Math.max(0, ...this.#all.map((reader) => reader.applied.epoch));
  }

  /** Of one partition: after which records everything applied so far can be read again. */
  places(partition: number): Place[] {
    return this.names.flatMap((origin) => this.readers(origin)[partition]!.place ?? []);
  }

  /** Everything of the origin's partition up to `at`, in its epoch, is committed. */
  learnCommitted(partition: number, origin: string, at: Position): void {
    const closed = this.#folds.get(origin)?.[partition]?.learnCommitted(at) ?? [];
    for (const one of closed) this.#parts.onClosed(partition, one);
    this.#readers.get(origin)?.[partition]?.freed();
  }

  /** The origin's epoch ends there in the partition, as the known epoch ends say by now. */
  learnEnd(partition: number, origin: string, at: Position): void {
    const closed = this.#folds.get(origin)?.[partition]?.learnEnd(at) ?? [];
    for (const one of closed) this.#parts.onClosed(partition, one);
    this.freedIn(partition);
  }

  /** What holds readers back may be gone, everywhere. */
  freed(): void {
    for (const reader of this.#all) reader.freed();
  }

  /** Likewise in one partition, of all origins but that one. */
  freedIn(partition: number, but?: string): void {
    for (const [origin, readers] of this.#readers) if (origin !== but) readers[partition]?.freed();
  }

  /** Resolves once what is being applied has been. */
  async settled(): Promise<void> {
    await Promise.all(this.#all.map((reader) => reader.settled()));
  }

  /** Told about once a second. */
  tick(): void {
    for (const reader of this.#all) reader.tick();
  }
}
