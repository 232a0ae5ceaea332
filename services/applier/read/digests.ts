/**
 * Fingerprints of everything a keyspace holds at this site: equal positions must mean equal digests, when they are taken
 * at the same gcWatermark.
 */

import { createHash } from 'node:crypto';
import { formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import { digestOf, type PartitionDigest } from '@tidemark/store/digest';
import { compareGcWatermarks, type GcWatermark, laterGcWatermark } from '@tidemark/store/gc-watermark';
import type { KeyspaceApplier } from '../applier.ts';
import type { TableStore } from '../keyspace/stores.ts';
import { formatTick } from './gc-watermark-text.ts';

/** The fingerprint of one table: live rows, and a hash over its partitions in order. */
export type TableDigest = {
  readonly rows: number;
  /** SHA-256 of the partitions' hashes, in hex. */
  readonly hash: string;
  readonly partitions: readonly PartitionDigest[];
};

type KeyspaceDigest = {
  readonly site: string;
  /** By origin and partition: what exactly the digests are of, `epoch:seq`. */
  readonly positions: Readonly<Record<string, readonly string[]>>;
  /** What all of them were taken at, `ms.counter`; null: nothing is left out. */
  readonly gcWatermark: string | null;
  readonly tables: Readonly<Record<string, TableDigest>>;
  /** Tables that replays have made at this site. */
  readonly scratch: Readonly<Record<string, TableDigest>>;
};

/**
 * Reads every row once; again, where a deletion was forgotten meanwhile.
 * @param asked the GC watermark to take them at; where deletions are forgotten up to a later one, it is that
 * @throws {Fault} `corrupt`: stored bytes are wrong.
 */
export async function digestKeyspace(
  site: string,
  applier: KeyspaceApplier,
  scratch: readonly TableStore[],
  asked: GcWatermark | null = null,
): Promise<KeyspaceDigest> {
  const gcWatermark = laterGcWatermark(asked, applier.stores.purged);
  const { keyspace } = applier.stores;
  const stores = keyspace.tables.map((table) => applier.stores.tableStore(table.id)!);
  const positions: ReadonlyMap<string, Position>[] = [];
  const parts = stores.map((): PartitionDigest[] => []);
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    // All tables in one step, so that their positions are the same.
    const snapshots = await Promise.all(stores.map((store) => store.partitions[partition]!.snapshot()));
    positions.push(snapshots[0]?.positions ?? new Map());
    try {
      for (const [i, snapshot] of snapshots.entries()) parts[i]!.push(await digestOf(snapshot, gcWatermark));
    } finally {
      for (const snapshot of snapshots) snapshot.release();
    }
  }
  const origins = applier.origins.names.map((origin) => {
    return [origin, positions.map((known) => formatPosition(known.get(origin) ?? NOWHERE))] as const;
  });
  const digests = stores.map(({ table }, i) => [table.name, combined(parts[i]!)] as const);
  const scratched: [string, TableDigest][] = [];
  for (const store of scratch) scratched.push([store.table.name, await digestTable(store, gcWatermark)]);
  const latest = parts
    .flat()
    .reduce((late: GcWatermark | null, one) => laterGcWatermark(late, one.gcWatermark), gcWatermark);
  if (latest !== null && (gcWatermark === null || compareGcWatermarks(gcWatermark, latest) < 0)) {
    return digestKeyspace(site, applier, scratch, latest);
  }
  return {
    site,
    gcWatermark: gcWatermark === null ? null : formatTick(gcWatermark),
    positions: Object.fromEntries(origins),
    tables: Object.fromEntries(digests),
    scratch: Object.fromEntries(scratched),
  };
}

async function digestTable(store: TableStore, gcWatermark: GcWatermark | null): Promise<TableDigest> {
  const partitions: PartitionDigest[] = [];
  for (const partition of store.partitions) partitions.push(await partition.digest(gcWatermark));
  return combined(partitions);
}

function combined(partitions: readonly PartitionDigest[]): TableDigest {
  const hash = createHash('sha256');
  for (const partition of partitions) hash.update(partition.hash);
  const rows = partitions.reduce((sum, partition) => sum + partition.rows, 0);
  return { rows, hash: hash.digest('hex'), partitions };
}
