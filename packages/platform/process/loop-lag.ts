/**
 * How long this process's event loop kept others waiting: a process that cannot hear must not judge who is silent.
 * Measured by a sleeper that sees how late it is woken. (perf_hooks' histogram forgets the sample under way whenever it
 * is reset, and with it the hold-up that is being looked for.)
 */

import type { Clock } from '../clock.ts';

/** Sampling wakes the process this often, so it is coarse: what matters are hundreds of ms. */
const SAMPLE_MS = 100;

/** Samples until it is disposed; reading it gives the longest hold-up since the last reading. */
export class LoopLag implements Disposable {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #sleptAtMs = 0;
  #maxMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    void this.#sample();
  }

  async #sample(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#sleptAtMs = this.#clock.monotonicMs();
      await this.#clock.sleep(SAMPLE_MS, this.#stop.signal);
      this.#maxMs = Math.max(this.#maxMs, this.#lateMs());
    }
  }

  #lateMs(): number {
    return Math.max(0, this.#clock.monotonicMs() - this.#sleptAtMs - SAMPLE_MS);
  }

  /** The longest the loop was held up since this was last asked, also if it still is, in whole ms. */
  takeMaxMs(): number {
    const maxMs = Math.max(this.#maxMs, this.#lateMs());
    this.#maxMs = 0;
    return Math.round(maxMs);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
