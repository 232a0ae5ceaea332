/**
 * A proposer's round: prepare, go on from the accepted value of the highest ballot, have the next one accepted
 * (CASPaxos). Pure: `stepRound` takes what was heard and says what to send. One round never repeats a ballot; trying
 * again, waiting between and time-outs are the driver's (`register.ts`).
 *
 * Who counts follows from the value a round goes on from, which names the acceptors:
 * - before anything was accepted anywhere, all sites have to answer, and the first change names the acceptors they are;
 * - otherwise a majority of the sites, each under the identity named;
 * - to let in a new acceptor at one site, so many of the others that one of them is in every majority, of the old
 *   acceptors and of the new ones, whoever else of it is that site: of three sites both others, of five three of four.
 *   Others that were lost as well do not count, so that two of five may be, and are let in one after the other. Of an even
 *   number these are fewer than a majority, and two such rounds need not meet: they do as one acceptor at least is gone for
 *   good. So a round that finds nobody to let in needs a majority like any other.
 */

import assert from 'node:assert/strict';
import { type Ballot, compareBallots, NO_BALLOT } from './ballot.ts';
import type { Change } from './register-changes.ts';
import type { Accepted, RegisterAnswer } from './register-request.ts';
import { type RegisterRules, RULES } from './register-rules.ts';
import { majorityOf, type RegisterValue, voters } from './register-value.ts';

/** What a round makes of the value it read. `as it is`: the value itself is proposed again, so that it is chosen. */
export type Decide = (value: RegisterValue) => Change | 'as it is';

/** How a round ended. `proposed`: ACCEPTs were sent, so that its value may be chosen even if it does not look so. */
export type Outcome =
  /** `refused`: why nothing was changed; `value` is then what was found. */
  | { readonly kind: 'chosen'; readonly value: RegisterValue; readonly refused: string | null }
  /** Someone else's ballot is higher. */
  | { readonly kind: 'rival'; readonly promised: Ballot; readonly proposed: RegisterValue | null }
  /** Too few votes that count were heard; `why` in words. */
  | { readonly kind: 'silence'; readonly why: string; readonly proposed: RegisterValue | null };

type Proposal = { readonly base: RegisterValue; readonly value: RegisterValue; readonly refused: string | null };
/** By site; null: no answer came, or none will. */
type Heard = ReadonlyMap<string, RegisterAnswer | null>;

/** One CASPaxos round under way: what was heard of both phases, and its outcome once it has one. */
export type Round = {
  readonly ballot: Ballot;
  /** What the register holds while nothing was accepted; it also names the sites that are asked. */
  readonly initial: RegisterValue;
  /** The site whose new acceptor is to be let in; null in all other rounds. */
  readonly replaces: string | null;
  readonly promises: Heard;
  /** Once it is there, ACCEPT is to be asked of every site. */
  readonly proposal: Proposal | null;
  readonly accepts: Heard;
  readonly outcome: Outcome | null;
};

/** A site's answer to the round's PREPARE or ACCEPT, or null when there was none in time. */
export type RoundEvent = {
  readonly kind: 'promise' | 'accept';
  readonly site: string;
  readonly answer: RegisterAnswer | null;
};

/** PREPARE is to be asked of every site. */
export function beginRound(initial: RegisterValue, ballot: Ballot, replaces: string | null = null): Round {
  const none: Heard = new Map();
  return { ballot, initial, replaces, promises: none, proposal: null, accepts: none, outcome: null };
}

/** A round after one more event; one that comes late, or again, changes nothing. */
export function stepRound(round: Round, event: RoundEvent, decide: Decide, rules: RegisterRules = RULES): Round {
  if (round.outcome !== null) return round;
  if (event.kind === 'promise') {
    if (round.proposal !== null || round.promises.has(event.site)) return round;
    return afterPromise({ ...round, promises: hearing(round.promises, event) }, decide, rules);
  }
  if (round.proposal === null || round.accepts.has(event.site)) return round;
  return afterAccept({ ...round, accepts: hearing(round.accepts, event) }, round.proposal, rules);
}

function hearing(heard: Heard, { site, answer }: RoundEvent): Heard {
  return new Map(heard).set(site, answer);
}

function afterPromise(round: Round, decide: Decide, rules: RegisterRules): Round {
  const { promises, initial, replaces } = round;
  const highest = highestOf([...promises.values()], rules);
  const base = highest?.value ?? initial;
  const quorum = quorumOf(base, replaces, rules);
  if (!hasQuorum(quorum, promises)) return ended(round, promises, null);
  const change = decide(base);
  const founds = isUnfounded(base);
  if (change === 'as it is' || 'refused' in change) {
    const refused = change === 'as it is' ? null : change.refused;
    // Nothing was accepted at any of the sites: there is nothing yet that could be chosen.
    if (founds) return { ...round, outcome: { kind: 'chosen', value: base, refused } };
    const isChosen = rules.refusalsSettle ? false : refused !== null;
    if (isChosen) return { ...round, outcome: { kind: 'chosen', value: base, refused } };
    if (!hasQuorum(quorumOf(base, letIn(base, base, replaces, rules), rules), promises))
      return ended(round, promises, null);
    return { ...round, proposal: { base, value: base, refused } };
  }
  const isKept = JSON.stringify(change.value.acceptors) === JSON.stringify(base.acceptors);
  assert(isKept || replaces !== null, 'a change of the acceptors that does not say whose');
  const value = founds ? { ...change.value, acceptors: identitiesOf(promises) } : change.value;
  return { ...round, proposal: { base, value, refused: null } };
}

function afterAccept(round: Round, { base, value, refused }: Proposal, rules: RegisterRules): Round {
  const quorum = quorumOf(base, letIn(base, value, round.replaces, rules), rules);
  // The first value is accepted by the acceptors it names, and by no others that have come into their places since.
  const counted = isUnfounded(base) ? { ...quorum, acceptors: value.acceptors } : quorum;
  if (hasQuorum(counted, round.accepts)) return { ...round, outcome: { kind: 'chosen', value, refused } };
  return ended(round, round.accepts, value);
}

/** The site whose new acceptor the value does let in: null where that counts already, or is not to count. */
function letIn(
  base: RegisterValue,
  value: RegisterValue,
  replaces: string | null,
  rules: RegisterRules,
): string | null {
  if (replaces === null || !rules.newcomersOnly) return replaces;
  return value.acceptors[replaces] === base.acceptors[replaces] ? null : replaces;
}

/** Ends a round that cannot go on: somebody refused, or everybody was heard and they were too few. */
function ended(round: Round, heard: Heard, proposed: RegisterValue | null): Round {
  const answers = [...heard.values()].filter((answer) => answer !== null);
  if (answers.some((answer) => !answer.ok)) {
    const promised = answers.map((a) => a.promised).reduce((x, y) => (compareBallots(x, y) < 0 ? y : x), NO_BALLOT);
    return { ...round, outcome: { kind: 'rival', promised, proposed } };
  }
  if (heard.size < voters(round.initial).length) return round;
  return { ...round, outcome: { kind: 'silence', why: whyTooFew(round.initial, heard), proposed } };
}

function highestOf(answers: readonly (RegisterAnswer | null)[], rules: RegisterRules): Accepted | null {
  const all = answers.flatMap((answer) => (answer?.ok === true && answer.accepted !== null ? [answer.accepted] : []));
  if (!rules.highestWins) return all[0] ?? null;
  return all.reduce<Accepted | null>((x, y) => (x === null || compareBallots(x.ballot, y.ballot) < 0 ? y : x), null);
}

/** Which votes decide what follows a value. */
export type Quorum = {
  readonly sites: readonly string[];
  /** Site → the identity that counts there; null: any. */
  readonly acceptors: Readonly<Record<string, string>> | null;
  readonly need: number;
};

function quorumOf(base: RegisterValue, replaces: string | null, rules: RegisterRules = RULES): Quorum {
  const all = voters(base);
  const majority = majorityOf(all.length) - (rules.majorities ? 0 : 1);
  if (isUnfounded(base)) {
    return { sites: all, acceptors: null, need: rules.foundingByAll ? all.length : majority };
  }
  const acceptors = rules.identities ? base.acceptors : null;
  if (replaces === null) return { sites: all, acceptors, need: majority };
  const others = all.filter((site) => site !== replaces);
  return { sites: others, acceptors, need: newcomersNeed(all.length) - (rules.newcomersMeetAll ? 0 : 1) };
}

/** How many of the other sites let in a new acceptor at one of `count`. */
export function newcomersNeed(count: number): number {
  return count - majorityOf(count) + 1;
}

function isUnfounded({ acceptors }: RegisterValue): boolean {
  return Object.keys(acceptors).length === 0;
}

function identitiesOf(heard: Heard): Record<string, string> {
  const named = [...heard].flatMap(([site, answer]) => (answer?.ok === true ? [[site, answer.acceptor] as const] : []));
  return Object.fromEntries(named);
}

function hasQuorum({ sites, acceptors, need }: Quorum, heard: Heard): boolean {
  const yes = sites.filter((site) => {
    const answer = heard.get(site);
    return answer?.ok === true && (acceptors === null || acceptors[site] === answer.acceptor);
  });
  return yes.length >= need;
}

/** What a round of `read` tells. */
export type Reading =
  /** `ballot`: under which it was; null for what the register holds before anything was chosen. */
  | { readonly kind: 'chosen'; readonly value: RegisterValue; readonly ballot: Ballot | null }
  /** `waiting`: not enough was heard yet. `unclear`: a full round has to find out. */
  | { readonly kind: 'waiting' | 'unclear' }
  /** Too few votes that count were heard; `why` in words. */
  | { readonly kind: 'silence'; readonly why: string };

/**
 * What can be read without writing: a value that a majority of its own acceptors has as the newest it accepted is
 * chosen, and nothing newer was chosen before the first of them was asked.
 */
export function readingOf(initial: RegisterValue, heard: Heard, rules: RegisterRules = RULES): Reading {
  const answers = [...heard.values()].filter((answer) => answer !== null);
  const known = answers.flatMap(({ accepted }) => (accepted === null ? [] : [accepted]));
  for (const { ballot, value } of known) {
    const same = new Map([...heard].map(([site, answer]) => [site, hasBallot(answer, ballot, rules) ? answer : null]));
    if (hasQuorum(quorumOf(value, null, rules), same)) return { kind: 'chosen', value, ballot };
  }
  if (known.length === 0 && hasQuorum(quorumOf(initial, null, rules), heard))
    return { kind: 'chosen', value: initial, ballot: null };
  if (heard.size < voters(initial).length) return { kind: 'waiting' };
  const mayHelp = known.some(({ value }) => hasQuorum(quorumOf(value, null, rules), heard));
  return mayHelp ? { kind: 'unclear' } : { kind: 'silence', why: whyTooFew(initial, heard) };
}

function hasBallot(answer: RegisterAnswer | null, ballot: Ballot, rules: RegisterRules): boolean {
  if (answer === null || answer.accepted === null) return false;
  return !rules.readsAgree || compareBallots(answer.accepted.ballot, ballot) === 0;
}

/** Who was not heard, and whose vote does not count. */
function whyTooFew(initial: RegisterValue, heard: Heard): string {
  const all = voters(initial);
  const base = highestOf([...heard.values()], RULES)?.value ?? initial;
  const silent = all.filter((site) => heard.get(site) == null);
  const strange = all.filter((site) => {
    const answer = heard.get(site);
    return answer != null && !isUnfounded(base) && base.acceptors[site] !== answer.acceptor;
  });
  return [
    `${all.length - silent.length} of ${all.length} sites answered`,
    silent.length === 0 ? '' : `, not ${silent.join(', ')}`,
    isUnfounded(base) ? '; before the first change all of them have to' : '',
    strange.length === 0
      ? ''
      : `; ${strange.join(', ')} lost its control topic: its vote counts once it is let in again`,
  ].join('');
}
