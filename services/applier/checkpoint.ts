/**
 * Where each origin's partition is read on from after a restart: written after a flush, for what had been applied when
 * the flush began. It saves work and is never needed: without it, or when it does not fit the stores or the log, the
 * log is folded from its start.
 */

import type { Prefix } from '@tidemark/schema/accept';
import type { Keyspace } from '@tidemark/schema/table';
import { type Disk, replaceFile } from '@tidemark/world/disk';
import { Fault, isFault } from '@tidemark/world/fault';
import type { Cut } from './succession.ts';

const FORMAT = 2;
const FOLDER = 'checkpoints/applier';

/** A record that was applied: the offset after it, and what had been accepted with it. */
export type Place = { readonly offset: number; readonly prefix: Prefix };

/** A place that was flushed, and the ids of the tables that were flushed for it. */
export type FlushedPlace = Place & { readonly tables: readonly number[] };

export type Checkpoint = {
  readonly format: number;
  /** Newest one applied. */
  readonly keyspace: Keyspace;
  readonly places: readonly FlushedPlace[];
  /** By partition: where closed epochs ended. */
  readonly cuts: readonly (readonly Cut[])[];
  /** Origins of which records beyond a cut were passed over that are not written out yet. */
  readonly tails: readonly string[];
};

function pathOf(keyspace: string): string {
  return `${FOLDER}/${keyspace}.json`;
}

/**
 * Null when there is none, or one that this version cannot read.
 * @throws {Fault} `corrupt`: it is another cluster's or keyspace's; names both.
 */
export async function readCheckpoint(disk: Disk, cluster: string, keyspace: string): Promise<Checkpoint | null> {
  const checkpoint = await parsed(disk, pathOf(keyspace));
  if (checkpoint === null || checkpoint.format !== FORMAT) return null;
  for (const { prefix } of checkpoint.places) {
    if (prefix.cluster === cluster && prefix.keyspace === keyspace) continue;
    const got = `${prefix.cluster}/${prefix.keyspace}`;
    const expected = `${cluster}/${keyspace}`;
    throw new Fault('corrupt', `${pathOf(keyspace)} is of ${got}, expected ${expected}`, { got, expected });
  }
  return checkpoint;
}

async function parsed(disk: Disk, path: string): Promise<Checkpoint | null> {
  try {
    return JSON.parse(Buffer.from(await disk.read(path)).toString('utf8')) as Checkpoint;
  } catch (error) {
    if (error instanceof SyntaxError || (isFault(error, 'invalid') && error.details.status === 404)) return null;
    throw error;
  }
}

/** Replaces the keyspace's checkpoint. */
export async function writeCheckpoint(disk: Disk, checkpoint: Omit<Checkpoint, 'format'>): Promise<void> {
  await disk.makeFolder(FOLDER);
  const text = JSON.stringify({ format: FORMAT, ...checkpoint });
  await replaceFile(disk, pathOf(checkpoint.keyspace.name), Buffer.from(text));
}
