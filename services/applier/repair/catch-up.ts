/**
 * A site whose topics were lost or cut short fills them again from the other sites: of each closed term everything up
 * to its epoch end, oldest first. What the newest term writes its mirrors copy by themselves, and mostly the rest too; but the
 * origin of a closed term may be gone for good, and into a site's own log nobody copies.
 */

import { newestTerm, type RegisterValue, type Term } from '@tidemark/control/consensus/register-value';
import { reachesEnds } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import { askTogether } from '@tidemark/peer/together';
import type { Clock } from '@tidemark/platform/clock';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Membership } from '../membership.ts';

const LOOK_MS = 2_000;

type CatchUpParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly membership: Membership;
  readonly keyspaces: () => readonly string[];
};

/** The oldest closed term that the copies do not hold whole; null when there is none. Pure. */
function nextToFill(value: RegisterValue, { copies }: SiteCopies): Term | null {
  const missing = value.terms.find(({ site, epoch, epochEnds }) => {
    const copy = copies.find(({ origin }) => origin === site);
    return epochEnds !== null && copy !== undefined && !reachesEnds(epoch, epochEnds, copy.positions);
  });
  return missing ?? null;
}

/** A loop that fills this site's copies from other sites' until nothing up to a known epoch end is missing. */
export class CatchUp {
  readonly #parts: CatchUpParts;
  /** Keyspace → what was missing of which copy at the last look. */
  readonly #seen = new Map<string, string>();

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(LOOK_MS, signal);
      const due = this.#parts.keyspaces().filter((keyspace) => this.#valueOf(keyspace) !== null);
      const told = await askTogether(due, (some) => this.#own.allCopies(some));
      for (const keyspace of due) {
        try {
          for (
            let copies = told.get(keyspace);
            !signal.aborted && (await this.look(keyspace, copies));
            copies = undefined
          );
        } catch (error) {
          if (!isFault(error)) throw error;
          this.#parts.logger.warn({ keyspace }, `keyspace ${keyspace}: not filled yet: ${messageOf(error)}`);
        }
      }
    }
  }

  /** True when the copy has not moved since the last look: a member that merely lags catches up by itself. */
  #stoodStill(keyspace: string, { site: origin, epoch }: Term, { copies }: SiteCopies): boolean {
    const now = JSON.stringify([epoch, copies.find((copy) => copy.origin === origin)?.positions]);
    const before = this.#seen.get(keyspace);
    this.#seen.set(keyspace, now);
    return before === now;
  }

  get #own(): Peer {
    const { site, membership } = this.#parts;
    return new Peer(membership.network, placeOf(site));
  }

  /** The register's value, where there may be something to fill; else null. */
  #valueOf(keyspace: string): RegisterValue | null {
    const { site, membership } = this.#parts;
    const value = membership.registerValue(keyspace);
    // A candidate fills what it needs itself, and a primary has it.
    if (value === null || value.election !== null || newestTerm(value)?.site === site) return null;
    return value.members.some((one) => one.site === site) ? value : null;
  }

  /**
   * @param told what its copies hold, where it was asked already
   * @returns whether something was filled to its end, so that there may be more. @throws {Fault} why there is no answer
   */
  async look(keyspace: string, told?: SiteCopies): Promise<boolean> {
    const { site, logger } = this.#parts;
    const value = this.#valueOf(keyspace);
    if (value === null) return false;
    const own = this.#own;
    const { answer: copies, fault } = told === undefined ? await own.copies(keyspace) : { answer: told, fault: null };
    // The keyspace is not followed here yet.
    if (fault?.kind === 'unavailable') return false;
    if (fault !== null) throw fault;
    const term = nextToFill(value, copies);
    const isStill = term !== null && this.#stoodStill(keyspace, term, copies);
    const isActive = value.members.some((one) => one.site === site && one.state === 'ACTIVE');
    if (term === null || (isActive && !isStill)) return false;
    const from = value.members.map((one) => one.site).filter((name) => name !== site);
    const asked = { origin: term.site, epoch: term.epoch, epochEnds: term.epochEnds!, from };
    logger.info({ keyspace, epoch: term.epoch }, `keyspace ${keyspace}: filling epoch ${term.epoch} of ${term.site}`);
    const filled = await own.fill(keyspace, asked);
    if (filled.fault !== null) throw filled.fault;
    return filled.answer.complete;
  }
}
