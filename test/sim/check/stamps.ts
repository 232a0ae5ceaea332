/**
 * I13: the stamp of what a writer took is near the true time, which the simulator knows. A site whose clock was wrong from
 * its start cannot tell unless two others can be asked: its records are judged from when they could be, for as long as
 * its process lives. Nor can any site once half of all clocks were wrong together.
 */

import type { Envelope } from '@tidemark/record/envelope';
import type { SimProcess } from '../cluster/process.ts';
import { START_MS } from '../cluster/process-ports.ts';
import type { SimWorld } from '../world.ts';

/** A jump that shows within one process (1 s), and an offset that others tell (0.5 s and half of what an answer took). */
const WRONG_MS_MAX = 2_000;
/** So long two others must be in reach, so that a process that starts has asked them before it stands for election. */
const TOLD_MS = 2_500;
/** A probe is given up after a second. */
const SLOW_MS_MAX = 200;

export class Stamps {
  readonly #world: SimWorld;
  readonly #sinceMs = new Map<SimProcess, number>();
  readonly #told = new Set<SimProcess>();
  #isHalfWrong = false;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  /** Looks which processes can ask two others now. Call it every so often. */
  look(): void {
    const { scheduler } = this.#world;
    const wrong = this.#world.sites().filter((site) => site.isClockWrong);
    this.#isHalfWrong ||= 2 * wrong.length >= this.#world.siteNames.length;
    for (const { name, process } of this.#world.sites()) {
      if (process === null) continue;
      if (!this.#canAsk(name)) this.#sinceMs.delete(process);
      else if (!this.#sinceMs.has(process)) this.#sinceMs.set(process, scheduler.nowMs);
      else if (scheduler.nowMs - this.#sinceMs.get(process)! >= TOLD_MS) this.#told.add(process);
    }
  }

  #canAsk(site: string): boolean {
    const { links } = this.#world;
    const isEasy = links.lossRate === 0 && links.slowMs <= SLOW_MS_MAX && links.lateness.size === 0;
    if (!isEasy || this.#world.site(site).process?.isPaused !== false) return false;
    const others = this.#world.sites().filter(({ name, process }) => name !== site && process?.isPaused === false);
    return others.filter(({ name }) => !links.isCut(site, name) && !links.isCut(name, site)).length >= 2;
  }

  /**
   * A record was accepted for the first time, at its origin.
   * @param askedMs when its write was asked for; null: it is of no client
   */
  check({ origin, epoch, partition, seq, stampMs }: Envelope, askedMs: number | null): void {
    const { process } = this.#world.site(origin);
    this.look();
    if (this.#isHalfWrong || process === null || !this.#told.has(process)) return;
    const nowMs = this.#world.scheduler.nowMs;
    const aheadMs = stampMs - START_MS - nowMs;
    const behindMs = askedMs === null ? 0 : askedMs - (stampMs - START_MS);
    const wrongMs = Math.max(aheadMs, behindMs);
    if (wrongMs <= WRONG_MS_MAX) return;
    const side = aheadMs > behindMs ? 'ahead of' : 'behind';
    const where = `${epoch}:${seq} of ${origin}/${partition}`;
    this.#world.fail('I13', `the stamp of ${where} is ${Math.round(wrongMs)} ms ${side} the true time`);
  }
}
