/**
 * A store that holds records beyond an epoch end is wrong for good, as merging cannot be undone (protocol rule 21): the
 * keyspace's column files are discarded and built again from the logs, which are all still there. Until they are past
 * where they were, nothing is read from them.
 *
 *   1  the note is written: discarding, and how far the stores were
 *   2  the checkpoint keeps its epoch ends only
 *   3  the column files are removed
 *   4  the note says so; it is removed itself once the stores are past where they were
 *
 * Killed at any step, the next start finds the note and goes on.
 */

import { comparePositions, formatPosition, type Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { asWritten, readState, setAside, writeState } from '@tidemark/platform/state-file';
import { compareTicks, type Tick } from '../follow/closed-timestamp.ts';
import type { EpochEnd, KnownEpochEnds } from '../follow/known-epoch-ends.ts';
import { type FlushedPlace, writeCheckpoint } from './checkpoint.ts';
import type { Stores } from './stores.ts';

const FOLDER = 'checkpoints/applier';

/** How far the stores were when they were discarded: beyond that they may be read again. */
export type Floor = {
  /** By partition and origin, no further than the epoch end of its epoch. */
  readonly positions: readonly Readonly<Record<string, Position>>[];
  readonly asOf: Tick | null;
  /** What was found wrong, where something was. */
  readonly why?: readonly string[];
};

/**
 * What is on disk while a keyspace is built again: whether files are still being discarded, and how far the stores had
 * been.
 */
export type RebuildNote = { readonly discarding: boolean; readonly floor: Floor };

const pathOf = (keyspace: string): string => `${FOLDER}/${keyspace}.rebuild.json`;

/** Null when no rebuild is under way. @throws {Fault} `corrupt`: it is not what was written */
export function readNote(disk: Disk, keyspace: string): Promise<RebuildNote | null> {
  return readState(disk, pathOf(keyspace), asWritten<RebuildNote>());
}

/** A damaged note is kept under another name. */
export function setNoteAside(disk: Disk, keyspace: string): Promise<void> {
  return setAside(disk, pathOf(keyspace));
}

/** Written before anything is taken away on the strength of it. */
export async function writeNote(disk: Disk, keyspace: string, note: RebuildNote): Promise<void> {
  await disk.makeFolder(FOLDER);
  // Files are removed on the strength of it, so that the folders it is in must outlive a power loss too.
  for (const folder of ['.', 'checkpoints']) await disk.syncFolder(folder);
  await writeState(disk, pathOf(keyspace), note);
}

/** The stores are past where they were. */
export async function removeNote(disk: Disk, keyspace: string): Promise<void> {
  await disk.remove(pathOf(keyspace));
  await disk.syncFolder(FOLDER);
}

/** Discards a keyspace's column files. `given`: the keyspace as it was created; what the logs say comes after. */
export async function discardStores(
  disk: Disk,
  given: Keyspace,
  epochEnds: readonly (readonly EpochEnd[])[],
  floor: Floor,
): Promise<void> {
  await writeNote(disk, given.name, { discarding: true, floor });
  await writeCheckpoint(disk, { keyspace: given, schemaAt: null, places: [], epochEnds, tails: [] });
  await disk.remove(given.name);
  await disk.syncFolder('.');
  await writeNote(disk, given.name, { discarding: false, floor });
}

/** In words: which store holds records, or tables, beyond which epoch end; null when none does. */
export function beyondEnd(stores: Stores, knownEpochEndsByPartition: readonly KnownEpochEnds[]): string | null {
  const { schemaAt, keyspace } = stores;
  const schemaCut =
    schemaAt === null
      ? null
      : (knownEpochEndsByPartition[schemaAt.partition]?.epochEndOf(schemaAt.origin, schemaAt.epoch) ?? null);
  if (schemaAt !== null && schemaCut !== null && schemaAt.seq > schemaCut) {
    const name = { epoch: schemaAt.epoch, seq: schemaCut };
    return `version ${keyspace.version} of its tables stands at ${formatPosition(schemaAt)} of ${schemaAt.origin}, beyond the epoch end at ${formatPosition(name)}`;
  }
  for (const [partition, knownEpochEnds] of knownEpochEndsByPartition.entries()) {
    for (const store of stores.partitions(partition)) {
      for (const origin of store.origins) {
        const at = store.position(origin);
        const epochEnd = knownEpochEnds.epochEndOf(origin, at.epoch);
        if (epochEnd === null || at.seq <= epochEnd) continue;
        const name = { epoch: at.epoch, seq: epochEnd };
        return `${store.path} is at ${formatPosition(at)} of ${origin}, beyond the epoch end at ${formatPosition(name)}`;
      }
    }
  }
  return null;
}

/** How far a checkpoint says that flushes went: column files that hold less have been lost or set aside. */
export function floorOfPlaces(partitions: number, places: readonly FlushedPlace[]): Floor {
  const positions = Array.from({ length: partitions }, (): Record<string, Position> => ({}));
  for (const { logHead, tables } of places) {
    const { partition, origin, epoch, seq } = logHead;
    if (tables.length > 0 && seq >= 0 && partition < partitions) positions[partition]![origin] = { epoch, seq };
  }
  return { positions, asOf: null };
}

/** The further of the two in each place. */
export function higherFloor(a: Floor | null, b: Floor | null): Floor | null {
  if (a === null || b === null) return a ?? b;
  const positions = Array.from({ length: Math.max(a.positions.length, b.positions.length) }, (_, partition) => {
    const both: Record<string, Position> = { ...a.positions[partition] };
    for (const [origin, at] of Object.entries(b.positions[partition] ?? {})) {
      const other = both[origin];
      if (other === undefined || comparePositions(at, other) > 0) both[origin] = at;
    }
    return both;
  });
  const isLater = b.asOf !== null && (a.asOf === null || compareTicks(b.asOf, a.asOf) > 0);
  const why = [...new Set([...(a.why ?? []), ...(b.why ?? [])])];
  return { positions, asOf: isLater ? b.asOf : a.asOf, ...(why.length === 0 ? {} : { why }) };
}

/** How far the stores are, as far as it counts. */
export function floorOf(
  stores: Stores,
  knownEpochEndsByPartition: readonly KnownEpochEnds[],
  asOf: Tick | null,
): Floor {
  const positions = knownEpochEndsByPartition.map((knownEpochEnds, partition) => {
    const known: Record<string, Position> = {};
    for (const { name } of stores.keyspace.sites) {
      const at = furthest(stores, name, partition);
      const epochEnd = knownEpochEnds.epochEndOf(name, at.epoch);
      const seq = epochEnd === null ? at.seq : Math.min(epochEnd, at.seq);
      if (seq >= 0) known[name] = { epoch: at.epoch, seq };
    }
    return known;
  });
  return { positions, asOf };
}

function furthest(stores: Stores, origin: string, partition: number): Position {
  const all = stores.partitions(partition).map((store) => store.position(origin));
  return all.reduce((far, at) => (comparePositions(at, far) > 0 ? at : far), { epoch: 0, seq: -1 });
}

/**
 * What is still missing until the stores are past the floor, in words; null when nothing is.
 *
 * @param epochEndOf where an epoch ended, null while it is not known: one learnt after the floor was noted lowers it
 */
export function missingTo(
  floor: Floor,
  epochEndOf: (origin: string, partition: number, epoch: number) => number | null,
  applied: (origin: string, partition: number) => Position,
  asOf: Tick | null,
): string | null {
  for (const [partition, known] of floor.positions.entries()) {
    for (const [origin, { epoch, seq }] of Object.entries(known)) {
      const at = applied(origin, partition);
      const wanted = { epoch, seq: Math.min(seq, epochEndOf(origin, partition, epoch) ?? seq) };
      if (wanted.seq < 0) continue;
      if (comparePositions(at, wanted) >= 0) continue;
      return `partition ${partition} of ${origin} is at ${formatPosition(at)}, it was at ${formatPosition(wanted)}`;
    }
  }
  if (floor.asOf === null || (asOf !== null && compareTicks(asOf, floor.asOf) >= 0)) return null;
  return `it is as of ${asOf?.ms ?? 'never'}, it was as of ${floor.asOf.ms}`;
}
