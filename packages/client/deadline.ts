/** A limit on waiting that can be pushed on: the signal aborts once `ms` pass without a `restart`. */

import type { Clock } from '@tidemark/platform/clock';

/** One wait that ends `ms` after the last `restart`, by the monotonic clock; disposing it stops the timer. */
export class Deadline implements Disposable {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #expired = new AbortController();
  readonly #done = new AbortController();
  #atMs: number;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
    this.#atMs = clock.monotonicMs() + ms;
    void this.#watch();
  }

  /** Aborts when the time is up, and never after the deadline was disposed. */
  get signal(): AbortSignal {
    return this.#expired.signal;
  }

  get expired(): boolean {
    return this.#expired.signal.aborted;
  }

  /** Something came: the time starts anew. */
  restart(): void {
    this.#atMs = this.#clock.monotonicMs() + this.#ms;
  }

  [Symbol.dispose](): void {
    // With a reason of its own: the default one is an exception with a stack, for every request.
    this.#done.abort(null);
  }

  async #watch(): Promise<void> {
    for (;;) {
      const leftMs = this.#atMs - this.#clock.monotonicMs();
      if (leftMs <= 0) break;
      await this.#clock.sleep(leftMs, this.#done.signal);
      if (this.#done.signal.aborted) return;
    }
    this.#expired.abort();
  }
}
