/**
 * Whether a keyspace may be read here: not while its stores hold records beyond an epoch end, nor, once they were discarded,
 * until they are past where they were; nor after a restart before all is applied again that readers were told is.
 */

import type { Position } from '@tidemark/model/position';
import type { Disk } from '@tidemark/platform/disk';
import type { Logger } from '@tidemark/platform/logger';
import { type ClosedTimestamp, compareTicks, type Tick } from '../follow/closed-timestamp.ts';
import type { EpochEndsCache } from '../follow/epoch-ends-cache.ts';
import type { Origins } from '../follow/origins.ts';
import { type Floor, missingTo, removeNote } from './rebuild.ts';
import type { Stores } from './stores.ts';
import type { ToldAsOf } from './told-as-of.ts';

/** Of what was found wrong, so much is told. */
const NAMED_MAX = 3;

/** Records that were applied, or a version of the tables that column files were written under. */
export type Beyond = 'records' | 'tables';

type ReadGateParts = {
  readonly stores: Stores;
  readonly origins: Origins;
  readonly epochEnds: EpochEndsCache;
  readonly asOf: ClosedTimestamp;
  readonly told: ToldAsOf;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
  /** Told once when the stores turn out to hold records beyond an epoch end: the keyspace is to be stopped and started again. */
  readonly onBeyond: (what: Beyond) => void;
};

/** The gate of one keyspace; it opens by itself once the stores are past the floor. */
export class ReadGate {
  readonly #parts: ReadGateParts;
  #floor: Floor | null;
  #isBeyond = false;

  /** @param floor how far the stores were before they were discarded; null when they were not */
  constructor(parts: ReadGateParts, floor: Floor | null) {
    this.#parts = parts;
    this.#floor = floor;
  }

  /** Why nothing may be read yet, in words: the stores are being built again; null when all is well. */
  get refusal(): string | null {
    const { stores, asOf } = this.#parts;
    const { name } = stores.keyspace;
    if (this.#isBeyond) return `keyspace ${name} holds records beyond an epoch end here and is being built again`;
    const { schemaMissing } = stores;
    if (schemaMissing !== null) return `keyspace ${name} is read again here: ${schemaMissing}`;
    const rebuilding = this.#rebuilding();
    if (rebuilding !== null) return rebuilding;
    const { latest } = this.#parts.told;
    if (latest === null || (asOf.current !== null && compareTicks(asOf.current, latest) >= 0)) return null;
    return `keyspace ${name} is as of ${asOf.current?.ms ?? 'never'} here, and readers were told ${latest.ms} before`;
  }

  #rebuilding(): string | null {
    if (this.#floor === null) return null;
    const { stores, origins, epochEnds, asOf } = this.#parts;
    const { name } = stores.keyspace;
    const epochEndOf = (origin: string, partition: number, epoch: number): number | null =>
      epochEnds.epochEndOf(origin, partition, epoch);
    const applied = (origin: string, partition: number): Position => origins.applied(origin, partition);
    const missing = missingTo(this.#floor, epochEndOf, applied, asOf.current);
    if (missing === null) return null;
    const { why = [] } = this.#floor;
    const because = why.length === 0 ? '' : `, as ${why.slice(0, NAMED_MAX).join(', and ')}`;
    return `keyspace ${name} is being built again here${because}: ${missing}`;
  }

  /** True when the stores hold records beyond an epoch end: nothing more may be applied to them. */
  get isBeyond(): boolean {
    return this.#isBeyond;
  }

  /** How far it can be read, for the applier that takes this one's place. */
  get asOf(): Tick | null {
    return this.#floor?.asOf ?? this.#parts.asOf.current;
  }

  /** The stores may have gone beyond an epoch end before it was known: not those of a sync keyspace, unless it lost. */
  lookBeyond(partition: number, origin: string, { epoch, seq }: Position): void {
    const { stores } = this.#parts;
    const { schemaAt } = stores;
    const isPast = (at: Position): boolean => at.epoch === epoch && at.seq > seq;
    const hasTables = schemaAt?.origin === origin && schemaAt.partition === partition && isPast(schemaAt);
    if (hasTables || stores.partitions(partition).some((store) => isPast(store.position(origin))))
      this.#goBack('records');
  }

  /** A version of the tables was read beyond an epoch end: column files that were flushed under it hold what never counted. */
  passedOver(version: number): void {
    if (this.#parts.stores.isWrittenUnder(version)) this.#goBack('tables');
  }

  #goBack(what: Beyond): void {
    if (this.#isBeyond) return;
    this.#isBeyond = true;
    this.#parts.onBeyond(what);
  }

  /** Told about once a second: ends the rebuild when the stores are past where they were. */
  async tick(): Promise<void> {
    if (this.#floor === null || this.#isBeyond || this.#rebuilding() !== null) return;
    if (this.#parts.stores.schemaMissing !== null) return;
    const { stores, disk, logger, onFatal } = this.#parts;
    const { name } = stores.keyspace;
    this.#floor = null;
    try {
      await removeNote(disk, name);
    } catch (error) {
      onFatal(error);
    }
    logger.info({ keyspace: name }, `keyspace ${name}: built again, and read again`);
  }
}
