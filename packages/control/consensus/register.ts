/**
 * The register of one keyspace as this process reaches it: rounds over the network until the answer is known. It keeps
 * nothing: what it tells was read from a quorum, and what it changed was chosen by one (protocol rules 6 to 8).
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { Mutex } from '@tidemark/platform/sync/mutex';
import { type Ballot, compareBallots, formatBallot, NO_BALLOT } from './ballot.ts';
import { afterRound, beginChange, decideChange } from './change-progress.ts';
import {
  beginRound,
  type Decide,
  type Outcome,
  type Reading,
  type Round,
  type RoundEvent,
  readingOf,
  stepRound,
} from './proposer.ts';
import type { Change, Owner } from './register-changes.ts';
import { readmitAcceptor } from './register-changes.ts';
import { whyNotAfter } from './register-follows.ts';
import type { Accepted, RegisterAnswer, RegisterRequest } from './register-request.ts';
import { majorityOf, type RegisterValue, voters } from './register-value.ts';

/** What happened to a change: `value` is what the register held once it was in it, and that may have others on top. */
export type Changed = { readonly value: RegisterValue } | { readonly refused: string };

/** Makes the next value of the one read; called again when that one turns out not to be the newest. */
export type MakeChange = (value: RegisterValue, changeId: string) => Change;

/** The register of one keyspace, to read and change by a majority of all sites (protocol rules 6 to 8). */
export interface Register {
  /**
   * The value: nothing newer was chosen before this was called.
   * @throws {Fault} `unavailable`: too few sites whose votes count answered.
   */
  read(signal?: AbortSignal): Promise<RegisterValue>;
  /**
   * Makes one change, once.
   * @throws {Fault} `unavailable`: it was not made and will not be. `unknown`: it may have been, now or later; only after
   *   `SETTLE_MS` of asking, an abort of `signal`, or more changes by others than a value remembers.
   */
  change(make: MakeChange, signal?: AbortSignal): Promise<Changed>;
  /** Asks a majority to let the writer go on (rule 15); what it says held when this was called. */
  lease(owner: Owner): Promise<Lease>;
}

/** A majority's answer to a writer that asks whether it may go on (protocol rule 15). */
export type Lease = { readonly granted: boolean /** Why not; null when granted. */; readonly reason: string | null };

/** How long a change that may have been made is looked for. */
export const SETTLE_MS = 30_000;
/** How long rivals are put up with by a change that was not proposed yet, or by a read. */
const RIVALS_MS = 10_000;
const BACK_OFF_MS = 40;
const BACK_OFF_MS_MAX = 1_000;
/** How often a read asks again before it writes: what it saw half done is mostly done by then. */
const QUICK_READS = 3;

type VotedRegisterParts = {
  /** What the register holds before anything was chosen. */
  readonly initial: RegisterValue;
  /** The site this process is at. */
  readonly site: string;
  /** Asks a site's acceptor. Null: no answer in time, or none of an acceptor; it does not reject. */
  readonly ask: (site: string, request: RegisterRequest) => Promise<RegisterAnswer | null>;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of every value that was chosen, or was found to be; with its ballot, unless nothing was chosen yet. */
  readonly onChosen?: (value: RegisterValue, ballot: Ballot | null) => void;
};

/** The register over the network: one round at a time, by a proposer with ballots of its own. */
export class VotedRegister implements Register {
  readonly #parts: VotedRegisterParts;
  /** Fresh with every process, so that no ballot is used twice. */
  readonly #process: string;
  /** The highest ballot heard of. */
  #seen: Ballot = NO_BALLOT;
  /** The newest value that was chosen, as a quorum told this process. */
  #known: Accepted | null = null;
  /** One round after the other. */
  readonly #rounds = new Mutex();
  /** Site → identity its acceptor answered under the last time. */
  readonly #acceptors = new Map<string, string>();

  constructor(parts: VotedRegisterParts) {
    this.#parts = parts;
    this.#process = parts.random.id();
  }

  /** Site → identity under which its acceptor last answered this process. */
  get acceptors(): ReadonlyMap<string, string> {
    return this.#acceptors;
  }

  async read(signal?: AbortSignal): Promise<RegisterValue> {
    for (let attempt = 0; attempt < QUICK_READS; attempt++) {
      const reading = await this.#quickRead();
      if (reading.kind === 'chosen') return reading.value;
      if (reading.kind === 'silence') throw this.#unavailable(reading.why);
      await this.#backOff(attempt, signal);
      if (signal?.aborted === true) throw this.#unavailable('the read was given up');
    }
    using _turn = await this.#rounds.lock();
    return await this.#fullRead(signal);
  }

  async #quickRead(): Promise<Reading> {
    const { initial } = this.#parts;
    const answers = new Map<string, RegisterAnswer | null>();
    const reading = await this.#askAll<Reading>({ kind: 'read' }, (site, answer) => {
      answers.set(site, answer);
      const so = readingOf(initial, answers);
      return so.kind === 'waiting' ? undefined : so;
    });
    if (reading.kind === 'chosen') this.#chosen(reading.value, reading.ballot);
    return reading;
  }

  async #fullRead(signal: AbortSignal | undefined): Promise<RegisterValue> {
    const untilMs = this.#parts.clock.monotonicMs() + RIVALS_MS;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#round(() => 'as it is', null);
      if (outcome.kind === 'chosen') return outcome.value;
      // A value proposed again as it is changes nothing, chosen or not.
      if (outcome.kind === 'silence') throw this.#unavailable(outcome.why);
      if (this.#isOver(untilMs, signal))
        throw this.#unavailable(`rivals up to ballot ${formatBallot(outcome.promised)}`);
      await this.#backOff(attempt, signal);
    }
  }

  async change(make: MakeChange, signal?: AbortSignal): Promise<Changed> {
    using _turn = await this.#rounds.lock();
    return await this.#change(make, signal, null);
  }

  /**
   * Lets in the acceptor that answers at a site now, in place of the one that counted there; enough of the others
   * have to accept it (`newcomersNeed`). For an operator, who knows that the old one will not come back.
   * @throws {Fault} as `change`
   */
  async readmit(site: string, signal?: AbortSignal): Promise<Changed> {
    using _turn = await this.#rounds.lock();
    if (!voters(this.#parts.initial).includes(site)) return { refused: `${site} has no vote in it` };
    // Who it is counts, not what it has accepted: an acceptor that knows of no chosen value takes whatever somebody sends.
    const answer = await this.#parts.ask(site, { kind: 'read' });
    if (answer === null) throw this.#unavailable(`the acceptor of ${site} did not answer`);
    return await this.#change((value, id) => readmitAcceptor(value, id, site, answer.acceptor), signal, site);
  }

  async #change(make: MakeChange, signal: AbortSignal | undefined, replaces: string | null): Promise<Changed> {
    const { clock, random } = this.#parts;
    const startMs = clock.monotonicMs();
    let progress = beginChange(random.id());
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#round((value) => decideChange(progress, value, make), replaces);
      const end = afterRound(progress, outcome);
      if (end.kind === 'made') return { value: end.value };
      if (end.kind === 'refused') return { refused: end.refused };
      if (end.kind === 'forgotten') throw this.#unknown('too many others were made since to tell');
      progress = end.progress;
      const mayBeMade = progress.proposedAs !== null;
      if (!mayBeMade && outcome.kind === 'silence') throw this.#unavailable(outcome.why);
      if (this.#isOver(startMs + (mayBeMade ? SETTLE_MS : RIVALS_MS), signal)) {
        if (mayBeMade) throw this.#unknown('the sites did not answer long enough to tell');
        throw this.#unavailable('rivals were always faster');
      }
      await this.#backOff(attempt, signal);
    }
  }

  async lease({ epoch, writerId }: Owner): Promise<Lease> {
    const { initial } = this.#parts;
    const all = voters(initial);
    const granted = new Map<string, RegisterAnswer>();
    let refusal: string | null = null;
    let heard = 0;
    return this.#askAll<Lease>({ kind: 'lease', epoch, writerId }, (site, answer) => {
      heard++;
      if (answer?.ok === true) granted.set(site, answer);
      else refusal = answer?.reason ?? refusal;
      // Each goes by the value it accepted itself, and that one names the acceptors that count.
      const counted = [...granted].filter(([s, a]) => a.accepted?.value.acceptors[s] === a.acceptor);
      if (counted.length >= majorityOf(all.length)) return { granted: true, reason: null };
      if (heard < all.length) return undefined;
      return { granted: false, reason: refusal ?? `${counted.length} of ${all.length} sites answered` };
    });
  }

  /** One round with a ballot above all that was heard of. What it chose is told to every site. */
  async #round(decide: Decide, replaces: string | null): Promise<Outcome> {
    const { initial, site } = this.#parts;
    const ballot: Ballot = { counter: this.#seen.counter + 1, site, process: this.#process };
    this.#seen = ballot;
    const outcome = await this.#runRound(beginRound(initial, ballot, replaces), decide);
    if (outcome.kind === 'rival') this.#see(outcome.promised);
    if (outcome.kind !== 'chosen') return outcome;
    const { value } = outcome;
    this.#chosen(value, ballot);
    if (value.version > 0) void this.#tell({ kind: 'chosen', ballot, value });
    return outcome;
  }

  #runRound(begun: Round, decide: Decide): Promise<Outcome> {
    const sites = voters(begun.initial);
    const { ballot } = begun;
    return new Promise((resolve, reject) => {
      let round = begun;
      const send = (kind: RoundEvent['kind'], request: RegisterRequest): void => {
        for (const site of sites) void this.#ask(site, request).then((answer) => take({ kind, site, answer }), reject);
      };
      const take = (event: RoundEvent): void => {
        const before = round;
        try {
          round = stepRound(round, event, decide);
        } catch (error) {
          reject(error);
        }
        if (before.proposal === null && round.proposal !== null) {
          send('accept', { kind: 'accept', ballot, value: round.proposal.value });
        }
        if (round.outcome !== null) resolve(round.outcome);
      };
      send('promise', { kind: 'prepare', ballot });
    });
  }

  async #tell(request: RegisterRequest): Promise<void> {
    await Promise.all(voters(this.#parts.initial).map((site) => this.#ask(site, request)));
  }

  /** Asks every site at once. Settles with what `take` makes of the answers so far, once that is something. */
  #askAll<T>(
    request: RegisterRequest,
    take: (site: string, answer: RegisterAnswer | null) => T | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      for (const site of voters(this.#parts.initial)) {
        void this.#ask(site, request)
          .then((answer) => {
            const taken = take(site, answer);
            if (taken !== undefined) resolve(taken);
          })
          .catch(reject);
      }
    });
  }

  /** Null: no answer in time, or none that is believed. */
  async #ask(site: string, request: RegisterRequest): Promise<RegisterAnswer | null> {
    const answer = await this.#parts.ask(site, request);
    if (answer === null) return null;
    this.#acceptors.set(site, answer.acceptor);
    this.#see(answer.promised);
    return this.#isCredible(answer) ? answer : null;
  }

  #chosen(value: RegisterValue, ballot: Ballot | null): void {
    if (ballot !== null && value.version > 0 && value.version >= (this.#known?.value.version ?? 0))
      this.#known = { ballot, value };
    this.#parts.onChosen?.(value, ballot);
  }

  /** Whether an acceptor's word is heard: what was accepted after a chosen value is built upon it. */
  #isCredible({ accepted }: RegisterAnswer): boolean {
    const known = this.#known;
    if (known === null || accepted === null || compareBallots(accepted.ballot, known.ballot) < 0) return true;
    return whyNotAfter(known.value, accepted.value) === null;
  }

  #see(ballot: Ballot): void {
    if (compareBallots(ballot, this.#seen) > 0) this.#seen = ballot;
  }

  async #backOff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random } = this.#parts;
    const longest = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** attempt);
    await clock.sleep(integerBetween(random, 1, longest), signal);
  }

  #isOver(untilMs: number, signal: AbortSignal | undefined): boolean {
    return signal?.aborted === true || this.#parts.clock.monotonicMs() >= untilMs;
  }

  #unavailable(why: string): Fault {
    return new Fault('unavailable', `register of ${this.#parts.initial.keyspace}: ${why}`, { retryAfterMs: 1_000 });
  }

  #unknown(why: string): Fault {
    return new Fault('unknown', `register of ${this.#parts.initial.keyspace}: whether the change was made: ${why}`);
  }
}
