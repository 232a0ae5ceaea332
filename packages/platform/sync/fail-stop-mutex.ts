/** Acts one at a time, in the order they were asked for. One that fails for good makes all after it fail. */

import { isFault } from '../fault.ts';

/** A queue of acts for one thing that must not be changed by two at once. */
export class FailStopMutex {
  #last: Promise<unknown> = Promise.resolve();
  #failure: unknown = null;

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** From now on every act fails with this. */
  fail(error: unknown): void {
    this.#failure = error;
  }

  /** @throws what an earlier act failed with for good. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Runs after all others. A fault `unavailable` has changed nothing and may be tried again; anything else is for good. */
  run<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      this.check();
      try {
        return await act();
      } catch (error) {
        if (!isFault(error, 'unavailable')) this.#failure = error;
        throw error;
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Waits for what was asked for so far, however it ends. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
