/**
 * Takes members back that lost something (protocol rule 22): the primary's process looks at each one in RECOVERING, and
 * when its copies hold every closed epoch end and everything committed, and its rows are equal to the primary's at equal
 * positions, the register counts it again. Nothing else makes a member count.
 */

import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { demoteMember, type Owner, readmitMember } from '@tidemark/control/consensus/register-changes';
import { type EpochEndAt, newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { isLevel } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { comparePositions } from '@tidemark/model/position';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import { ROUTES } from '@tidemark/peer/routes';
import { askTogether } from '@tidemark/peer/together';
import type { Clock } from '@tidemark/platform/clock';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import type { KeyspaceApplier } from '../applier.ts';
import type { Membership } from '../membership.ts';
import { COUNT_MS, compareSites } from '../read/compare.ts';

const LOOK_MS = 1_000;
/** How often members that count are asked whether their copies are still the ones the register lists. */
const IDENTITY_MS = 5_000;
const ASK_MS = 5_000;
/** A member that lags is looked at again soon, rather than waited for. */
const REACH_MS = 5_000;

type ReadmissionParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly membership: Membership;
  /** The keyspaces that run here. */
  readonly keyspaces: () => readonly string[];
  /** Null while its rows cannot be read here. */
  readonly applierOf: (keyspace: string) => KeyspaceApplier | null;
};

/** A keyspace that is written here: the register's value, and this process's term in it. */
type Led = { readonly value: RegisterValue; readonly owner: Owner };

/** A loop at the primary that moves members between RECOVERING and ACTIVE in the register. */
export class Readmission {
  readonly #parts: ReadmissionParts;
  /** Why a member is not taken back yet, as it was said last. */
  readonly #said = new Map<string, string>();
  readonly #sinceMs = new Map<string, number>();
  /** By keyspace and site: how long its next digest has. */
  readonly #countMs = new Map<string, number>();
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ReadmissionParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      const isTime = clock.monotonicMs() - this.#askedMs >= IDENTITY_MS;
      if (isTime) this.#askedMs = clock.monotonicMs();
      if (isTime) await this.#demoteAllChanged(signal);
      for (const keyspace of this.#parts.keyspaces()) if (!signal.aborted) await this.#look(keyspace, signal);
    }
  }

  /** The register's value and this process's term, while that is the newest and no election is open. */
  #term(keyspace: string): Led | null {
    const { membership } = this.#parts;
    const value = membership.registerValue(keyspace);
    const owner = membership.termOf(keyspace);
    if (value === null || value.election !== null || owner === null) return null;
    return newestTerm(value)?.writerId === owner.writerId ? { value, owner } : null;
  }

  /** Each member is asked once for all keyspaces that are written here. */
  async #demoteAllChanged(signal: AbortSignal): Promise<void> {
    const bySite = new Map<string, Map<string, Led>>();
    for (const keyspace of this.#parts.keyspaces()) {
      const term = this.#term(keyspace);
      for (const { site, state } of term?.value.members ?? []) {
        if (state !== 'ACTIVE') continue;
        const led = bySite.get(site) ?? new Map<string, Led>();
        bySite.set(site, led.set(keyspace, term!));
      }
    }
    for (const [site, led] of bySite) {
      const told = await askTogether([...led.keys()], (some) => this.#peer(site).allCopies(some));
      for (const [keyspace, copies] of told) {
        if (signal.aborted) return;
        await this.#demoteChanged(keyspace, site, led.get(keyspace)!, copies, signal);
      }
    }
  }

  /** A member whose topics are others than the register lists has lost something, whatever it says; or it says itself that it cannot follow. */
  async #demoteChanged(
    keyspace: string,
    site: string,
    { value, owner }: Led,
    { copies }: SiteCopies,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger, membership } = this.#parts;
    const { logIds } = value.members.find((member) => member.site === site)!;
    const other = copies.find(({ origin, logId }) => logId !== '' && logId !== logIds[origin]);
    const stranded = copies.find((copy) => copy.stranded != null)?.stranded ?? null;
    if (other === undefined && stranded === null) return;
    const reason =
      other === undefined
        ? stranded!
        : `its copy of ${other.origin} is ${other.logId}, the register lists ${logIds[other.origin] ?? 'none'}`;
    logger.warn({ keyspace, site, reason }, `keyspace ${keyspace}: ${site} does not count any more: ${reason}`);
    try {
      const changed = await membership
        .register(keyspace)
        .change((current, id) => demoteMember(current, id, owner, site), signal);
      if ('refused' in changed) return;
      this.#record(keyspace, site, {
        kind: 'demotion',
        ...(other === undefined
          ? {
              rule: 'a member that cannot follow the log does not count',
              remedy: 'bring back a site whose copy still has those records; from there it goes on by itself',
            }
          : {
              rule: 'what a topic of another identity says does not count',
              remedy: 'none is needed: it is filled again, compared, and counts again by itself',
            }),
        words: reason,
      });
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  #record(keyspace: string, to: string, decided: Pick<Decision, 'kind' | 'rule' | 'words'> & Partial<Decision>): void {
    const { membership, random, clock, site } = this.#parts;
    const head = { id: random.id(), atMs: clock.nowMs(), site, keyspace, outcome: 'done' } as const;
    membership.record({ ...NOTHING_ELSE, ...head, to, epoch: membership.termOf(keyspace)?.epoch ?? null, ...decided });
  }

  async #look(keyspace: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const term = this.#term(keyspace);
    if (term === null) return;
    const { value, owner } = term;
    for (const { site, state } of value.members) {
      const key = `${keyspace}/${site}`;
      if (state === 'ACTIVE') {
        this.#sinceMs.delete(key);
        this.#said.delete(key);
        continue;
      }
      if (!this.#sinceMs.has(key)) this.#sinceMs.set(key, clock.monotonicMs());
      const why = await this.tryOne(value, owner, site, signal).catch((error: unknown) => {
        if (!isFault(error)) throw error;
        return messageOf(error);
      });
      this.#say(key, keyspace, site, why);
    }
  }

  #say(key: string, keyspace: string, site: string, why: string | null): void {
    const { logger, clock, site: own } = this.#parts;
    if (why === null) {
      const tookMs = clock.monotonicMs() - (this.#sinceMs.get(key) ?? clock.monotonicMs());
      logger.info({ keyspace, site, tookMs }, `keyspace ${keyspace}: ${site} counts again`);
      this.#record(keyspace, site, {
        kind: 'return',
        rule: 'a member counts again when it holds every epoch end and everything committed, and its rows are equal',
        phases: [{ name: 'filled and compared', ms: Math.round(tookMs) }],
        words: `${site} holds what ${own} holds`,
      });
    } else if (this.#said.get(key) !== why) {
      logger.info({ keyspace, site, why }, `keyspace ${keyspace}: ${site} does not count yet: ${why}`);
      this.#said.set(key, why);
    }
  }

  /** @returns why the site does not count yet; null: it does now. @throws {Fault} whatever asking the register does */
  async tryOne(value: RegisterValue, owner: Owner, site: string, signal: AbortSignal): Promise<string | null> {
    const { site: own, random, membership, applierOf } = this.#parts;
    const { keyspace } = value;
    const applier = applierOf(keyspace);
    if (applier === null || applier.readGate.refusal !== null) return `${own} itself is being built again`;
    const before = await this.#copiesOf(keyspace, site);
    if (typeof before === 'string') return before;
    // A first look, that costs little: what is far behind need not be compared.
    const early = await this.#committed(applier, keyspace, signal);
    if (typeof early === 'string') return early;
    if (!isLevel(value, before, early)) return `${site} does not hold everything yet`;
    const { partitions } = applier.stores.keyspace;
    // The primary itself is compared with who counts.
    const others = value.members.filter((one) => one.site !== own && one.state === 'ACTIVE').map((one) => one.site);
    const sites = [own, ...(site === own ? others : [site])];
    const key = `${keyspace}/${site}`;
    const countMs = this.#countMs.get(key) ?? COUNT_MS;
    const asked = { keyspace, partitions, sites, reachMs: REACH_MS, countMs };
    const { equal, verdicts } = await compareSites({ network: membership.network, random, signal }, asked);
    const isCut = verdicts.some(({ verdict }) => verdict === 'UNREACHABLE');
    this.#countMs.set(key, isCut ? Math.min(2 * countMs, ROUTES.held.timeoutMs) : COUNT_MS);
    const other = verdicts.find(({ verdict }) => verdict !== 'MATCH');
    if (!equal) return `partition ${other?.partition} of ${other?.site} is ${other?.verdict}: ${other?.detail}`;
    const late = await this.#committed(applier, keyspace, signal);
    if (typeof late === 'string') return late;
    const after = await this.#copiesOf(keyspace, site);
    if (typeof after === 'string') return after;
    if (!isLevel(value, after, late)) return `${site} does not hold everything yet`;
    const logIds = Object.fromEntries(after.copies.map(({ origin, logId }) => [origin, logId]));
    const member = { site, state: 'ACTIVE', logIds } as const;
    const changed = await membership
      .register(keyspace)
      .change((current, id) => readmitMember(current, id, owner, member), signal);
    return 'refused' in changed ? changed.refused : null;
  }

  /**
   * How far the newest term is committed now, with the chains there; waits until it is applied here, as only then the
   * chains are known. @returns why it is not, in words
   */
  async #committed(applier: KeyspaceApplier, keyspace: string, signal: AbortSignal): Promise<EpochEndAt[] | string> {
    const { site: own, membership } = this.#parts;
    const committed = membership.committedOf(keyspace);
    if (committed === null) return `${own} does not write any more`;
    const readers = applier.origins.readers(own);
    const isThere = (): boolean => {
      return committed.every((at, p) => at.seq < 0 || comparePositions(readers[p]!.place?.logHead ?? NOT_YET, at) >= 0);
    };
    if (!(await applier.progress.until(isThere, ASK_MS, signal))) return `${own} has not applied what is committed`;
    return readers.map((reader, p) => {
      const logHead = reader.place?.logHead;
      const isOfTerm = logHead !== undefined && logHead.epoch === committed[p]!.epoch;
      return isOfTerm ? { seq: logHead.seq, chain: logHead.chain } : { seq: -1, chain: '' };
    });
  }

  #peer(site: string): Peer {
    return new Peer(this.#parts.membership.network, placeOf(site));
  }

  async #copiesOf(keyspace: string, site: string): Promise<SiteCopies | string> {
    const { answer, fault } = await this.#peer(site).copies(keyspace);
    return answer ?? messageOf(fault);
  }
}

const NOT_YET = { epoch: 0, seq: -1 };
