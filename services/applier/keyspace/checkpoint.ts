/**
 * Where each origin's partition is read on from after a restart: written after a flush, for what had been applied when
 * the flush began. It saves work and is never needed: without it, or when it does not fit the stores or the log, the
 * log is folded from its start.
 */

import type { Keyspace } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';
import type { LogHead } from '@tidemark/record/admit';
import type { EpochEnd } from '../follow/known-epoch-ends.ts';
import type { SchemaPlace } from './stores.ts';

const FORMAT = 4;
const FOLDER = 'checkpoints/applier';

/** A record that was applied: the offset after it, and what had been accepted with it. */
export type Place = { readonly offset: number; readonly logHead: LogHead };

/** A place that was flushed, and the ids of the tables that were flushed for it. */
export type FlushedPlace = Place & { readonly tables: readonly number[] };

/** The file's content as JSON; `format` is checked, and another one counts as none. */
export type Checkpoint = {
  readonly format: number;
  /** Newest one applied. */
  readonly keyspace: Keyspace;
  /** Where a log told of it, which may lie beyond an epoch end that is learnt later; null: it is as it was created. */
  readonly schemaAt: SchemaPlace | null;
  readonly places: readonly FlushedPlace[];
  /** By partition: where closed epochs ended. */
  readonly epochEnds: readonly (readonly EpochEnd[])[];
  /** Origins of which records beyond an epoch end were passed over that are not written out yet. */
  readonly tails: readonly string[];
};

function pathOf(keyspace: string): string {
  return `${FOLDER}/${keyspace}.json`;
}

/**
 * Null when there is none, one that this version cannot read, or a damaged one, which is set aside.
 * @throws {Fault} `corrupt`: it is another cluster's or keyspace's; names both.
 */
export async function readCheckpoint(
  disk: Disk,
  cluster: string,
  keyspace: string,
  logger: Logger,
): Promise<Checkpoint | null> {
  const checkpoint = await readDerived(disk, pathOf(keyspace), asWritten<Checkpoint>(), logger);
  if (checkpoint === null || checkpoint.format !== FORMAT) return null;
  for (const { logHead } of checkpoint.places) {
    if (logHead.cluster === cluster && logHead.keyspace === keyspace) continue;
    const got = `${logHead.cluster}/${logHead.keyspace}`;
    const expected = `${cluster}/${keyspace}`;
    throw new Fault('corrupt', `${pathOf(keyspace)} is of ${got}, expected ${expected}`, { got, expected });
  }
  return checkpoint;
}

/** Replaces the keyspace's checkpoint. */
export async function writeCheckpoint(disk: Disk, checkpoint: Omit<Checkpoint, 'format'>): Promise<void> {
  await disk.makeFolder(FOLDER);
  await writeState(disk, pathOf(checkpoint.keyspace.name), { format: FORMAT, ...checkpoint });
}
