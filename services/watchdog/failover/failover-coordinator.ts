/**
 * What a site does about a primary it suspects (protocol E10): asks the other voters, and when a majority has agreed for
 * long enough and it is this site's turn, nominates a candidate, or stores why that must not be. It never changes the
 * register itself.
 */

import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { newestTerm, type RegisterValue, type Term, voters } from '@tidemark/control/consensus/register-value';
import { type Agreement, type AgreementRules, agreementOf, mayAct } from '@tidemark/control/failover/agreement';
import { candidateFor } from '@tidemark/control/failover/election';
import {
  type BlockingReason,
  eligible,
  judgeFailover,
  noCandidate,
  type PolicyRules,
} from '@tidemark/control/failover/failover-policy';
import { goneAfterMs, type HealthVote, type SuspicionRules, silenceOf } from '@tidemark/control/failover/suspicion';
import type { Peer } from '@tidemark/peer/peer';
import { isAnswered } from '@tidemark/peer/told';
import type { Clock } from '@tidemark/platform/clock';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';

/** Longest wait for one site's copies or its answer to a nomination. */
const ASK_MS = 700;
/** A candidate that was nominated is given this long to be named in the register. */
const NOMINATED_MS = 4_000;

type FailoverCoordinatorParts = {
  readonly site: string;
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  /** A site's process that writes and mirrors. */
  readonly writerAt: (site: string) => Peer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  readonly healthVote: (keyspace: string) => HealthVote;
  readonly record: (decision: Decision) => void;
  readonly rules: SuspicionRules & AgreementRules & PolicyRules;
};

/** What is being decided: the register as it stands, and the term whose primary is suspected. */
type Case = { readonly value: RegisterValue; readonly term: Term };

/** The deliberations of one process, one at a time for each keyspace; blocking reasons are stored once per term. */
export class FailoverCoordinator {
  readonly #parts: FailoverCoordinatorParts;
  /** Keyspaces that are being deliberated. */
  readonly #busy = new Set<string>();
  /** Keyspace → the term and its blockingReasons that were told of: once for each cause. */
  readonly #told = new Map<string, { readonly epoch: number; readonly codes: Set<string> }>();
  /** Keyspace → the version somebody was nominated for, and when. */
  readonly #nominated = new Map<string, { readonly version: number; readonly atMs: number }>();

  constructor(parts: FailoverCoordinatorParts) {
    this.#parts = parts;
  }

  /** One round, unless one is under way; call it for as long as the primary is suspected. */
  async round(keyspace: string): Promise<void> {
    if (this.#busy.has(keyspace)) return;
    this.#busy.add(keyspace);
    try {
      await this.#round(keyspace);
    } finally {
      this.#busy.delete(keyspace);
    }
  }

  async #round(keyspace: string): Promise<void> {
    const { site, rules, clock } = this.#parts;
    const value = this.#parts.registerValue(keyspace);
    const term = value === null ? null : newestTerm(value);
    const own = this.#parts.healthVote(keyspace);
    if (value === null || term === null || !own.suspects || !voters(value).includes(site)) return;
    if (this.#isNominated(value)) return;
    const healthVotes = [own, ...(await this.#healthVotes({ value, term }))];
    const agreement = agreementOf(value, healthVotes, rules);
    const isAlone = agreement.isHopeless && own.sinceMs >= rules.suspicionStableMs;
    if (!mayAct(agreement, site) && !isAlone) return;
    const policy = judgeFailover(value, term.site, agreement.isHopeless, clock.nowMs(), rules);
    if (policy.kind === 'hindered') await this.#hindered({ value, term }, policy.blockingReason, healthVotes);
    if (policy.kind === 'go') await this.#nominate({ value, term }, agreement, healthVotes);
  }

  #isNominated({ keyspace, version }: RegisterValue): boolean {
    const last = this.#nominated.get(keyspace);
    return last?.version === version && this.#parts.clock.monotonicMs() - last.atMs < NOMINATED_MS;
  }

  async #healthVotes({ value, term }: Case): Promise<HealthVote[]> {
    const others = voters(value).filter((site) => site !== this.#parts.site && site !== term.site);
    const { watcherAt } = this.#parts;
    const told = await Promise.all(others.map((site) => watcherAt(site).healthVote(value.keyspace)));
    return told.flatMap(({ answer }, i) => (answer?.site === others[i] ? [answer] : []));
  }

  /** The best candidate of those that answer, and whom was asked. */
  async #candidate({
    value,
    term,
  }: Case): Promise<{ readonly site: string | null; readonly asked: readonly string[] }> {
    const { writerAt } = this.#parts;
    const asked = eligible(value, term.site, this.#parts.clock.nowMs(), this.#parts.rules);
    const answers = await Promise.all(asked.map((site) => writerAt(site).copies(value.keyspace, ASK_MS)));
    const copies = answers.flatMap(({ answer }) => (answer === null ? [] : [answer]));
    return { site: candidateFor(value, copies, term.site), asked };
  }

  async #nominate(the: Case, agreement: Agreement, healthVotes: readonly HealthVote[]): Promise<void> {
    const { clock, logger } = this.#parts;
    const { value, term } = the;
    const { keyspace, version } = value;
    const { site: candidate, asked } = await this.#candidate(the);
    if (candidate === null) return this.#hindered(the, noCandidate(value, term.site, asked), healthVotes);
    // It may have been heard while the others were asked.
    const own = this.#parts.healthVote(keyspace);
    if (!own.suspects || own.epoch !== term.epoch) return;
    const decision = this.#decision(the, agreement, healthVotes, candidate);
    const nomination = {
      cause: 'suspicion',
      reason: decision.words,
      version,
      loss: null,
      decisionId: decision.id,
    } as const;
    this.#nominated.set(keyspace, { version, atMs: clock.monotonicMs() });
    const told = await this.#parts.writerAt(candidate).nominate(keyspace, nomination, ASK_MS);
    if (told.fault === null) return this.#parts.record(decision);
    const reason = told.fault.message;
    logger.warn({ keyspace, candidate, reason }, `nominated ${candidate} for ${keyspace}: ${reason}`);
    // Without an answer it may stand for election all the same.
    if (!isAnswered(told)) this.#parts.record(decision);
    else this.#nominated.delete(keyspace);
  }

  #decision({ value, term }: Case, agreement: Agreement, healthVotes: readonly HealthVote[], to: string): Decision {
    const { site, clock, random, rules } = this.#parts;
    const { suspecting, need } = agreement;
    const all = voters(value).length;
    const silencesMs = healthVotes.filter((one) => one.suspects).map((one) => silenceOf(one.signs) ?? 0);
    return {
      ...NOTHING_ELSE,
      id: random.id(),
      atMs: clock.nowMs(),
      site,
      keyspace: value.keyspace,
      kind: 'failover',
      outcome: 'begun',
      rule: ruleOf(rules, need, all),
      from: term.site,
      to,
      saw: healthVotes.map(({ epoch: _, ...sighting }) => sighting),
      phases: [{ name: 'detection', ms: Math.round(Math.min(...silencesMs)) }],
      words: `${suspecting.join(' and ')} (${suspecting.length} of ${all} votes) agreed that ${term.site}, primary in epoch ${term.epoch}, is lost, and ${site} nominated ${to}`,
    };
  }

  /** Stores why nothing is done, once for each cause while the term lasts. */
  async #hindered(the: Case, blockingReason: BlockingReason, healthVotes: readonly HealthVote[]): Promise<void> {
    const { site, clock, random, record } = this.#parts;
    const { value, term } = the;
    const told = this.#told.get(value.keyspace);
    const codes = told?.epoch === term.epoch ? told.codes : new Set<string>();
    this.#told.set(value.keyspace, { epoch: term.epoch, codes });
    if (codes.has(blockingReason.code)) return;
    codes.add(blockingReason.code);
    const { kind, rule, words, remedy, wouldHavePrevented } = blockingReason;
    record({
      ...NOTHING_ELSE,
      id: random.id(),
      atMs: clock.nowMs(),
      site,
      keyspace: value.keyspace,
      kind,
      outcome: kind === 'refusal' ? 'refused' : 'done',
      rule,
      from: term.site,
      to: kind === 'refusal' ? null : (await this.#candidate(the)).site,
      saw: healthVotes.map(({ epoch: _, ...sighting }) => sighting),
      words,
      remedy,
      wouldHavePrevented,
    });
  }

  /** The primary is heard again: should it fall silent once more, that is told anew. */
  forget(keyspace: string): void {
    this.#told.delete(keyspace);
  }
}

function ruleOf(rules: SuspicionRules & AgreementRules, need: number, all: number): string {
  const [after, gone, stable] = [rules.suspectAfterMs, goneAfterMs(rules), rules.suspicionStableMs].map(
    (ms) => ms / 1_000,
  );
  return `a primary is taken for lost when ${need} of ${all} sites have heard neither a barrier, nor an answer to a probe, nor a heartbeat for more than ${after} s (${gone} s where its machine says that nobody listens there), and that stays so for ${stable} s`;
}
