/** Opens a keyspace's column files; those that hold records beyond a cut, or were being discarded, are begun anew. */

import type { Keyspace } from '@tidemark/schema/table';
import type { Merger } from '@tidemark/store/merger';
import type { Disk } from '@tidemark/world/disk';
import type { Logger } from '@tidemark/world/logger';
import type { Tick } from './as-of.ts';
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import { beyondCut, discardStores, type Floor, floorOf, readNote } from './rebuild.ts';
import { Stores } from './stores.ts';
import { type Cut, Succession } from './succession.ts';

export type OpenParts = {
  readonly cluster: string;
  readonly disk: Disk;
  readonly merger?: Merger | null;
  readonly logger: Logger;
};

export type OpenStores = {
  readonly stores: Stores;
  /** Null when there is none that fits the stores. */
  readonly checkpoint: Checkpoint | null;
  /** By partition. */
  readonly successions: readonly Succession[];
  /** How far the stores were before they were discarded; null when they were not. */
  readonly floor: Floor | null;
};

/**
 * @param cuts by partition, beside those of the checkpoint
 * @param asOf how far it could be read before, if that is known
 * @throws {Fault} `corrupt`: column files or checkpoint are wrong, or another cluster's. `unavailable`: disk full.
 */
export async function openStores(
  { disk, merger = null, cluster, logger }: OpenParts,
  given: Keyspace,
  cuts: readonly (readonly Cut[])[],
  asOf: Tick | null,
): Promise<OpenStores> {
  const checkpoint = await readCheckpoint(disk, cluster, given.name, logger);
  const stored = checkpoint?.keyspace;
  const newest = stored !== undefined && stored.version > given.version ? stored : given;
  const cutsOf = (p: number): Cut[] => [...(cuts[p] ?? []), ...(checkpoint?.cuts[p] ?? [])];
  const successions = Array.from({ length: newest.partitions }, (_, p) => new Succession(cutsOf(p)));
  const note = await readNote(disk, given.name);
  let floor = note?.floor ?? null;
  if (note?.discarding !== true) {
    const stores = await Stores.open(disk, newest, merger);
    const beyond = beyondCut(stores, successions);
    // What lay beyond may have been in memory only; what readers were told of it they were told all the same.
    if (beyond === null)
      return { checkpoint, stores, successions, floor: floor ?? (asOf === null ? null : { positions: [], asOf }) };
    logger.error({ keyspace: given.name }, `keyspace ${given.name}: ${beyond}: building it again from the logs`);
    floor ??= floorOf(stores, successions, asOf);
    await stores.close();
  }
  const known = successions.map((succession) => succession.cuts);
  await discardStores(disk, given, known, floor ?? { positions: [], asOf: null });
  return { checkpoint: null, stores: await Stores.open(disk, given, merger), successions, floor };
}
