/** Wakes those who wait for news, without losing what came just before the waiting began. */

import type { Clock } from '../clock.ts';

/** Counts the news; whoever waits says how many it knows of. */
export class Notifier {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  /** How often there was news: taken before looking at what it is about, and given to `after`. */
  get count(): number {
    return this.#count;
  }

  notify(): void {
    this.#count++;
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves once there was news more than `count` times, or when `signal` aborts. */
  after(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#count > count || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /** The same, or when `ms` are over. */
  async within(clock: Clock, ms: number, count: number, signal: AbortSignal): Promise<void> {
    if (this.#count > count) return;
    const woken = new AbortController();
    // With a reason of its own: the default one is an exception with a stack.
    const wake = (): void => woken.abort(null);
    this.#waiting.add(wake);
    await clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }
}
