/**
 * Notes, every so often, where a later writer may read this log on from. A point is written when everything in it is
 * committed, and so part of the history whoever writes next: what a writer that was cut off took in is none of it.
 */

import type { StampClock } from '@tidemark/model/stamp';
import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Timing } from '@tidemark/platform/timing';
import type { Appender } from './appender.ts';
import type { Commits } from './commits.ts';
import { type CheckpointPoint, type Opened, writePoint } from './opening.ts';

/** How often it is looked, in the time between two points, whether the next one is committed. */
const LOOKS = 30;

type CheckpointParts = { readonly disk: Disk; readonly clock: Clock; readonly timing: Timing; readonly logger: Logger };

/** What a point tells of a writer. */
type Noted = {
  readonly signal: AbortSignal;
  readonly epoch: number;
  readonly appenders: readonly Appender[];
  readonly commits: Commits;
  readonly stamps: StampClock;
  readonly sources: Opened['sources'];
  readonly keyspace: Keyspace;
  readonly committedVersion: number;
};

/** Runs until the writer ends. */
export async function keepCheckpoints(writer: Noted, { disk, clock, timing, logger }: CheckpointParts): Promise<void> {
  while (!writer.signal.aborted) {
    await clock.sleep(timing.writerCheckpointMs, writer.signal);
    const point = pointNow(writer, clock);
    while (!writer.signal.aborted && !isCommitted(writer, point))
      await clock.sleep(timing.writerCheckpointMs / LOOKS, writer.signal);
    if (!writer.signal.aborted) await save({ disk, timing, logger }, point);
  }
}

/** A point only saves reading: a disk that is full ends no term. */
async function save(to: Omit<CheckpointParts, 'clock'>, point: CheckpointPoint): Promise<void> {
  await writePoint(to, point).catch((error: unknown) => {
    if (!isFault(error, 'unavailable')) throw error;
    const keyspace = point.keyspace.name;
    to.logger.warn({ keyspace, error: error.message }, 'writer checkpoint not written');
  });
}

function pointNow({ appenders, sources, stamps, keyspace }: Noted, clock: Clock): CheckpointPoint {
  const tails = appenders.map((appender) => appender.checkpoint);
  return { stampMs: clock.nowMs() + stamps.aheadMs(), keyspace, sources: sources.toJson(), tails };
}

function isCommitted({ epoch, commits, committedVersion }: Noted, { keyspace, tails }: CheckpointPoint): boolean {
  if (committedVersion < keyspace.version) return false;
  return tails.every((tail, partition) => {
    const isEarlier = tail === null || tail.logHead.epoch < epoch;
    return isEarlier || commits.committed(partition) >= tail.logHead.seq;
  });
}
