/** What a keyspace's applier tells of itself, for status and metrics. */

import { formatPosition } from '@tidemark/model/position';
import type { KeyspaceApplier } from './applier.ts';
import type { Tick } from './follow/closed-timestamp.ts';
import type { Quantiles } from './follow/lag.ts';

/** What is known of one origin. */
export type OriginFacts = {
  /** By partition, `epoch:seq` of the last record applied. */
  readonly applied: readonly string[];
  /** Stamp in ms of the newest BARRIER whose heads are all applied, null for none in this run. */
  readonly newestBarrierMs: number | null;
  /** When that was, on the monotonic clock. */
  readonly heardMonotonicMs: number | null;
  /** True when everything known to be in this site's copy is applied. */
  readonly caughtUp: boolean;
  readonly records: number;
  readonly rows: number;
  readonly duplicate: number;
  readonly ignored: number;
  /** Of those ignored, the ones that should not be there at all. */
  readonly alarmed: number;
  /** Why partitions stopped for good. */
  readonly stopped: readonly string[];
};

/** How far a keyspace is applied here and what it holds, sizes in bytes. */
export type ApplierFacts = {
  readonly version: number;
  readonly asOf: Tick | null;
  readonly origins: Readonly<Record<string, OriginFacts>>;
  /** now − stamp at the moment of applying, in ms, of records with rows. */
  readonly lagMs: { readonly minute: Quantiles; readonly run: Quantiles };
  readonly memtableBytes: number;
  readonly segmentBytes: number;
};

/** Reads the facts off a running applier; it waits for nothing. */
export function factsOf({ stores, origins, asOf, counts, lag }: KeyspaceApplier): ApplierFacts {
  const originFacts = (origin: string): OriginFacts => {
    const readers = origins.readers(origin);
    const { applied: records, ...others } = counts.of(origin);
    const reached = asOf.reached(origin);
    return {
      ...others,
      records,
      applied: readers.map((reader) => formatPosition(reader.applied)),
      newestBarrierMs: reached?.stamp.ms ?? null,
      heardMonotonicMs: reached?.monotonicMs ?? null,
      caughtUp: readers.every((reader) => reader.caughtUp),
    };
  };
  return {
    version: stores.keyspace.version,
    asOf: asOf.current,
    origins: Object.fromEntries(origins.names.map((origin) => [origin, originFacts(origin)])),
    lagMs: lag.quantiles(),
    ...stores.sizes(),
  };
}
