/**
 * Opens a keyspace's column files. Those that hold records beyond an epoch end, or were being discarded, are begun anew; a
 * partition in which stored bytes are wrong is set aside, and built again from the logs while nothing is read.
 */

import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { setAside } from '@tidemark/platform/state-file';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import type { Tick } from '../follow/closed-timestamp.ts';
import { type EpochEnd, KnownEpochEnds } from '../follow/known-epoch-ends.ts';
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import {
  beyondEnd,
  discardStores,
  type Floor,
  floorOf,
  floorOfPlaces,
  higherFloor,
  missingTo,
  type RebuildNote,
  readNote,
  setNoteAside,
  writeNote,
} from './rebuild.ts';
import { scratchFolderIn, setScratchAside } from './scratch.ts';
import { Stores } from './stores.ts';

type OpenParts = {
  readonly cluster: string;
  readonly disk: Disk;
  readonly compactionExecutor?: CompactionExecutor | null;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A keyspace's stores as they were found on disk, with where to read on from. */
export type OpenStores = {
  readonly stores: Stores;
  /** Null when there is none that fits the stores. */
  readonly checkpoint: Checkpoint | null;
  /** By partition. */
  readonly knownEpochEndsByPartition: readonly KnownEpochEnds[];
  /** How far the stores were before they, or some of them, were discarded or lost; null when they were not. */
  readonly floor: Floor | null;
};

/** A partition's folder in which stored bytes are wrong. */
export type Damage = { readonly folder: string; readonly reason: string };

/** What an error says of a partition's column files; null when it is about something else. */
export function damageOf(error: unknown): Damage | null {
  if (!isFault(error, 'corrupt')) return null;
  const folder = /^[^/]+\/[^/]+\/\d+(?=\/)/.exec(error.details.path ?? '')?.[0];
  return folder === undefined ? null : { folder, reason: error.message };
}

/**
 * @param cuts by partition, beside those of the checkpoint
 * @param asOf how far it could be read before, if that is known
 * @param damaged found while they were open
 * @param discards whether they were written under tables that lie beyond an epoch end
 * @throws {Fault} `corrupt`: the checkpoint is another cluster's. `unavailable`: disk full.
 */
export async function openStores(
  parts: OpenParts,
  given: Keyspace,
  epochEnds: readonly (readonly EpochEnd[])[],
  asOf: Tick | null,
  { damaged, discards }: { readonly damaged: readonly Damage[]; readonly discards: boolean },
): Promise<OpenStores> {
  const { disk, compactionExecutor = null, cluster, logger } = parts;
  const checkpoint = await readCheckpoint(disk, cluster, given.name, logger);
  const stored = checkpoint?.keyspace;
  const isStored = stored !== undefined && stored.version > given.version;
  const newest = isStored ? stored : given;
  const schemaAt = isStored ? checkpoint!.schemaAt : null;
  const epochEndsOf = (p: number): EpochEnd[] => [...(epochEnds[p] ?? []), ...(checkpoint?.epochEnds[p] ?? [])];
  const knownEpochEndsByPartition = Array.from(
    { length: newest.partitions },
    (_, p) => new KnownEpochEnds(epochEndsOf(p)),
  );
  const flushed = floorOfPlaces(newest.partitions, checkpoint?.places ?? []);
  const note = await noteOf(parts, given.name, flushed);
  const readTo = asOf === null ? null : { positions: [], asOf };
  let floor = higherFloor(note?.floor ?? null, readTo);
  if (note?.discarding !== true) {
    const remove = async ({ folder, reason }: Damage): Promise<void> => {
      const scratch = scratchFolderIn(folder);
      if (scratch !== null) return setScratchAside(disk, scratch, reason, logger);
      logger.error(
        { keyspace: given.name, folder, reason },
        `${reason}: ${folder} is set aside, built again from the logs`,
      );
      floor = higherFloor(floor, { ...flushed, why: [`${reason} (${folder} is set aside)`] })!;
      await writeNote(disk, given.name, { discarding: false, floor });
      await setAside(disk, folder);
    };
    for (const one of damaged) await remove(one);
    const onDamage = (folder: string, reason: string): Promise<void> => remove({ folder, reason });
    const stores = await Stores.open(disk, newest, compactionExecutor, onDamage, schemaAt);
    // Folders that are gone, and manifests that had to be passed over, hold less than was flushed.
    const epochEndOf = (origin: string, p: number, epoch: number): number | null =>
      knownEpochEndsByPartition[p]!.epochEndOf(origin, epoch);
    const tablesOf = (origin: string, p: number): readonly number[] =>
      checkpoint!.places.find(({ logHead }) => logHead.origin === origin && logHead.partition === p)!.tables;
    const lost = missingTo(flushed, epochEndOf, (origin, p) => stores.durable(origin, p, tablesOf(origin, p)), null);
    const partitions = knownEpochEndsByPartition.flatMap((_, p) => stores.partitions(p));
    const passedOver = partitions.flatMap((store) => store.openNotes);
    const why = passedOver.length > 0 ? passedOver : ['column files were lost'];
    if (passedOver.length > 0) {
      const what = `${passedOver.join(', ')}: what was written down before is taken, and the rest is read from the logs`;
      logger.error({ keyspace: given.name }, what);
    }
    if (lost !== null && floor === null) {
      logger.error({ keyspace: given.name }, `keyspace ${given.name}: ${why.join(', ')}: ${lost}`);
      floor = { ...flushed, why };
      await writeNote(disk, given.name, { discarding: false, floor });
    }
    const tables = discards ? 'it was written under tables that lie beyond an epoch end' : null;
    const beyond = beyondEnd(stores, knownEpochEndsByPartition) ?? tables;
    // What lay beyond may have been in memory only; what readers were told of it they were told all the same.
    if (beyond === null) return { checkpoint, stores, knownEpochEndsByPartition, floor };
    logger.error({ keyspace: given.name }, `keyspace ${given.name}: ${beyond}: building it again from the logs`);
    floor =
      note === null && lost === null ? { ...floorOf(stores, knownEpochEndsByPartition, asOf), why: [beyond] } : floor;
    await stores.close();
  }
  const known = knownEpochEndsByPartition.map((knownEpochEnds) => knownEpochEnds.epochEnds);
  await discardStores(disk, given, known, floor ?? { positions: [], asOf: null });
  return {
    checkpoint: null,
    stores: await Stores.open(disk, given, compactionExecutor),
    knownEpochEndsByPartition,
    floor,
  };
}

/** A note that is damaged does not say how far things were: all is built again, and read as of now at the earliest. */
async function noteOf(
  { disk, clock, logger }: OpenParts,
  keyspace: string,
  flushed: Floor,
): Promise<RebuildNote | null> {
  try {
    return await readNote(disk, keyspace);
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    logger.error(
      { keyspace, reason: error.message },
      `${error.message}: keyspace ${keyspace} is built again from the logs`,
    );
    await setNoteAside(disk, keyspace);
    const asOf = { ms: clock.nowMs(), counter: 0 };
    return { discarding: true, floor: higherFloor(flushed, { positions: [], asOf, why: [error.message] })! };
  }
}
