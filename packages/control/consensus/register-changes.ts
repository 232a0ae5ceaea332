/**
 * Every change the register's value may go through (protocol rules 6, 8, 22 and E2, E7). Pure: each takes the value that
 * was read from a quorum and gives the next one, or says why not. Nothing else may change it.
 */

import type { AckLevel } from '@tidemark/model/table';
import { FOUND_WRITER } from './founding.ts';
import {
  CHANGES_KEPT,
  type Election,
  type EpochEndAt,
  keptTerms,
  type Member,
  memberNamed,
  newestTerm,
  type RegisterValue,
  voters,
} from './register-value.ts';

/** A reason that names the one before it would grow with every election. */
const REASON_LENGTH_MAX = 1_000;

/** The next value; or why there is none, and then nothing is changed. */
export type Change = { readonly value: RegisterValue } | { readonly refused: string };

/** An election that stood unchanged for this long may be taken over by another candidate. */
export const ELECTION_STALE_MS = 10_000;

function next(value: RegisterValue, changeId: string, changed: Partial<RegisterValue>): Change {
  const changes = [...value.changes, changeId].slice(-CHANGES_KEPT);
  return { value: { ...value, ...changed, version: value.version + 1, changeId, changes } };
}

/** An election as a candidate asks for it; the register gives it its epoch. */
export type Beginning = Omit<Election, 'epoch'> & {
  /** The version the candidate decided by: another one meanwhile, and its reasons are old. */
  readonly version: number;
};

/** E2, the first compare-and-set: names the candidate and its epoch, before any fence is written. */
export function beginElection(value: RegisterValue, changeId: string, beginning: Beginning): Change {
  const { version, ...election } = beginning;
  if (value.version !== version)
    return { refused: `the register moved on to version ${value.version} from ${version}` };
  if (memberNamed(value, election.site) === null) return { refused: `${election.site} is no data site of it` };
  return next(value, changeId, {
    election: { ...election, reason: election.reason.slice(0, REASON_LENGTH_MAX), epoch: value.nextEpoch },
    nextEpoch: value.nextEpoch + 1,
  });
}

/**
 * What the register has instead of a candidate's election, or of the term it won; null while it has that, or was read
 * before it began. Who is superseded has nothing left to wait for: every change it could make would be refused.
 */
export function supersededBy(value: RegisterValue, { epoch, writerId }: Owner): string | null {
  const { election, nextEpoch } = value;
  const newest = newestTerm(value);
  if (nextEpoch <= epoch || (newest?.epoch === epoch && newest.writerId === writerId)) return null;
  if (election?.epoch === epoch && election.writerId === writerId) return null;
  if (newest !== null && newest.epoch >= epoch) return `${newest.site} leads in epoch ${newest.epoch}`;
  if (election !== null) return `${election.site} runs the election of epoch ${election.epoch}`;
  return `the election of epoch ${epoch} was withdrawn`;
}

/** The newest term that the logs hold and an empty register does not, and what the members are. */
export type Adoption = Pick<Commit, 'epoch' | 'writerId'> & {
  readonly found: { readonly epoch: number; readonly site: string; readonly above: number };
  readonly members: readonly Member[];
};

/** Names what was found in the logs, before anything is written: this election goes on above it, and closes it. */
export function adoptTerm(value: RegisterValue, changeId: string, adoption: Adoption): Change {
  const { election } = value;
  const { found, members } = adoption;
  if (election?.epoch !== adoption.epoch || election.writerId !== adoption.writerId) {
    return { refused: `epoch ${adoption.epoch} was superseded` };
  }
  if (value.terms.length > 0) return { refused: `epoch ${newestTerm(value)!.epoch} is known already` };
  const told = value.members.map(({ site }) => members.find((member) => member.site === site));
  if (!told.every((member) => member !== undefined)) return { refused: 'not every member told what it holds' };
  const epoch = Math.max(found.above + 1, value.nextEpoch);
  return next(value, changeId, {
    election: { ...election, epoch },
    nextEpoch: epoch + 1,
    terms: [{ epoch: found.epoch, site: found.site, writerId: FOUND_WRITER, epochEnds: null }],
    members: told,
  });
}

/** What a candidate found out about the other members, to stand with the commit. */
export type Commit = {
  readonly epoch: number;
  readonly writerId: string;
  /** By partition: where the newest term ends; null when this is the first. */
  readonly epochEnds: readonly EpochEndAt[] | null;
  /** Members that reported themselves whole, with the identities of their topics. The others stay as they are. */
  readonly reported: readonly Member[];
  /** The level the new term acks at. */
  readonly ack: AckLevel;
  /** The candidate's wall time. */
  readonly nowMs: number;
};

/** E7, the commit point: only if the register still names this election. */
export function commitElection(value: RegisterValue, changeId: string, commit: Commit): Change {
  const { election } = value;
  if (election === null || election.epoch !== commit.epoch || election.writerId !== commit.writerId) {
    const found = election === null ? 'no election' : `the election of epoch ${election.epoch} by ${election.site}`;
    return { refused: `epoch ${commit.epoch} was superseded: the register names ${found}` };
  }
  const { epoch, site, writerId } = election;
  const newest = newestTerm(value);
  const closed = value.terms.map((term) => (term === newest ? { ...term, epochEnds: commit.epochEnds } : term));
  const members = value.members.map((member) => commit.reported.find((r) => r.site === member.site) ?? member);
  const moved = election.cause === 'suspicion' && newest?.site !== site;
  return next(value, changeId, {
    election: null,
    terms: keptTerms([...closed, { epoch, site, writerId, epochEnds: null }]),
    members,
    ack: commit.ack,
    lastFailover: moved ? { epoch, atMs: commit.nowMs } : value.lastFailover,
  });
}

/**
 * A candidate gives up what it may not finish: the newest term stands as before. Its number is not used again, so that
 * the writer of that term, should it live, sees that its copies were fenced and begins anew.
 */
export function withdrawElection(value: RegisterValue, changeId: string, owner: Owner): Change {
  const { election } = value;
  if (election?.epoch === owner.epoch && election.writerId === owner.writerId) {
    return next(value, changeId, { election: null });
  }
  return { refused: `epoch ${owner.epoch} was superseded` };
}

/** Whether an election was begun and withdrawn since the newest term began: its copies have been fenced. */
export function isFencedInVain({ election, nextEpoch, terms }: RegisterValue): boolean {
  return election === null && terms.length > 0 && nextEpoch > terms.at(-1)!.epoch + 1;
}

/** What the keyspace file says of a register. */
export type TermSettings = Pick<RegisterValue, 'ack' | 'failover' | 'degradeTo'>;

/** Who may change members: the writer of the newest term, and only while no election is open. */
export type Owner = { readonly epoch: number; readonly writerId: string };

function ownerRefusal(value: RegisterValue, { epoch, writerId }: Owner): string | null {
  const newest = newestTerm(value);
  if (value.election !== null) return `an election of epoch ${value.election.epoch} is open`;
  if (newest?.epoch === epoch && newest.writerId === writerId) return null;
  return `epoch ${epoch} is not the newest: ${newest?.epoch ?? 0} is`;
}

/** Rule 22: a member that is level again counts again; its topics may have new identities. */
export function readmitMember(value: RegisterValue, changeId: string, owner: Owner, member: Member): Change {
  const refused = ownerRefusal(value, owner);
  if (refused !== null) return { refused };
  if (memberNamed(value, member.site) === null) return { refused: `${member.site} is no data site of it` };
  const members = value.members.map((m) => (m.site === member.site ? { ...member, state: 'ACTIVE' as const } : m));
  return next(value, changeId, { members });
}

/** A member that lost something is not trusted any more. Anyone may say so of itself, the owner of others. */
export function demoteMember(value: RegisterValue, changeId: string, by: string | Owner, site: string): Change {
  if (memberNamed(value, site) === null) return { refused: `${site} is no data site of it` };
  const refused =
    typeof by === 'string' ? (by === site ? null : `${by} cannot speak for ${site}`) : ownerRefusal(value, by);
  if (refused !== null) return { refused };
  const members = value.members.map((m) => (m.site === site ? { ...m, state: 'RECOVERING' as const } : m));
  return next(value, changeId, { members });
}

/**
 * The newest term's writer has the keyspace's settings stand in the register: a level that an election lowered is raised
 * again (rule 23: it acks by both meanwhile), and what operators changed in the keyspace file is taken over.
 */
export function setTermSettings(value: RegisterValue, changeId: string, owner: Owner, settings: TermSettings): Change {
  const refused = ownerRefusal(value, owner);
  if (refused !== null) return { refused };
  if (settings.ack.k < value.ack.k)
    return { refused: `k is lowered by elections only: ${value.ack.k} to ${settings.ack.k}` };
  return next(value, changeId, settings);
}

/** An operator keeps suspicion from starting elections, or lets it again. */
export function setPaused(value: RegisterValue, changeId: string, paused: boolean): Change {
  if (value.paused === paused) return { refused: paused ? 'it is paused already' : 'it is not paused' };
  return next(value, changeId, { paused });
}

/**
 * An operator lets in the acceptor of a site that lost its control topic, in place of the one it was (rule 7). The
 * proposer has so many of the other sites promise and accept this one that no majority is without one of them.
 */
export function readmitAcceptor(value: RegisterValue, changeId: string, site: string, id: string): Change {
  if (!voters(value).includes(site)) return { refused: `${site} has no vote in it` };
  const counted = value.acceptors[site];
  if (counted === undefined) return { refused: 'nothing was chosen yet: the first change takes in every acceptor' };
  if (counted === id) return { refused: `the vote of ${site} counts already` };
  return next(value, changeId, { acceptors: { ...value.acceptors, [site]: id } });
}
