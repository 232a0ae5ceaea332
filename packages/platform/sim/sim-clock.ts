/** A clock that moves only when told to: for tests and the simulator. Sleepers wake in the order of their deadlines. */

import type { Clock } from '../clock.ts';

type Sleeper = { readonly atMs: number; readonly order: number; readonly wake: () => void };

export class SimClock implements Clock {
  #elapsedMs = 0;
  #sleepers: Sleeper[] = [];
  #order = 0;
  /** Added to wall time only; set it to make a site's clock wrong. */
  skewMs = 0;
  readonly #startMs: number;

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + Math.floor(this.#elapsedMs) + this.skewMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        atMs: this.#elapsedMs + Math.max(0, ms),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((s) => s !== sleeper);
        sleeper.wake();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** The elapsed time at which the next sleeper wakes, or null when nobody sleeps. */
  nextWakeMs(): number | null {
    return this.#sleepers.reduce<number | null>((min, s) => (min === null || s.atMs < min ? s.atMs : min), null);
  }

  /** Moves time on by `ms`, waking each sleeper at its own moment and letting it run before the next one wakes. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    for (;;) {
      await settle();
      const due = this.#sleepers.filter((s) => s.atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#sleepers = this.#sleepers.filter((s) => s !== due);
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs);
      due.wake();
    }
    this.#elapsedMs = endMs;
    await settle();
  }
}

/** Lets every promise that can make progress without time passing do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
