/** Wakes somebody who waits for news, without losing a ring that came just before the waiting began. */

export class Bell {
  #rings = 0;
  #waiting: (() => void) | null = null;

  /** How often it has rung: taken before looking for news, and given to `after`. */
  get rings(): number {
    return this.#rings;
  }

  ring(): void {
    this.#rings++;
    const wake = this.#waiting;
    this.#waiting = null;
    wake?.();
  }

  /** Resolves once it has rung more than `rings` times, or when `signal` aborts. One waits at a time. */
  after(rings: number, signal: AbortSignal): Promise<void> {
    if (this.#rings > rings || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#waiting = null;
        resolve();
      };
      this.#waiting = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
