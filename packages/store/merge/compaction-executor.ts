/**
 * Merging some segments of a partition into one. What that takes is files that never change and plain data, and it
 * changes nothing but the new segment's folder: so it can be done on another thread, and be thrown away at any moment.
 */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { compressionBy, type ZstdChoice } from '../encoding/compression.ts';
import type { GcWatermark } from '../gc-watermark.ts';
import { SelectedSource } from '../row/selected-source.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { DeletionVector } from '../segment/deletion-vector.ts';
import type { SegmentSummary } from '../segment/manifest.ts';
import { Segment } from '../segment/segment.ts';
import { writeSegment } from '../segment/write-segment.ts';
import { withoutForgotten } from './tombstone-gc.ts';

/** Memory for the keys of segments that are only looked into. */
const OTHERS_BYTES_MAX = 32 * 1024 * 1024;

/** Plain data: it can be handed to another thread, which then shares the deletion vector and the stop. */
export type MergeJob = {
  /** The partition's folder. */
  readonly folder: string;
  /** The new segment's folder in it. */
  readonly name: string;
  readonly table: Table;
  /** With the rows that were live when the merge began; null: all. Their files stay until the result is told. */
  readonly inputs: readonly { readonly summary: SegmentSummary; readonly live: DeletionVector | null }[];
  readonly blockRows: number;
  readonly isFiltered: boolean;
  readonly zstd: ZstdChoice;
  /** Deletions below the GC watermark are left out of rows that no other segment with dead rows holds; null: none is. */
  readonly forgets: { readonly gcWatermark: GcWatermark; readonly others: readonly SegmentSummary[] } | null;
  /** Once its first element is not 0, the merge ends as soon as it has written the column it is at. */
  readonly stop: Int32Array;
};

/** Where merges are done; the result does not depend on it. */
export interface CompactionExecutor {
  /**
   * Writes the live rows of the inputs as a segment; every byte of it and its folder's names are durable on return. Null
   * when no row is left. What was written so far stays behind when it throws, and nothing is written after that.
   * @throws {Fault} `unavailable`: stopped, the disk is full, or whoever did it is gone; it may be tried again.
   *   `corrupt`: an input is damaged, or two different writes have one stamp.
   */
  merge(job: MergeJob): Promise<SegmentSummary | null>;
}

/** Merges beside the other work of the thread it is asked on: that has its turn after every column of a block. */
export class InlineCompaction implements CompactionExecutor {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  merge(job: MergeJob): Promise<SegmentSummary | null> {
    return mergeSegments(this.#disk, job, () => setImmediate());
  }
}

/** What every compaction executor does. @param turn called between the columns of each block @throws as `CompactionExecutor.merge` */
export async function mergeSegments(
  disk: Disk,
  { inputs, stop, zstd, forgets, ...job }: MergeJob,
  turn: () => Promise<void>,
): Promise<SegmentSummary | null> {
  const { folder, table } = job;
  const picked = await Promise.all(
    inputs.map(async ({ summary, live }) => {
      // Merges read each block once and hold none of them.
      const segment = await Segment.open(disk, folder, summary, table.key, new BlockCache(0));
      const bits = live === null ? null : new DeletionVector(live.bits, live.rowCount, live.deadCount);
      return { segment, live: bits, damage: null };
    }),
  );
  const pause = async (): Promise<void> => {
    await turn();
    if (Atomics.load(stop, 0) !== 0) throw new Fault('unavailable', `${folder}/${job.name}: the merge was stopped`);
  };
  const sources =
    forgets === null
      ? await Promise.all(picked.map((one) => SelectedSource.live(one)))
      : await withoutForgotten(picked, {
          table,
          pause,
          ...forgets,
          others: await openOthers(disk, job, forgets.others),
        });
  return writeSegment({ ...job, disk, sources, compressionOf: compressionBy(zstd, table, true), pause });
}

/** Keys are looked for in them one by one, so that their blocks are held for a while. */
function openOthers(
  disk: Disk,
  { folder, table }: Pick<MergeJob, 'folder' | 'table'>,
  others: readonly SegmentSummary[],
): Promise<Segment[]> {
  const cache = new BlockCache(OTHERS_BYTES_MAX);
  return Promise.all(others.map((summary) => Segment.open(disk, folder, summary, table.key, cache)));
}
