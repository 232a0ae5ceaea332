/** Merges on threads of their own, so that applying and reading go on meanwhile on other cores. For the machine's own disk. */

import { isFault } from '@tidemark/platform/fault';
import type { NodeDisk } from '@tidemark/platform/node-disk';
import { WorkerThreads } from '@tidemark/platform/worker-threads';
import type { SegmentSummary } from '../segment/manifest.ts';
import { type CompactionExecutor, InlineCompaction, type MergeJob } from './compaction-executor.ts';

const SCRIPT = new URL('compaction-thread.ts', import.meta.url);
/** Less is merged where it is: that takes no longer than starting a thread. */
const HANDED_OVER_BYTES_MIN = 1024 * 1024;
/** Threads that a merge may cost before it is done without one. */
const THREADS_LOST_MAX = 2;

/** Hands merges of enough bytes to worker threads; smaller ones, and what no thread takes, are done here. */
export class ThreadedCompaction implements CompactionExecutor, AsyncDisposable {
  readonly #disk: NodeDisk;
  readonly #threads: WorkerThreads;
  readonly #own: InlineCompaction;
  readonly #bytesMin: number;

  /** @param threadsMax merges under way at a time; others wait for them @param bytesMin of what is handed over */
  static of(disk: NodeDisk, threadsMax: number, bytesMin = HANDED_OVER_BYTES_MIN): ThreadedCompaction {
    return new ThreadedCompaction(disk, new WorkerThreads(SCRIPT, disk.root, threadsMax), bytesMin);
  }

  /** @param threads run `compaction-thread.ts`; they end with this */
  constructor(disk: NodeDisk, threads: WorkerThreads, bytesMin: number) {
    this.#disk = disk;
    this.#threads = threads;
    this.#own = new InlineCompaction(disk);
    this.#bytesMin = bytesMin;
  }

  /** A thread that dies is replaced and the merge begun anew; a machine that gives it none merges all the same. */
  async merge(job: MergeJob): Promise<SegmentSummary | null> {
    if (bytesOf(job) < this.#bytesMin) return this.#own.merge(job);
    for (let lost = 0; lost < THREADS_LOST_MAX; lost++) {
      try {
        return (await this.#threads.call(job)) as SegmentSummary | null;
      } catch (error) {
        if (!isFault(error, 'unknown')) throw error;
        await this.#disk.remove(`${job.folder}/${job.name}`);
      }
    }
    return this.#own.merge(job);
  }

  /** Ends its threads; what is under way is `unavailable`, and discarded by whoever asked for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads[Symbol.asyncDispose]();
  }
}

/** Of the files that are read. */
function bytesOf({ inputs }: MergeJob): number {
  return inputs.reduce((sum, { summary }) => sum + summary.files.reduce((bytes, file) => bytes + file.bytes, 0), 0);
}
