/**
 * Whether one value of a register can have come from another: the rules that every change keeps (`register-changes.ts`),
 * seen from outside. A value is believed of nobody: an acceptor accepts only what follows from the newest value that it
 * knows to be chosen, and whoever hears of a chosen value takes it only where it follows from the one heard before.
 */

import { isDeepStrictEqual } from 'node:util';
import { FOUND_WRITER } from './founding.ts';
import {
  CHANGES_KEPT,
  keptTerms,
  type Member,
  mayHaveForgotten,
  memberNamed,
  newestTerm,
  type RegisterValue,
  type Term,
} from './register-value.ts';

/**
 * How far a term that was found in the logs may lift the epochs of a register that knew none. They rise by one an election,
 * so that no log is ever beyond it; and it is done once, so that nobody uses up all epochs there are.
 */
const LIFT_MAX = 2 ** 28;

/** Null when `after` can be `before` with changes upon it, or the same; else why not, with both values named. */
export function whyNotAfter(before: RegisterValue, after: RegisterValue): string | null {
  const steps = after.version - before.version;
  if (after.keyspace !== before.keyspace) return `it is of ${after.keyspace}, not of ${before.keyspace}`;
  if (steps < 0) return `version ${after.version} is behind ${before.version}`;
  if (steps === 0) return isDeepStrictEqual(before, after) ? null : `it is another value of version ${before.version}`;
  return (
    whyNotTheseChanges(before, after, steps) ??
    whyNotTheseSites(before, after, steps) ??
    whyNotTheseTerms(before, after, steps) ??
    whyNotThisElection(before, after) ??
    (steps === 1 ? whyNotOneChange(before, after) : null)
  );
}

/** A value names the changes that made it, so that a proposer finds its own. */
function whyNotTheseChanges(before: RegisterValue, after: RegisterValue, steps: number): string | null {
  const count = Math.min(CHANGES_KEPT, before.changes.length + steps);
  if (after.changeId === '' || after.changes.at(-1) !== after.changeId) return 'its last change is not its own';
  if (after.changes.length !== count) return `it names ${after.changes.length} changes, not ${count}`;
  const kept = Math.max(0, count - steps);
  const isKept = isDeepStrictEqual(after.changes.slice(0, kept), before.changes.slice(before.changes.length - kept));
  return isKept ? null : `it is not built upon change ${before.changeId}`;
}

function whyNotTheseSites(before: RegisterValue, after: RegisterValue, steps: number): string | null {
  const names = (value: RegisterValue): string => [...value.members.map(({ site }) => site), ...value.witnesses].join();
  if (names(before) !== names(after)) return `its sites are ${names(after)}, not ${names(before)}`;
  if (after.ack.k >= after.members.length) return `k is ${after.ack.k} of ${after.members.length} members`;
  const known = Object.entries(before.acceptors);
  if (known.length === 0) return null;
  const others = known.filter(([site, id]) => after.acceptors[site] !== id).length;
  const isWhole = Object.keys(after.acceptors).length === known.length && others <= steps;
  return isWhole ? null : `${others} of its acceptors are others`;
}

/** The term that a register without any took over from the logs since then; null: none, as far as is remembered. */
function foundSince(before: RegisterValue, after: RegisterValue): Term | null {
  const [oldest] = after.terms;
  return before.terms.length === 0 && oldest?.writerId === FOUND_WRITER ? oldest : null;
}

function whyNotTheseTerms(before: RegisterValue, after: RegisterValue, steps: number): string | null {
  const newest = newestTerm(before);
  const begun = after.terms.filter(({ epoch }) => epoch > (newest?.epoch ?? 0));
  // Each takes an election and its commit; one that was found takes the one change of an election that goes on.
  const found = foundSince(before, after) === null ? 0 : 1;
  const room = (steps + (before.election === null ? 0 : 1) - found) / 2;
  if (begun.length - found > room) return `${begun.length} terms were begun in ${steps} changes`;
  const later = new Map(after.terms.map((term) => [term.epoch, term]));
  const known: Term[] = [];
  for (const term of before.terms) {
    const kept = later.get(term.epoch);
    const closes = term === newest && begun.length > 0;
    const wrong = kept === undefined ? null : closes ? whyNotClosed(term, kept) : whyNotTheSame(term, kept);
    if (wrong !== null) return `the term of epoch ${term.epoch} is ${wrong}`;
    known.push(kept ?? term);
  }
  const expected = begun.length === 0 ? known : keptTerms([...known, ...begun]);
  const epochs = (terms: readonly Term[]): string => terms.map(({ epoch }) => epoch).join();
  if (epochs(expected) !== epochs(after.terms)) return `its terms are ${epochs(after.terms)}, not ${epochs(expected)}`;
  return whyNotBegun(before, after, begun);
}

function whyNotTheSame(before: Term, after: Term): string | null {
  return isDeepStrictEqual(before, after) ? null : 'changed';
}

/** Where a term ended is said once, when the next one begins. */
function whyNotClosed(before: Term, after: Term): string | null {
  if (before.epochEnds !== null) return isDeepStrictEqual(before, after) ? null : 'ended again, elsewhere';
  if (after.epochEnds === null) return 'not ended';
  return isDeepStrictEqual({ ...before, epochEnds: null }, { ...after, epochEnds: null }) ? null : 'changed';
}

function whyNotBegun(before: RegisterValue, after: RegisterValue, begun: readonly Term[]): string | null {
  const { nextEpoch } = before;
  const found = foundSince(before, after);
  const wrong = whyNotRisen(before, after, found);
  if (wrong !== null) return wrong;
  let last = 0;
  for (const term of begun) {
    const { epoch, site, writerId, epochEnds } = term;
    const isNamed = found === null && epoch === before.election?.epoch;
    const isGiven = term === found || isNamed || epoch >= nextEpoch;
    if (!isGiven || epoch <= last || epoch >= after.nextEpoch) return `epoch ${epoch} was given to nobody`;
    if (memberNamed(after, site) === null) return `${site} terms and is no member`;
    if (writerId === FOUND_WRITER && term !== found) return `the term of epoch ${epoch} was not to be found`;
    if ((epochEnds === null) !== (epoch === begun.at(-1)!.epoch))
      return `the term of epoch ${epoch} is not where it stands`;
    last = epoch;
  }
  const lengths = new Set(after.terms.flatMap(({ epochEnds }) => (epochEnds === null ? [] : [epochEnds.length])));
  return lengths.size > 1 ? `its epoch ends are of ${[...lengths].join(' and ')} partitions` : null;
}

/** Every election takes one epoch; what was found in the logs lifts them, once, also where it is forgotten by now. */
function whyNotRisen(before: RegisterValue, after: RegisterValue, found: Term | null): string | null {
  const risen = after.nextEpoch - before.nextEpoch;
  const isLifted = found !== null || (before.terms.length === 0 && mayHaveForgotten(after.terms));
  const most = after.version - before.version + (isLifted ? LIFT_MAX : 0);
  const least = found === null ? 0 : 1;
  return risen < least || risen > most ? `nextEpoch is ${after.nextEpoch}, was ${before.nextEpoch}` : null;
}

function whyNotThisElection(before: RegisterValue, after: RegisterValue): string | null {
  const { election } = after;
  if (election === null) return null;
  const { epoch, site, writerId } = election;
  if (memberNamed(after, site) === null) return `${site} stands for election and is no member`;
  // Such a term would be closed as if nobody had known its writer.
  if (writerId === FOUND_WRITER) return `its election is of a writer that was ${FOUND_WRITER}`;
  const newest = newestTerm(after)?.epoch ?? 0;
  if (epoch <= newest) return `its election is of epoch ${epoch}, and epoch ${newest} has begun`;
  if (epoch === before.election?.epoch && foundSince(before, after) === null)
    return isDeepStrictEqual(election, before.election) ? null : `the election of epoch ${epoch} is another one`;
  return epoch >= before.nextEpoch && epoch < after.nextEpoch ? null : `epoch ${epoch} was not the next one`;
}

type Field =
  | 'election'
  | 'nextEpoch'
  | 'ack'
  | 'failover'
  | 'degradeTo'
  | 'members'
  | 'terms'
  | 'lastFailover'
  | 'paused';
const FIELDS: readonly Field[] = [
  'election',
  'nextEpoch',
  'ack',
  'failover',
  'degradeTo',
  'members',
  'terms',
  'lastFailover',
  'paused',
];

/** One change is of one kind, and leaves the rest as it was. */
function whyNotOneChange(before: RegisterValue, after: RegisterValue): string | null {
  const changed = FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field]));
  const only = (...allowed: readonly Field[]): string | null => {
    const other = changed.find((field) => !allowed.includes(field));
    return other === undefined ? null : `${other} changed as well`;
  };
  // A candidate may give up: then nothing but its election is gone.
  if (changed.length === 1 && changed[0] === 'election' && after.election === null) return null;
  if (changed.includes('election')) {
    if (foundSince(before, after) !== null)
      return only('election', 'nextEpoch', 'terms', 'members') ?? whyNotAdopted(before, after);
    if (after.election === null)
      return only('election', 'terms', 'members', 'ack', 'lastFailover') ?? whyNotWon(before, after);
    if (after.nextEpoch !== before.nextEpoch + 1) return 'an election takes one epoch';
    return only('election', 'nextEpoch');
  }
  if (changed.includes('members')) return only('members') ?? whyNotThisMember(before, after);
  if (changed.includes('paused')) return only('paused');
  if (changed.length === 0) return null;
  const wrong = only('ack', 'failover', 'degradeTo');
  if (wrong !== null) return wrong;
  if (before.election !== null) return 'terms changed while an election was open';
  return after.ack.k < before.ack.k ? `k was lowered to ${after.ack.k} without an election` : null;
}

/** The term that was found in the logs, once every member had told: its election goes on above it. */
function whyNotAdopted(before: RegisterValue, after: RegisterValue): string | null {
  const { election, nextEpoch, members } = after;
  if (before.election === null || election === null) return 'a term was found by no election';
  if (!isDeepStrictEqual({ ...before.election, epoch: election.epoch }, election))
    return `the election of epoch ${before.election.epoch} is another one`;
  if (nextEpoch !== election.epoch + 1) return 'an election takes one epoch';
  const silent = members.find(({ state }) => state !== 'ACTIVE');
  return silent === undefined ? null : `a term was found, and ${silent.site} did not tell what it holds`;
}

/** The commit of an election: the term it was about, and nothing else. */
function whyNotWon(before: RegisterValue, after: RegisterValue): string | null {
  const { epoch, site, writerId, cause } = before.election!;
  const won = newestTerm(after);
  if (won?.epoch !== epoch || won.site !== site || won.writerId !== writerId)
    return `the election of epoch ${epoch} ended without its term`;
  const lowest = Math.min(before.degradeTo, before.ack.k);
  if (after.ack.k < lowest) return `k was lowered to ${after.ack.k}, and may go to ${lowest}`;
  if (isDeepStrictEqual(before.lastFailover, after.lastFailover)) return null;
  return cause === 'suspicion' && after.lastFailover?.epoch === epoch ? null : 'lastFailover names no failover';
}

function whyNotThisMember(before: RegisterValue, after: RegisterValue): string | null {
  const others = after.members.filter((member, at) => !isDeepStrictEqual(member, before.members[at]));
  if (others.length > 1) return `${others.length} members changed at once`;
  const [member] = others as [Member];
  if (member.state === 'ACTIVE') return before.election === null ? null : `${member.site} is let in during an election`;
  const known = memberNamed(before, member.site)!;
  return isDeepStrictEqual(known.logIds, member.logIds) ? null : `${member.site} is demoted and has other logs`;
}
