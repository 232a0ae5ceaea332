/** The lines between places: how long a message takes, and whether it arrives at all. Each direction on its own. */

import { Fault } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import type { Scheduler } from './scheduler.ts';

const WITHIN_MS = 0.3;
/** How long who asks another site's log waits before it gives up. */
const GIVE_UP_MS = 2_000;

/** Messages of one site about some path take longer. */
export type Lateness = { readonly site: string; readonly of: string; readonly ms: () => number };

export class Links {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  /** `from>to` → how many faults cut it. */
  readonly #cuts = new Map<string, number>();
  /** What makes some messages late now. */
  readonly lateness = new Set<Lateness>();
  /** Slowest a message takes between two sites, in ms. */
  slowMs = 40;
  /** Of messages between two places, the share that is lost. */
  lossRate = 0;

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  cut(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  mend(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, Math.max(0, (this.#cuts.get(key) ?? 0) - 1));
  }

  isCut(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  /** How long the next message takes. @param of the path it is about */
  ms(from: string, to: string, of = ''): number {
    let lateMs = 0;
    for (const late of this.lateness)
      if ((late.site === from || late.site === to) && of.startsWith(late.of)) lateMs += late.ms();
    return lateMs + (from === to ? WITHIN_MS : integerBetween(this.#random, 5, this.slowMs));
  }

  /** Takes a message over. @returns false when it is lost, which nobody is told */
  async carry(from: string, to: string, of = ''): Promise<boolean> {
    const lost = this.isCut(from, to) || (from !== to && this.lossRate > 0 && this.#random.fraction() < this.lossRate);
    await this.#scheduler.sleep(this.ms(from, to, of));
    return !lost && !this.isCut(from, to);
  }

  /** Takes a message over a connection that sends again until it arrives, or `signal` aborts. */
  async carrySurely(from: string, to: string, signal: AbortSignal): Promise<void> {
    await this.#scheduler.sleep(this.ms(from, to));
    while ((this.isCut(from, to) || this.isCut(to, from)) && !signal.aborted) await this.#scheduler.sleep(100);
  }

  /**
   * One request to another site's log and its answer.
   * @throws {Fault} `unavailable`: it did not get there. `unknown`: its answer did not come back.
   */
  async call<T>(from: string, to: string, work: () => Promise<T>): Promise<T> {
    if (from === to) return work();
    if (!(await this.carry(from, to))) await this.#giveUp('unavailable', to);
    const settled = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if (!(await this.carry(to, from))) await this.#giveUp('unknown', to);
    if ('error' in settled) throw settled.error;
    return settled.value;
  }

  async #giveUp(kind: 'unavailable' | 'unknown', to: string): Promise<never> {
    await this.#scheduler.sleep(GIVE_UP_MS);
    throw new Fault(kind, `log of ${to}: no answer in ${GIVE_UP_MS} ms`);
  }
}
