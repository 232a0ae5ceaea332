/**
 * The promise a mirror gives to the origin's writer (protocol rule 12): for each partition the highest ackable position
 * stored here, cumulative. One JSON object a line, a new one whenever any has risen, and every second.
 */

import type { Position } from '@tidemark/model/position';
import type { Durable } from '@tidemark/peer/shapes';

/** Wakes everyone who waits, as often as it is told. */
export class Signal {
  #waiting: (() => void)[] = [];

  raise(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

type DurableSource = {
  readonly site: string;
  readonly logId: () => string;
  readonly positions: () => readonly Position[];
  readonly changed: Signal;
};

/** Lines without end, until `signal` aborts; `changed` is raised then too, and at least every second. */
export async function* durableLines(source: DurableSource, signal: AbortSignal): AsyncGenerator<string> {
  signal.addEventListener('abort', () => source.changed.raise(), { once: true });
  while (!signal.aborted) {
    const changed = source.changed.next();
    const positions = source.positions().map(({ epoch, seq }) => [epoch, seq] as const);
    const line: Durable = { site: source.site, logId: source.logId(), positions };
    yield `${JSON.stringify(line)}\n`;
    await changed;
  }
}
