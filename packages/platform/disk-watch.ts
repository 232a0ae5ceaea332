/**
 * Looks once a second how much room is left on the medium of a folder. Below a reserve no new rows are taken, so that what
 * keeps a site in its cluster (its votes, barriers, copies and flushes) has room to the last.
 */

import type { Clock } from './clock.ts';
import type { Disk } from './disk.ts';
import { messageOf } from './fault.ts';
import type { Logger } from './logger.ts';

const LOOK_MS = 1_000;
/** Room above the reserve before rows are taken again, as a part of it: at the very edge nothing flaps. */
const SLACK = 0.1;
/** Of the medium, at most this part is kept free. */
const RESERVE_PART_MAX = 0.05;

/** Watches one disk from `start` until it is disposed; it logs when room runs short and when there is room again. */
export class DiskWatch implements AsyncDisposable {
  readonly #parts: { readonly disk: Disk; readonly clock: Clock; readonly logger: Logger };
  readonly #reserveBytes: number;
  readonly #stop = new AbortController();
  #trouble: string | null = null;
  #running: Promise<void> = Promise.resolve();

  /** @param reserveBytes bytes to keep free, on a small medium a twentieth of it */
  constructor(parts: { readonly disk: Disk; readonly clock: Clock; readonly logger: Logger }, reserveBytes: number) {
    this.#parts = parts;
    this.#reserveBytes = reserveBytes;
  }

  /** Why no rows are taken, with the bytes there are and the bytes that are kept; null when there is room. */
  get trouble(): string | null {
    return this.#trouble;
  }

  start(): void {
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.look();
      await clock.sleep(LOOK_MS, signal);
    }
  }

  /** Looks now. */
  async look(): Promise<void> {
    const { disk, logger } = this.#parts;
    try {
      const { freeBytes, totalBytes } = await disk.room();
      const reserve = Math.min(this.#reserveBytes, Math.floor(totalBytes * RESERVE_PART_MAX));
      const before = this.#trouble;
      const wanted = before === null ? reserve : reserve * (1 + SLACK);
      const isShort = freeBytes < wanted;
      this.#trouble = isShort
        ? `the disk has ${freeBytes} bytes free, ${reserve} are kept for what is under way`
        : null;
      if (isShort && before === null) logger.error({ freeBytes, reserve }, `no rows are taken: ${this.#trouble}`);
      if (!isShort && before !== null) logger.info({ freeBytes, reserve }, 'rows are taken again: the disk has room');
    } catch (error) {
      // What cannot be asked is not known to be short.
      logger.warn({ error: messageOf(error) }, 'how much room the disk has cannot be told');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
