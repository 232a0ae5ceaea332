/**
 * The register alone at small scope, for the exhaustive search: three or four acceptors, a few proposers with one change each, a
 * reader; every order of deliveries, answers that are lost, requests that come late or twice, proposers that start anew,
 * an acceptor that loses everything and is let in again. Acceptors, rounds and changes are the production functions;
 * only the network and the proposers' patience are the model's.
 */

import { answerOf, type Balloted, foldVote, NO_VOTE, type Vote } from '../consensus/acceptor.ts';
import type { Ballot } from '../consensus/ballot.ts';
import { afterRound, beginChange, type ChangeProgress, decideChange } from '../consensus/change-progress.ts';
import { beginRound, type Decide, type Round, readingOf, stepRound } from '../consensus/proposer.ts';
import { type Change, readmitAcceptor } from '../consensus/register-changes.ts';
import type { Accepted, RegisterAnswer } from '../consensus/register-request.ts';
import type { RegisterRules } from '../consensus/register-rules.ts';
import type { RegisterValue } from '../consensus/register-value.ts';

const SITES = ['a', 'b', 'c', 'd'] as const;

/**
 * What a proposer is after. `loner`: refuses to come after another change. `operator`: lets in a new acceptor; `needless`:
 * one that counts already, of whichever site.
 */
export type Aim = 'change' | 'loner' | 'read' | 'operator' | 'needless';

/** How much may happen. */
export type Scope = {
  readonly aims: readonly Aim[];
  /** Rounds a proposer tries in one life. */
  readonly rounds: number;
  /** Requests that take effect without their answer being heard in time. */
  readonly mute: number;
  /** ACCEPTs that land after their round ended, or a second time. */
  readonly late: number;
  readonly restarts: number;
  readonly wipes: number;
  /** Reads without writing. */
  readonly reads: number;
  /** ACCEPTs of a value that nobody made, each at a site that knows what is chosen; sites note that then. */
  readonly forges: number;
  /**
   * True: begins with a first value that all of them accepted. `torn`: and two rivals went on from it, whose changes one
   * acceptor each has accepted and nobody was told of.
   */
  readonly founded: boolean | 'torn';
  /** How many acceptors there are. */
  readonly sites: 3 | 4;
};

type Heard = ReadonlyMap<string, RegisterAnswer | null>;
type Proposer = {
  readonly aim: Aim;
  readonly life: number;
  /** Null when it is through, or gave up. */
  readonly progress: ChangeProgress | null;
  /** Newest version told to anyone before it began. */
  readonly floor: number;
  readonly seen: number;
  readonly rounds: number;
  readonly round: Round | null;
  /** Sites that the round's present request has reached. */
  readonly reached: readonly string[];
};
type Late = { readonly site: string; readonly body: Balloted };

export type ModelState = {
  readonly ids: readonly string[];
  readonly votes: readonly Vote[];
  readonly proposers: readonly Proposer[];
  readonly late: readonly Late[];
  readonly reader: { readonly floor: number; readonly heard: Heard } | null;
  readonly left: {
    readonly mute: number;
    readonly late: number;
    readonly restarts: number;
    readonly wipes: number;
    readonly reads: number;
    readonly forges: number;
  };
  /** The longest chosen value, as a proposer learned it; kept for forgers only. */
  readonly told: Accepted | null;
  /** The longest chosen value told to anyone. */
  readonly chain: readonly string[];
  /** Changes told as not made. */
  readonly never: readonly string[];
  /** What must not be, if it is. */
  readonly broken: string | null;
};

const OF_THREE: RegisterValue = {
  keyspace: 'k',
  version: 0,
  changeId: '',
  changes: [],
  acceptors: {},
  election: null,
  nextEpoch: 1,
  ack: { name: 'sync', k: 1 },
  failover: 'automatic',
  degradeTo: 1,
  members: ['a', 'b'].map((site) => ({ site, state: 'ACTIVE', logIds: {} })),
  witnesses: ['c'],
  terms: [],
  lastFailover: null,
  paused: false,
};
const INITIAL = { 3: OF_THREE, 4: { ...OF_THREE, witnesses: ['c', 'd'] } } as const;

/** What the register holds while nothing was accepted. */
function initialOf({ ids }: Pick<ModelState, 'ids'>): RegisterValue {
  return INITIAL[ids.length as Scope['sites']];
}

function sitesOf({ ids }: Pick<ModelState, 'ids'>): readonly string[] {
  return SITES.slice(0, ids.length);
}

function add(value: RegisterValue, changeId: string): RegisterValue {
  return { ...value, version: value.version + 1, changeId, changes: [...value.changes, changeId] };
}

export function startOf(scope: Scope): ModelState {
  const { aims, founded, mute, late, restarts, wipes, reads, forges, sites } = scope;
  const ids = SITES.slice(0, sites);
  const ballot = { counter: 1, site: 'f', process: 'f' };
  const first = {
    ballot,
    value: { ...add(INITIAL[sites], 'f'), acceptors: Object.fromEntries(ids.map((id) => [id, id])) },
  };
  const vote: Vote = founded !== false ? { promised: ballot, accepted: first, chosen: null } : NO_VOTE;
  const chain = founded !== false ? ['f'] : [];
  return {
    ids,
    votes: ids.map((_, at) => (founded === 'torn' ? torn(vote, at) : vote)),
    proposers: aims.map((aim, at) => begun(aim, at, 0, scope, chain.length)),
    late: [],
    reader: null,
    left: { mute, late, restarts, wipes, reads, forges },
    told: null,
    chain,
    never: [],
    broken: null,
  };
}

/** The first and the second acceptor each have a change of their own upon the value that all have. */
function torn(vote: Vote, at: number): Vote {
  if (at > 1 || vote.accepted === null) return vote;
  const name = `r${at}`;
  const ballot = { counter: 2, site: name, process: name };
  return { promised: ballot, accepted: { ballot, value: add(vote.accepted.value, name) }, chosen: null };
}

function begun(aim: Aim, at: number, life: number, { rounds, founded }: Scope, floor: number): Proposer {
  // It has read the first value, where there is one, and with it its ballot.
  const seen = founded === false ? 0 : founded === 'torn' ? 2 : 1;
  const progress = beginChange(`${aim === 'read' ? '-' : 'xyzw'[at]}${life === 0 ? '' : life}`);
  return { aim, life, progress, floor, seen, rounds, round: null, reached: [] };
}

export type Move = { readonly name: string; readonly state: ModelState };

/** Everything that can happen next. */
export function* movesFrom(state: ModelState, scope: Scope, rules: RegisterRules): Generator<Move> {
  for (const [at, proposer] of state.proposers.entries()) {
    if (proposer.progress === null) continue;
    if (proposer.round === null) yield* begin(state, at);
    else yield* inRound(state, at, proposer.round, rules);
    if (state.left.restarts > 0) yield restart(state, at, scope);
  }
  yield* lateMoves(state, rules);
  yield* readMoves(state, rules);
  yield* forgeMoves(state, scope, rules);
  if (state.left.wipes > 0) {
    for (const [at, site] of sitesOf(state).entries()) {
      const ids = state.ids.with(at, `${state.ids[at]}'`);
      const left = { ...state.left, wipes: state.left.wipes - 1 };
      yield { name: `${site} loses everything`, state: { ...state, ids, votes: state.votes.with(at, NO_VOTE), left } };
    }
  }
}

function* begin(state: ModelState, at: number): Generator<Move> {
  const proposer = state.proposers[at]!;
  if (proposer.rounds === 0) return;
  const lost = state.ids.findIndex((id) => id.endsWith("'"));
  if (proposer.aim === 'operator' && lost < 0) return;
  const counter = proposer.seen + 1;
  const replaced = { operator: [SITES[lost]!], needless: sitesOf(state) };
  for (const site of replaced[proposer.aim as keyof typeof replaced] ?? [null]) {
    const round = beginRound(initialOf(state), { counter, site: `${at}`, process: `${at}` }, site);
    const begun = { ...proposer, seen: counter, rounds: proposer.rounds - 1, round, reached: [] };
    const what = site === null ? '' : `, to let in ${site}`;
    yield { name: `${nameOf(at)} prepares ${counter}${what}`, state: withProposer(state, at, begun) };
  }
}

const nameOf = (at: number): string => `P${at + 1}`;

function withProposer(state: ModelState, at: number, proposer: Proposer): ModelState {
  return { ...state, proposers: state.proposers.with(at, proposer) };
}

function* inRound(state: ModelState, at: number, round: Round, rules: RegisterRules): Generator<Move> {
  const { reached } = state.proposers[at]!;
  const kind = round.proposal === null ? 'promise' : 'accept';
  const body: Balloted =
    round.proposal === null
      ? { kind: 'Prepare', ballot: round.ballot }
      : { kind: 'Accept', ballot: round.ballot, value: round.proposal.value };
  for (const [number, site] of sitesOf(state).entries()) {
    if (reached.includes(site)) continue;
    const { vote, ok } = foldVote(state.votes[number]!, body, rules);
    const voted = { ...state, votes: state.votes.with(number, vote) };
    const answer = answered(voted, number, ok);
    const what = `${site} ${ok ? '' : 'refuses to '}${kind}${kind === 'accept' ? ` ${worded(round)}` : ''} to ${nameOf(at)}`;
    yield { name: what, state: heardBy(voted, at, site, kind, answer, rules) };
    if (state.left.mute > 0 && ok) {
      const proposer = { ...state.proposers[at]!, reached: [...reached, site] };
      const left = { ...state.left, mute: state.left.mute - 1 };
      yield { name: `${what}, unheard`, state: withProposer({ ...voted, left }, at, proposer) };
    }
  }
  yield* givesUp(state, at, round, body, rules);
}

function worded({ proposal }: Round): string {
  return `[${proposal?.value.changes.join(' ')}]`;
}

function answered({ ids, votes }: ModelState, number: number, ok: boolean): RegisterAnswer {
  const acceptor = { id: ids[number]!, votes: new Map([['k', votes[number]!]]) };
  return answerOf(acceptor, 'k', { kind: 'read' }, ok);
}

function heardBy(
  state: ModelState,
  at: number,
  site: string,
  kind: 'promise' | 'accept',
  answer: RegisterAnswer,
  rules: RegisterRules,
): ModelState {
  const proposer = state.proposers[at]!;
  const round = stepRound(proposer.round!, { kind, site, answer }, decideOf(state, at, rules), rules);
  const moved = kind === 'promise' && round.proposal !== null;
  const seen = Math.max(proposer.seen, answer.promised.counter);
  const next = { ...proposer, round, seen, reached: moved ? [] : [...proposer.reached, site] };
  return settle(withProposer(state, at, next), at);
}

function decideOf(state: ModelState, at: number, rules: RegisterRules): Decide {
  const { aim, progress, round } = state.proposers[at]!;
  const make = (value: RegisterValue, id: string): Change => {
    if (aim === 'loner' && value.changes.some((one) => /[xz]/.test(one))) return { refused: 'not alone' };
    const site = round?.replaces ?? null;
    if (site === null) return { value: add(value, id) };
    return readmitAcceptor(value, id, site, state.ids[sitesOf(state).indexOf(site)]!);
  };
  if (aim === 'read') return () => 'as it is';
  return (value) => decideChange(progress!, value, make, rules);
}

/** Nothing more is waited for. What is still on its way is lost, or one ACCEPT comes late. */
function* givesUp(state: ModelState, at: number, round: Round, body: Balloted, rules: RegisterRules): Generator<Move> {
  const kind = round.proposal === null ? 'promise' : 'accept';
  let given = round;
  for (const site of sitesOf(state))
    given = stepRound(given, { kind, site, answer: null }, decideOf(state, at, rules), rules);
  if (given.outcome === null) return;
  const proposer = state.proposers[at]!;
  const gone = settle(withProposer(state, at, { ...proposer, round: given }), at);
  yield { name: `${nameOf(at)} waits no longer`, state: gone };
  if (body.kind !== 'Accept' || state.left.late === 0) return;
  for (const site of sitesOf(state)) {
    if (proposer.reached.includes(site)) continue;
    const left = { ...gone.left, late: gone.left.late - 1 };
    const late = [...gone.late, { site, body }];
    yield { name: `${nameOf(at)} waits no longer, ${site} is on the way`, state: { ...gone, late, left } };
  }
}

/** Draws the conclusions when a round has ended. */
function settle(state: ModelState, at: number): ModelState {
  const proposer = state.proposers[at]!;
  const outcome = proposer.round?.outcome ?? null;
  if (outcome === null) return state;
  const idle = { ...proposer, round: null, reached: [] };
  const told = outcome.kind === 'chosen' ? noted(tell(state, outcome.value, proposer.floor), at, outcome.value) : state;
  if (proposer.aim === 'read') return ended(told, at, idle, outcome.kind === 'chosen' || idle.rounds === 0);
  const end = afterRound(proposer.progress!, outcome);
  if (end.kind === 'again' && idle.rounds > 0) return withProposer(told, at, { ...idle, progress: end.progress });
  const { changeId } = proposer.progress!;
  const never = end.kind === 'refused' || (end.kind === 'again' && end.progress.proposedAs === null);
  const after = ended(told, at, idle, true);
  return never ? checked({ ...after, never: [...after.never, changeId] }) : after;
}

function ended(state: ModelState, at: number, idle: Proposer, isOver: boolean): ModelState {
  return withProposer(state, at, isOver ? { ...idle, progress: null, rounds: 0, seen: 0 } : idle);
}

function noted(state: ModelState, at: number, value: RegisterValue): ModelState {
  if (value.version === 0 || (state.told?.value.version ?? 0) >= value.version) return state;
  return { ...state, told: { ballot: state.proposers[at]!.round!.ballot, value } };
}

/** Sites write down what is chosen; at one that did, somebody has a value accepted that keeps nothing of it. */
function* forgeMoves(state: ModelState, scope: Scope, rules: RegisterRules): Generator<Move> {
  const { told, left } = state;
  if (scope.forges === 0 || told === null) return;
  for (const [number, site] of sitesOf(state).entries()) {
    const vote = state.votes[number]!;
    if (vote.chosen === null) {
      const { vote: next } = foldVote(vote, { kind: 'Chosen', ...told }, rules);
      if (next !== vote) yield { name: `${site} notes`, state: { ...state, votes: state.votes.with(number, next) } };
    } else if (left.forges > 0) {
      const ballot = { counter: 50, site: 'w', process: 'w' };
      const { version, acceptors } = told.value;
      const value = { ...add(initialOf(state), 'w'), version: version + 1, acceptors };
      const { vote: next, ok } = foldVote(vote, { kind: 'Accept', ballot, value }, rules);
      if (!ok) continue;
      const forged = { ...state, votes: state.votes.with(number, next), left: { ...left, forges: left.forges - 1 } };
      yield { name: `${site} accepts what nobody made`, state: forged };
    }
  }
}

/** Somebody learns that the value is chosen, and began to ask when `floor` was known. */
function tell(state: ModelState, value: RegisterValue, floor: number): ModelState {
  const { chain } = state;
  const { changes } = value;
  const shorter = Math.min(chain.length, changes.length);
  if (changes.slice(0, shorter).join() !== chain.slice(0, shorter).join())
    return { ...state, broken: `two histories: [${chain.join(' ')}] and [${changes.join(' ')}]` };
  if (changes.length < floor) return { ...state, broken: `version ${changes.length} after ${floor} had been told` };
  if (new Set(changes).size < changes.length) return { ...state, broken: `made twice: [${changes.join(' ')}]` };
  return checked(changes.length > chain.length ? { ...state, chain: changes } : state);
}

function checked(state: ModelState): ModelState {
  const wrong = state.never.find((id) => state.chain.includes(id));
  return wrong === undefined ? state : { ...state, broken: `${wrong} was made, though told as not made` };
}

/**
 * The process ends, whatever it was about, and starts again with another change. Its ballots are the same ones again:
 * harmless, as every acceptor says yes to a PREPARE once, so that no ballot has two majorities of promises.
 */
function restart(state: ModelState, at: number, scope: Scope): Move {
  const { aim, life } = state.proposers[at]!;
  const next = begun(aim, at, life + 1, scope, state.chain.length);
  const left = { ...state.left, restarts: state.left.restarts - 1 };
  return { name: `${nameOf(at)} starts anew`, state: { ...withProposer(state, at, next), left } };
}

function* lateMoves(state: ModelState, rules: RegisterRules): Generator<Move> {
  for (const [index, { site, body }] of state.late.entries()) {
    const at = SITES.indexOf(site as 'a');
    const { vote } = foldVote(state.votes[at]!, body, rules);
    const late = state.late.toSpliced(index, 1);
    yield { name: `late ACCEPT at ${site}`, state: { ...state, late, votes: state.votes.with(at, vote) } };
  }
}

function* readMoves(state: ModelState, rules: RegisterRules): Generator<Move> {
  const { reader, left, chain } = state;
  if (reader === null) {
    if (left.reads === 0) return;
    const asking = { floor: chain.length, heard: new Map() };
    yield { name: 'a read begins', state: { ...state, reader: asking, left: { ...left, reads: left.reads - 1 } } };
    return;
  }
  for (const [number, site] of sitesOf(state).entries()) {
    if (reader.heard.has(site)) continue;
    const heard = new Map(reader.heard).set(site, answered(state, number, true));
    const reading = readingOf(initialOf(state), heard, rules);
    const next = { ...state, reader: reading.kind === 'waiting' ? { ...reader, heard } : null };
    const read = reading.kind === 'chosen' ? tell(next, reading.value, reader.floor) : next;
    yield { name: `the read hears ${site}`, state: read };
  }
}

/** The same text for states that differ only in the names of the sites. */
export function keyOf(state: ModelState): string {
  const lost = state.ids.findIndex((id) => id.endsWith("'"));
  const value = ({ changes, acceptors }: RegisterValue): string => {
    const counted = lost < 0 ? '' : acceptors[SITES[lost]!]?.endsWith("'") === true ? '!' : '';
    return changes.join('') + (acceptors.a === undefined ? '?' : '') + counted;
  };
  const ballot = (b: Ballot): string => `${b.counter}${b.process}`;
  const accepted = (a: Vote['accepted']): string => (a === null ? '' : `${ballot(a.ballot)}${value(a.value)}`);
  const heard = (a: RegisterAnswer | null | undefined): string =>
    a == null ? '' : `${a.acceptor.length}${accepted(a.accepted)}`;
  const sites = sitesOf(state).map((site, at) => {
    const vote = state.votes[at]!;
    const asked = state.proposers.map(({ round, reached }) => {
      if (round === null) return '';
      const mark = reached.includes(site) ? 'r' : '';
      const { replaces, proposal } = round;
      const answer = proposal === null ? round.promises.get(site) : round.accepts.get(site);
      return `${mark}${replaces === site ? '=' : ''}${proposal === null ? heard(answer) : (answer?.acceptor.length ?? '')}`;
    });
    const late = state.late
      .filter((one) => one.site === site)
      .map(({ body }) => `${ballot(body.ballot)}${value((body as { value: RegisterValue }).value)}`);
    return `${state.ids[at]!.length}${ballot(vote.promised)}/${accepted(vote.accepted)}/${accepted(vote.chosen)}|${asked.join(',')}|${late.sort().join(',')}|${heard(state.reader?.heard.get(site))}`;
  });
  const proposers = state.proposers.map(({ life, progress, floor, seen, rounds, round }) => {
    if (progress === null) return '';
    const proposal = round?.proposal ?? null;
    const stage =
      proposal === null
        ? ''
        : `${value(proposal.base)}>${value(proposal.value)}${proposal.refused === null ? '' : 'R'}`;
    return `${life}${progress.proposedAs ?? ''};${floor};${seen};${rounds};${round === null ? '' : `${ballot(round.ballot)}${stage}`}`;
  });
  const { left, chain, never, told } = state;
  return [
    ...sites.sort(),
    ...proposers,
    state.reader?.floor ?? '',
    Object.values(left).join(),
    left.forges === 0 ? '' : accepted(told),
    state.broken ?? '',
    chain.join(),
    never.join(),
  ].join('\n');
}
