/**
 * The asOf that readers are told. It is written down before anybody is told, so that a process that starts again knows
 * what readers have heard, and answers nobody until it is there again (`read-gate.ts`). What proved it may be gone
 * with the process: at the primary a commit was known before any record said so.
 *
 * A file is not written for each read. What readers are told may be older than what is applied, as it says up to where
 * nothing is missing: it is written anew when it is behind by `BEHIND_MS_MAX`, for all who ask by then.
 */

import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readState, writeState } from '@tidemark/platform/state-file';
import { type Barrier, compareTicks, type Tick } from '../follow/closed-timestamp.ts';

const FOLDER = 'checkpoints/applier';
/** Readers wait for the file when what it says is older than that; it is written, and nobody waits, from half of it on. */
const BEHIND_MS_MAX = 1_000;

/** What was told, and the barrier that it is the stamp of; null where that is lost. */
type Told = { readonly asOf: Tick; readonly barrier: Barrier | null };

type ToldParts = { readonly disk: Disk; readonly clock: Clock; readonly logger: Logger };

const pathOf = (keyspace: string): string => `${FOLDER}/${keyspace}.told.json`;

/** The closed timestamp of one keyspace as readers heard it, on disk ahead of being told. */
export class ToldAsOf implements AsyncDisposable {
  readonly #parts: ToldParts;
  readonly #keyspace: string;
  /** What the file says. */
  #told: Told | null;
  #writing: Promise<void> | null = null;
  #isFailing = false;

  private constructor(parts: ToldParts, keyspace: string, told: Told | null) {
    this.#parts = parts;
    this.#keyspace = keyspace;
    this.#told = told;
  }

  /** A damaged file does not say what was told: nothing later than now can have been. */
  static async open(parts: ToldParts, keyspace: string): Promise<ToldAsOf> {
    const { disk, clock, logger } = parts;
    const path = pathOf(keyspace);
    const told = await readState(disk, path, asWritten<Told>()).catch(async (error: unknown) => {
      if (!isFault(error, 'corrupt')) throw error;
      logger.error({ keyspace, reason: error.message }, `${error.message}: taken for as of now`);
      const now = { asOf: { ms: clock.nowMs(), counter: 0 }, barrier: null };
      // In its place at once: a start that finds neither would hold nobody back.
      await writeState(disk, path, now);
      return now;
    });
    return new ToldAsOf(parts, keyspace, told);
  }

  /** The latest that readers may have been told, by this process or one before it; null: nobody was told anything. */
  get latest(): Tick | null {
    return this.#told?.asOf ?? null;
  }

  /** The barrier it was the stamp of. */
  get barrier(): Barrier | null {
    return this.#told?.barrier ?? null;
  }

  /**
   * What to tell a reader now; null when that cannot be said.
   * @param current as of which it can be read; not earlier than `latest`
   */
  async tell(current: Barrier | null): Promise<Tick | null> {
    if (current === null) return this.latest;
    const behindMs = current.stamp.ms - (this.latest?.ms ?? 0);
    if (behindMs >= BEHIND_MS_MAX) {
      // One that is under way is of an earlier moment.
      await this.#writing;
      await this.#write(current);
    } else if (behindMs >= BEHIND_MS_MAX / 2) {
      void this.#write(current);
    }
    return this.latest;
  }

  /** Waits for the write that is under way: a site that has stopped writes nothing any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  /** One write at a time, shared by all who ask. Where it cannot be written, what was told before is told on. */
  #write(current: Barrier): Promise<void> {
    this.#writing ??= this.#replace(current).finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #replace(current: Barrier): Promise<void> {
    const { disk, logger } = this.#parts;
    if (this.#told !== null && compareTicks(current.stamp, this.#told.asOf) <= 0) return;
    try {
      await disk.makeFolder(FOLDER);
      // What was told outlives a power loss, so the folders it is in must too.
      if (this.#told === null) for (const folder of ['.', 'checkpoints']) await disk.syncFolder(folder);
      const told = { asOf: current.stamp, barrier: current };
      await writeState(disk, pathOf(this.#keyspace), told);
      this.#told = told;
      this.#isFailing = false;
    } catch (error) {
      const message = `keyspace ${this.#keyspace}: readers are told an older asOf: ${messageOf(error)}`;
      if (!this.#isFailing) logger.warn({ keyspace: this.#keyspace }, message);
      this.#isFailing = true;
    }
  }
}
