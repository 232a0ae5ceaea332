/**
 * Listens for the primary of every keyspace and keeps this site's healthVote of it: probes the other sites, takes in what the
 * mirror and the heartbeat stores heard, and ticks. What follows from the signs is decided in `packages/control`; what is done about
 * it is in `failover-coordinator.ts`.
 */

import { newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import {
  type ClockState,
  clockDoubt,
  clockInWords,
  clockTrouble,
  NO_CLOCK,
  stepClock,
} from '@tidemark/control/failover/clock-watch';
import {
  type HealthVote,
  healthVoteOf,
  type SuspicionEvent,
  type SuspicionRules,
  type SuspicionState,
  startSuspicion,
  stepSuspicion,
  voteOnItself,
} from '@tidemark/control/failover/suspicion';
import type { Keyspace } from '@tidemark/model/table';
import type { Peer } from '@tidemark/peer/peer';
import { ROUTES } from '@tidemark/peer/routes';
import type { Word } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import type { Logger } from '@tidemark/platform/logger';
import { isTurnedAway } from '@tidemark/platform/network';
import { LoopLag } from '@tidemark/platform/process/loop-lag';
import { ProbeCounts } from './probe-counts.ts';

/** The newest BARRIER of an origin that the mirror here read: of which epoch, and when, on this process's clock. */
export type HeardBarrier = {
  readonly epoch: number;
  readonly heardMs: number;
  /** How old its stamp was then, by this site's wall clock. */
  readonly ageMs: number;
};

type FailureDetectorParts = {
  readonly site: string;
  /** Every site of the cluster. */
  readonly sites: readonly string[];
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly keyspaces: () => readonly Keyspace[];
  /** The newest value known here of a keyspace's register; null before it was read. */
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  /** Null: none was read yet. Undefined: there is no copy of that origin's log in this process. */
  readonly barrier: (keyspace: string, origin: string) => HeardBarrier | null | undefined;
  /** When a new beat of the site's writer last arrived, on this process's clock; null: none was seen to change. */
  readonly beatHeardMs: (site: string) => number | null;
  /** Told at every tick of a keyspace whose primary this site suspects. It must return at once. */
  readonly onSuspicion: (keyspace: string) => void;
  /** Told once a primary that was suspected is heard again. */
  readonly onHeard: (keyspace: string) => void;
  /** Of this process; whoever is probed sees by it that it is a new one. */
  readonly process: string;
  /** Told what a site that answers says. */
  readonly onWord: (site: string, word: Word) => void;
  readonly rules: SuspicionRules;
};

type Judged = { state: SuspicionState; primary: string };

/** The suspicion and the clock watch of one process, for all keyspaces; `run` feeds them until it is stopped. */
export class FailureDetector {
  readonly probes = new ProbeCounts();
  /** Sites whose last probe got no answer, or another site's. */
  readonly #unanswered = new Set<string>();
  readonly #parts: FailureDetectorParts;
  readonly #judged = new Map<string, Judged>();
  readonly #underWay = new Map<string, number>();
  #clockState: ClockState = NO_CLOCK;
  /** When the others began to be asked; null: not yet. */
  #sinceMs: number | null = null;

  constructor(parts: FailureDetectorParts) {
    this.#parts = parts;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, site, sites, rules } = this.#parts;
    // Of its own: the other one is asked, and so emptied, by the heartbeat.
    using loopLag = new LoopLag(clock);
    const others = sites.filter((one) => one !== site);
    this.#sinceMs = clock.monotonicMs();
    const probing = new Set<Promise<void>>();
    while (!signal.aborted) {
      for (const other of others) {
        const probe = this.#probe(other, signal).finally(() => probing.delete(probe));
        probing.add(probe);
      }
      this.#clockState = stepClock(this.#clockState, this.#now());
      this.#tickAll(loopLag.takeMaxMs());
      for (const [keyspace, { state }] of this.#judged) if (state.suspects) this.#parts.onSuspicion(keyspace);
      await clock.sleep(rules.tickEveryMs, signal);
    }
    await Promise.all(probing);
  }

  #now(): { readonly kind: 'tick'; readonly wallMs: number; readonly nowMs: number } {
    const { clock } = this.#parts;
    return { kind: 'tick', wallMs: clock.nowMs(), nowMs: clock.monotonicMs() };
  }

  /** Whether a site answered when it was asked last; true before that. */
  answers(site: string): boolean {
    return !this.#unanswered.has(site);
  }

  /** Asks a site for its ping; never rejects with what a network may do. */
  async #probe(site: string, signal: AbortSignal): Promise<void> {
    const { watcherAt, clock, rules, process, onWord } = this.#parts;
    const underWay = this.#underWay.get(site) ?? 0;
    const askedMs = clock.monotonicMs();
    this.#tell(site, { kind: 'asked', nowMs: askedMs });
    if (underWay >= ROUTES.ping.timeoutMs / rules.tickEveryMs) return;
    this.#underWay.set(site, underWay + 1);
    const { answer, fault } = await watcherAt(site).ping({ from: this.#parts.site, process });
    this.#underWay.set(site, (this.#underWay.get(site) ?? 1) - 1);
    if (signal.aborted) return;
    const ping = answer?.site === site ? answer : null;
    this.probes.count(site, ping !== null, clock.monotonicMs());
    if (ping === null) this.#unanswered.add(site);
    else this.#unanswered.delete(site);
    if (ping === null) {
      const isAway = fault !== null && isTurnedAway(fault);
      return this.#tell(site, { kind: 'unanswered', isTurnedAway: isAway, nowMs: clock.monotonicMs() });
    }
    if (ping.word !== null) onWord(site, ping.word);
    const { wallMs, nowMs } = this.#now();
    this.#tell(site, { kind: 'answered', nowMs });
    const told = { kind: 'told', site, timeMs: ping.timeMs, tookMs: nowMs - askedMs, wallMs, nowMs } as const;
    this.#clockState = stepClock(this.#clockState, told);
  }

  #tell(site: string, event: SuspicionEvent): void {
    for (const judged of this.#judged.values()) {
      if (judged.primary === site) judged.state = stepSuspicion(judged.state, event, this.#parts.rules).state;
    }
  }

  #tickAll(heldUpMs: number): void {
    for (const { name } of this.#parts.keyspaces()) this.#tick(name, heldUpMs);
  }

  /** Brings the judgement of a keyspace's primary up to now. */
  #tick(keyspace: string, heldUpMs: number): void {
    const { clock, site, registerValue, barrier, beatHeardMs, rules, logger } = this.#parts;
    const nowMs = clock.monotonicMs();
    const value = registerValue(keyspace);
    const term = value === null ? null : newestTerm(value);
    if (term === null || term.site === site) {
      this.#judged.delete(keyspace);
      return;
    }
    const judged = this.#judged.get(keyspace) ?? { state: startSuspicion(nowMs), primary: term.site };
    this.#judged.set(keyspace, judged);
    judged.primary = term.site;
    const take = (event: SuspicionEvent): void => {
      const { state, effects } = stepSuspicion(judged.state, event, rules);
      judged.state = state;
      for (const effect of effects) {
        if (effect.kind === 'hears') this.#parts.onHeard(keyspace);
        const reason = effect.kind === 'abstains' ? effect.reason : undefined;
        const message = `keyspace ${keyspace}: ${site} ${effect.kind} ${effect.kind === 'abstains' ? 'from judging ' : ''}its primary ${term.site}`;
        logger.warn({ keyspace, primary: term.site, epoch: term.epoch, reason }, message);
      }
    };
    const heard = barrier(keyspace, term.site);
    take({ kind: 'term', epoch: term.epoch, hasCopy: heard !== undefined, nowMs });
    if (heard != null) take({ kind: 'barrier', epoch: heard.epoch, nowMs: heard.heardMs });
    const beatMs = beatHeardMs(term.site);
    if (beatMs !== null) take({ kind: 'beat', nowMs: beatMs });
    take({ kind: 'tick', heldUpMs, nowMs });
  }

  /** This site's healthVote now: a process that was stopped notices it first. */
  healthVote(keyspace: string): HealthVote {
    const { clock, site, registerValue, rules } = this.#parts;
    this.#tick(keyspace, 0);
    const judged = this.#judged.get(keyspace);
    const nowMs = clock.monotonicMs();
    if (judged !== undefined) return healthVoteOf(site, judged.state, nowMs, rules);
    const value = registerValue(keyspace);
    const term = value === null ? null : newestTerm(value);
    return term === null ? healthVoteOf(site, startSuspicion(nowMs), nowMs, rules) : voteOnItself(site, term.epoch);
  }

  /** Why this site's wall clock is not to be trusted with stamps; null when it is. */
  clockTrouble(): string | null {
    return clockTrouble(stepClock(this.#clockState, this.#now()), this.#parts.clock.monotonicMs());
  }

  /** The same in a few words, for a status. */
  clockInWords(): string | null {
    return clockInWords(stepClock(this.#clockState, this.#now()), this.#parts.clock.monotonicMs());
  }

  /** Why no term should begin by this site's wall clock: what is wrong with it, or that nobody was asked yet. */
  clockDoubt(): string | null {
    const { sites } = this.#parts;
    const now = this.#now();
    const upMs = this.#sinceMs === null ? 0 : now.nowMs - this.#sinceMs;
    return clockDoubt(stepClock(this.#clockState, now), now.nowMs, sites.length - 1, upMs);
  }
}
