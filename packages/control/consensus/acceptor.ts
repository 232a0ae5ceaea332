/**
 * An acceptor: a site's vote in the registers of all keyspaces, as a fold over the site's control topic (protocol rule
 * 7). Pure. What is answered to a request follows from the state at the request's own record, so the topic's order
 * decides between rivals, and a restart changes nothing.
 */

import { isFault, messageOf } from '@tidemark/platform/fault';
import { isSuccessor } from '@tidemark/record/log-identity';
import type { ControlLogName } from '../audit/catalog.ts';
import { type ControlBody, type ControlRecord, decodeControl, isControl } from '../audit/control-record.ts';
import { type Ballot, COUNTER_STEP_MAX, compareBallots, formatBallot, NO_BALLOT } from './ballot.ts';
import { whyNotAfter } from './register-follows.ts';
import { parseRegisterValue } from './register-json.ts';
import type { Accepted, RegisterAnswer, RegisterRequest } from './register-request.ts';
import { type RegisterRules, RULES } from './register-rules.ts';
import { newestTerm, type RegisterValue } from './register-value.ts';

/** One acceptor's state for one keyspace. */
export type Vote = {
  /** Nothing below is accepted any more. */
  readonly promised: Ballot;
  readonly accepted: Accepted | null;
  /** The newest value it was told a majority accepted. */
  readonly chosen: Accepted | null;
};

/** An acceptor's vote in a register it has not heard of: nothing promised, nothing accepted. */
export const NO_VOTE: Vote = { promised: NO_BALLOT, accepted: null, chosen: null };

/** The fold of a control topic: whose votes these are, and one vote per keyspace. */
export type AcceptorState = {
  /** Null while the topic does not say; nothing counts before. */
  readonly id: string | null;
  readonly votes: ReadonlyMap<string, Vote>;
};

/** The fold's beginning, before the topic's ACCEPTOR record; nothing counts yet. */
export const NO_ACCEPTOR: AcceptorState = { id: null, votes: new Map() };

/** The acceptor's vote in one keyspace's register; `NO_VOTE` while it has none. */
export function voteFor({ votes }: AcceptorState, keyspace: string): Vote {
  return votes.get(keyspace) ?? NO_VOTE;
}

/** The body of a request's own record; null for requests that only read. */
export function bodyOfRequest(request: RegisterRequest): ControlBody | null {
  if (request.kind === 'prepare') return { kind: 'Prepare', ballot: request.ballot };
  if (request.kind === 'accept' || request.kind === 'chosen') {
    const kind = request.kind === 'accept' ? 'Accept' : 'Chosen';
    return { kind, ballot: request.ballot, value: JSON.stringify(request.value) };
  }
  return null;
}

/** A record of a site's control topic: one of this kind, something else that belongs there, or nothing that counts. */
export type Voted = { readonly record: ControlRecord } | { readonly ignored: string } | null;

/** Null for what is no control record at all: definitions and the topic's own identity are read elsewhere. */
export function readVoteRecord({ cluster, origin }: ControlLogName, value: Uint8Array): Voted {
  if (!isControl(value)) return null;
  let record: ControlRecord;
  try {
    record = decodeControl(value);
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    return { ignored: messageOf(error) };
  }
  if (record.cluster !== cluster) return { ignored: `cluster ${record.cluster}, expected ${cluster}` };
  if (record.site !== origin) return { ignored: `site ${record.site}, expected ${origin}` };
  const { body } = record;
  if (body.kind === 'Accept' || body.kind === 'Chosen') {
    const value = parseRegisterValue(body.value);
    if (value?.keyspace === record.keyspace) return { record };
    return { ignored: `${body.kind} of ${record.keyspace}: its value is ${value?.keyspace ?? 'none of a register'}` };
  }
  return { record };
}

/** The state with one more record, and whether that record did what it asked for. */
export function foldAcceptor(
  state: AcceptorState,
  { keyspace, body }: ControlRecord,
  rules: RegisterRules = RULES,
): { readonly state: AcceptorState; readonly ok: boolean } {
  if (body.kind === 'Acceptor') return { state: identified(state, body.id), ok: true };
  if (body.kind === 'Decision') return { state, ok: true };
  if (state.id === null) return { state, ok: false };
  const { vote, ok } = foldVote(voteFor(state, keyspace), ballotOf(body), rules);
  return { state: { ...state, votes: new Map(state.votes).set(keyspace, vote) }, ok };
}

/**
 * The first identity counts, and what succeeds it since the topic lost its end. Any other is of a process that did not
 * hear that its own was written down.
 */
function identified(state: AcceptorState, id: string): AcceptorState {
  return state.id === null || isSuccessor(state.id, id) ? { ...state, id } : state;
}

type VoteBody = Extract<ControlBody, { readonly kind: 'Prepare' | 'Accept' | 'Chosen' }>;
/** A vote record with its value read. */
export type Balloted =
  | { readonly kind: 'Prepare'; readonly ballot: Ballot }
  | { readonly kind: 'Accept' | 'Chosen'; readonly ballot: Ballot; readonly value: RegisterValue };

function ballotOf(body: VoteBody): Balloted {
  if (body.kind === 'Prepare') return body;
  return { ...body, value: parseRegisterValue(body.value)! };
}

/**
 * One keyspace's vote with one more record.
 * Law: `promised` and the ballot of `accepted` never go back, and `promised` is never below `accepted`.
 */
export function foldVote(
  vote: Vote,
  body: Balloted,
  rules: RegisterRules = RULES,
): { readonly vote: Vote; readonly ok: boolean } {
  if (rules.valuesFollow && whyUnfit(vote, body) !== null) return { vote, ok: false };
  const { ballot } = body;
  const order = compareBallots(ballot, vote.promised);
  if (body.kind === 'Prepare') {
    const ok = rules.preparesRise ? order > 0 : true;
    return { vote: ok ? { ...vote, promised: ballot } : vote, ok };
  }
  const told = body.kind === 'Chosen' ? newerOf(vote.chosen, { ballot, value: body.value }) : vote.chosen;
  // What a majority accepted may be accepted here too, as if the request had come late.
  const ok = rules.promisesHold ? order >= 0 : true;
  if (!ok) return { vote: { ...vote, chosen: told }, ok: body.kind === 'Chosen' };
  const promised = rules.acceptPromises ? ballot : vote.promised;
  return { vote: { promised, accepted: { ballot, value: body.value }, chosen: told }, ok: true };
}

/**
 * Why a vote record counts for nothing whoever it comes from, so that it is not even written down; null when it does not:
 * a ballot that would use the counters up, or a value that cannot have come from what is known here to be chosen.
 */
export function whyUnfit({ promised, chosen }: Vote, body: Balloted): string | null {
  const { counter } = body.ballot;
  if (counter > promised.counter + COUNTER_STEP_MAX)
    return `ballot ${counter} is more than ${COUNTER_STEP_MAX} above ${promised.counter}, the highest one seen here`;
  if (body.kind === 'Prepare' || chosen === null) return null;
  // What is below the ballot of what is chosen was accepted before it, and may be anything; it is refused as it is below.
  if (compareBallots(body.ballot, chosen.ballot) < 0) return null;
  const why = whyNotAfter(chosen.value, body.value);
  return why === null ? null : `it does not follow from version ${chosen.value.version}: ${why}`;
}

/** The same of a request; null for those that only read. */
export function refusalOf(state: AcceptorState, keyspace: string, request: RegisterRequest): string | null {
  if (request.kind === 'read' || request.kind === 'lease' || !RULES.valuesFollow) return null;
  const { ballot } = request;
  const body: Balloted =
    request.kind === 'prepare'
      ? { kind: 'Prepare', ballot }
      : { kind: request.kind === 'accept' ? 'Accept' : 'Chosen', ballot, value: request.value };
  return whyUnfit(voteFor(state, keyspace), body);
}

function newerOf(known: Accepted | null, told: Accepted): Accepted {
  return known !== null && compareBallots(known.ballot, told.ballot) >= 0 ? known : told;
}

/** The answer to a request whose record, where it has one, is the last one folded and did (`ok`) what it asked for. */
export function answerOf(
  state: AcceptorState,
  keyspace: string,
  request: RegisterRequest,
  ok: boolean,
): RegisterAnswer {
  const vote = voteFor(state, keyspace);
  const { promised, accepted } = vote;
  const reason =
    request.kind === 'lease'
      ? leaseRefusal(vote, request)
      : ok
        ? null
        : `a proposer with ballot ${formatBallot(promised)} was here before`;
  return { acceptor: state.id ?? '', ok: reason === null, reason, promised, accepted };
}

/**
 * Why a writer's lease is not renewed here (rule 15); null when it is. It goes by what this acceptor accepted, chosen or
 * not: an election that was chosen stands at a majority, and one of any majority asked says no.
 */
function leaseRefusal(
  { accepted }: Vote,
  { epoch, writerId }: { readonly epoch: number; readonly writerId: string },
): string | null {
  if (accepted === null) return 'no term is known here';
  const { election } = accepted.value;
  if (election !== null) return `an election of epoch ${election.epoch} is open`;
  const newest = newestTerm(accepted.value);
  if (newest?.epoch === epoch && newest.writerId === writerId) return null;
  return `epoch ${newest?.epoch ?? 0} is the newest here, not ${epoch} of writer ${writerId}`;
}
