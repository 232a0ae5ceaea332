/** What the threads of `threaded-compaction.test.ts` run: as `compaction-thread.ts`, but so many of them end in the middle. */

import { NodeDisk } from '@tidemark/platform/node-disk';
import { answerCalls } from '@tidemark/platform/worker-threads';
import { type MergeJob, mergeSegments } from '../merge/compaction-executor.ts';

/** `deaths` is shared memory: threads that are still to die, and after how many turns each does. */
export type DyingSetting = { readonly root: string; readonly deaths: Int32Array };

answerCalls(async (job, setting) => {
  const { root, deaths } = setting as DyingSetting;
  const dies = Atomics.sub(deaths, 0, 1) > 0;
  let turns = 0;
  const disk = new NodeDisk(root);
  try {
    return await mergeSegments(disk, job as MergeJob, async () => {
      if (dies && ++turns > deaths[1]!) process.exit(1);
    });
  } finally {
    await disk.close();
  }
});
