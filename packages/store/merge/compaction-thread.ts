/** What a thread runs that merges segments for others: see `thread-compaction executor.ts`. */

import { NodeDisk } from '@tidemark/platform/node-disk';
import { answerCalls } from '@tidemark/platform/worker-threads';
import { type MergeJob, mergeSegments } from './compaction-executor.ts';

answerCalls(async (job, root) => {
  const disk = new NodeDisk(root as string);
  try {
    // Nothing else waits for its turn on this thread.
    return await mergeSegments(disk, job as MergeJob, async () => undefined);
  } finally {
    // The inputs are soon removed, and would take room as long as they are open.
    await disk.close();
  }
});
