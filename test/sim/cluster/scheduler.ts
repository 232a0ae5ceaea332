/**
 * The one clock and the one queue of a simulated run. Everything that waits, waits here: for a moment, and among equal
 * moments in the order in which the waiting began. So the same calls happen in the same order in every run.
 */

import { setImmediate as turn } from 'node:timers/promises';

/** Something that will happen; `cancel` keeps it from happening. */
export type Appointment = { cancel(): void };

type Event = { readonly atMs: number; readonly order: number; work: (() => void) | null };

export class Scheduler {
  /** Time since the run began, in ms with fractions. */
  nowMs = 0;
  /** How many things have happened. */
  count = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  /** Has `work` done `ms` from now. */
  after(ms: number, work: () => void): Appointment {
    const event: Event = { atMs: this.nowMs + Math.max(0, ms), order: this.#order++, work };
    this.#push(event);
    return {
      cancel: () => {
        event.work = null;
      },
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /**
   * Lets everything happen that is due until `holds` says so or `untilMs` is reached. After each event every promise
   * that can go on without waiting does so first: one turn of the event loop drains them all.
   * @returns true when `holds` ended it
   */
  async run(untilMs: number, holds: () => boolean = () => false): Promise<boolean> {
    await turn();
    for (;;) {
      if (holds()) return true;
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.work === null) continue;
      this.nowMs = next.atMs;
      this.count++;
      next.work();
      await turn();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
    return holds();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
