/**
 * What the other sites say of this site's control topic when it begins again: it may be an older copy of what it was, and
 * nothing in it tells. Then votes that it cast are gone from it.
 */

import { newcomersNeed } from '@tidemark/control/consensus/proposer';
import type { ControlEnd } from '@tidemark/control/consensus/vouching';
import { topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Logger } from '@tidemark/platform/logger';
import { isSuccessor, rootOf } from '@tidemark/record/log-identity';

const LOOK_MS = 50;
/** Who went without a word of the site for longer than this may have missed a vote: less than for a copy, as one is enough. */
export const FRESH_VOTE_MS = 1_000;
/** How long all other sites are given to say what they remember, where some have said enough. */
const TOLD_MS = 1_500;
/** So long an acceptor waits for enough of them: a site that is away for good must not keep others from voting. */
const UNVOUCHED_MS = 20_000;

type TestimonyParts = {
  readonly site: string;
  /** How many sites there are. */
  readonly sites: number;
  /** How many of the others have told what they remember of this one's control topic. */
  readonly toldBy: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** What was said so far, by all others together. */
export class Testimony {
  readonly #parts: TestimonyParts;
  /** The furthest that another site remembers the topic to have gone; null: none does. */
  #furthest: (ControlEnd & { readonly by: string }) | null = null;
  /** Where the topic ended for somebody who was in touch until just before this process began. */
  #fresh: ControlEnd | null = null;

  constructor(parts: TestimonyParts) {
    this.#parts = parts;
  }

  get furthest(): (ControlEnd & { readonly by: string }) | null {
    return this.#furthest;
  }

  /**
   * @param gapMs as in `judgeCopy`
   * @returns whether it goes further than all that was said before
   */
  hear(by: string, told: ControlEnd, gapMs: number | null): boolean {
    if (gapMs !== null && gapMs <= FRESH_VOTE_MS) this.#fresh = told;
    if (told.end <= (this.#furthest?.end ?? 0)) return false;
    this.#furthest = { ...told, by };
    return true;
  }

  /** Whether another site remembers more of the acceptor's topic than was there when it was opened. */
  isOlder(acceptor: string, openedAt: number): boolean {
    const told = this.#furthest;
    if (told === null || rootOf(told.acceptor) !== rootOf(acceptor) || isSuccessor(told.acceptor, acceptor))
      return false;
    return isSuccessor(acceptor, told.acceptor) || told.end > openedAt;
  }

  /**
   * Waits for the others. Where none of those that answer was in touch until just before, what the acceptor promised may be
   * known to the silent ones alone: with fewer than so many that every majority has one of them it waits, but not for ever.
   *
   * @param acceptor null: the topic has none yet, and nothing was promised
   */
  async wait(acceptor: string | null, openedAt: number, signal: AbortSignal): Promise<void> {
    const { site, sites, toldBy, clock, logger } = this.#parts;
    const sinceMs = clock.monotonicMs();
    const isEnough = (): boolean =>
      acceptor === null ||
      toldBy() >= newcomersNeed(sites) ||
      (this.#fresh?.acceptor === acceptor && this.#fresh.end <= openedAt);
    for (let isSaid = false; toldBy() < sites - 1 && !signal.aborted; ) {
      const forMs = clock.monotonicMs() - sinceMs;
      if (forMs >= UNVOUCHED_MS || (forMs >= TOLD_MS && isEnough())) break;
      if (forMs >= TOLD_MS && !isSaid)
        logger.warn({ acceptor }, `the acceptor of ${site} does not vote yet: ${this.lacking}`);
      isSaid ||= forMs >= TOLD_MS;
      await clock.sleep(LOOK_MS, signal);
    }
    if (sites === 1 || isEnough() || signal.aborted) return;
    logger.error({ acceptor }, `the acceptor of ${site} votes after ${UNVOUCHED_MS} ms, though ${this.lacking}`);
  }

  /** Why it is not known that the topic is not an older copy, in words. */
  get lacking(): string {
    const { sites, toldBy } = this.#parts;
    const who = `no site that was in touch until it began again says that ${topicNames.control} is not an older copy`;
    return `${who}, and of ${newcomersNeed(sites)} others that would know together ${toldBy()} answered`;
  }
}
