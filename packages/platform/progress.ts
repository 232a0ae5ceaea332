/** Waiting until something has become true, with a deadline, without asking again and again on a timer. */

import type { Clock } from './clock.ts';

/** Waiters on conditions; whoever changes what conditions look at calls `tell`. */
export class Progress {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something has changed: everyone who waits looks again. */
  tell(): void {
    for (const look of this.#waiting) look();
  }

  /**
   * True as soon as `holds` does; false when it did not within `timeoutMs` or before `signal` aborted. What `holds`
   * throws, whoever made it look, is thrown to who waits.
   */
  async until(holds: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (holds()) return true;
    const over = new AbortController();
    const look = (): void => {
      try {
        if (holds()) over.abort();
      } catch {
        // It is asked once more below.
        over.abort();
      }
    };
    this.#waiting.add(look);
    try {
      const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
      await this.#clock.sleep(timeoutMs, either);
    } finally {
      this.#waiting.delete(look);
    }
    return holds();
  }
}
