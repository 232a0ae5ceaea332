/** What a candidate asks of the members, over HTTP and, where only a log is left, of that (protocol E3, E6). */

import {
  type Election,
  type EpochEndAt,
  newestTerm,
  type RegisterValue,
  type Term,
} from '@tidemark/control/consensus/register-value';
import { askedAgain, closureOf, type FenceReport } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import type { Log } from '@tidemark/log/log';
import type { Keyspace } from '@tidemark/model/table';
import { Peer } from '@tidemark/peer/peer';
import type { FenceAsked } from '@tidemark/peer/shapes';
import type { Told } from '@tidemark/peer/told';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import { within } from '@tidemark/platform/sync/deadline';
import { fenceDirectly } from './direct-fence.ts';

const ASK_MS = 3_000;
/** A member that answers at all answers in so much time; one that is cut off keeps nobody waiting. */
const HOLDINGS_MS = 700;

/** How a candidate reaches the members. */
type MembersParts = {
  /** This site. */
  readonly site: string;
  readonly keyspace: Keyspace;
  readonly cluster: string;
  /** The other sites' logs. */
  readonly remotes: ReadonlyMap<string, Log>;
  readonly network: Network;
  /** Where a site's HTTP is, this site's included. */
  readonly placeOf: (site: string) => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

/** The members of one keyspace during one election; a question that is not answered gives null and does not fail. */
export class Members {
  readonly #parts: MembersParts;
  readonly #signal: AbortSignal;

  constructor(parts: MembersParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Null when it does not answer, or says no. */
  async ask<T>(site: string, question: (peer: Peer, keyspace: string) => Promise<Told<T>>): Promise<T | null> {
    const { network, placeOf, keyspace, logger } = this.#parts;
    const { answer, fault } = await question(new Peer(network, placeOf(site)), keyspace.name);
    if (fault !== null) logger.info({ site, error: fault.message }, `election: ${site} gives no answer`);
    return answer;
  }

  /** E3: asks those whose report is missing, or may be another one by now; returns when all have answered, or enough have to go on. */
  async fenceAll(value: RegisterValue, election: Election, reports: Map<string, FenceReport>): Promise<void> {
    const { random, clock } = this.#parts;
    const term = newestTerm(value);
    const again = askedAgain(value, [...reports.values()]);
    const asked = value.members.map(({ site }) => site).filter((site) => !reports.has(site) || again.includes(site));
    const nonce = random.id();
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    const answered = new AbortController();
    let left = asked.length;
    const asking = asked.map(async (site) => {
      const report =
        term === null
          ? await this.#whole(site)
          : ((await this.ask(site, (peer, keyspace) => peer.fence(keyspace, fenceOf(term, election, nonce)))) ??
            (await this.#direct(value, election, site)));
      if (report !== null) reports.set(site, report);
      if (--left === 0) answered.abort(null);
      const closure = closureOf(value, [...reports.values()]);
      if (closure.kind !== 'lossless' || closure.by === 'first') return;
      if (closure.by === 'quorum' || value.ack.k === 0) return resolve();
      // The origin's own word closes it; but should its log have lost its end unnoticed, the others know of more.
      await clock.sleep(HOLDINGS_MS, AbortSignal.any([answered.signal, this.#signal]));
      resolve();
    });
    await Promise.race([Promise.all(asking), enough]);
    answered.abort(null);
  }

  /** Whose processes are gone may have left a log that can be reached. */
  async #direct(value: RegisterValue, { epoch: by }: Election, site: string): Promise<FenceReport | null> {
    const { remotes, cluster, keyspace, clock, random, logger } = this.#parts;
    const term = newestTerm(value);
    const log = remotes.get(site);
    if (term === null || site !== term.site || log === undefined) return null;
    const own = await this.copies(this.#parts.site);
    const logIds = value.members.find((member) => member.site === site)?.logIds ?? {};
    if (own === null) return null;
    const fence = { term, log, own, logIds, k: value.ack.k, by, nonce: random.id(), nowMs: clock.nowMs() };
    try {
      return await fenceDirectly({ cluster, keyspace: keyspace.name, ...fence });
    } catch (error) {
      if (!isFault(error)) throw error;
      logger.info({ site, error: error.message }, `election: the log of ${site} could not be fenced from here`);
      return null;
    }
  }

  /** Before the first term there is nothing to fence: a member says what its topics are. */
  async #whole(site: string): Promise<FenceReport | null> {
    const answer = await this.copies(site);
    if (answer === null || answer.copies.some(({ logId }) => logId === '')) return null;
    const logIds = Object.fromEntries(answer.copies.map(({ origin, logId }) => [origin, logId]));
    return { site, origin: site, logId: logIds[site] ?? '', trusted: true, partitions: [], logIds, vouched: null };
  }

  /** What its copies hold; null when it does not answer. */
  async copies(site: string): Promise<SiteCopies | null> {
    return this.ask(site, (peer, keyspace) => peer.copies(keyspace, ASK_MS));
  }

  /** What the sites hold: of all of them, of those that answer soon, or of as many as are enough. */
  async holdings(sites: readonly string[], isEnough: (some: readonly SiteCopies[]) => boolean): Promise<SiteCopies[]> {
    const heard: SiteCopies[] = [];
    const enough = Promise.withResolvers<void>();
    const all = sites.map(async (site) => {
      const answer = await this.copies(site);
      if (answer !== null) heard.push(answer);
      if (answer !== null && isEnough(heard)) enough.resolve();
    });
    const told = Promise.race([Promise.all(all), enough.promise]);
    await within(this.#parts.clock, HOLDINGS_MS, told, this.#signal);
    return [...heard];
  }

  /** Has a site copy up to every epoch end, oldest first, from whoever answered. */
  async fill(
    value: RegisterValue,
    epochEnds: readonly EpochEndAt[],
    site: string,
    sites: readonly string[],
  ): Promise<void> {
    const from = [...new Set(sites)].filter((one) => one !== site);
    for (const term of value.terms) {
      const fill = { origin: term.site, epoch: term.epoch, epochEnds: term.epochEnds ?? epochEnds, from };
      await this.ask(site, (peer, keyspace) => peer.fill(keyspace, fill));
    }
  }
}

function fenceOf(term: Term, { epoch: by }: Election, nonce: string): FenceAsked {
  return { origin: term.site, closes: term.epoch, by, nonce };
}
