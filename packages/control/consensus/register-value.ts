/**
 * The one small replicated value of a keyspace: who is primary, in which epoch, and where the epochs before it ended
 * (protocol rule 6). This file is what it is; how it changes is in `register-changes.ts`, how sites agree on it in
 * `proposer.ts` and `acceptor.ts`.
 */

import type { AckLevel, Keyspace } from '@tidemark/model/table';
import type { LossRule } from './loss-rule.ts';

/** Last seq of a term that counts in a partition, −1 for none, and the chain there (empty for none). */
export type EpochEndAt = { readonly seq: number; readonly chain: string };

/** One writer process's term. */
export type Term = {
  readonly epoch: number;
  readonly site: string;
  /** Uuid of the writer. */
  readonly writerId: string;
  /** By partition: where it ended; null while it goes on. */
  readonly epochEnds: readonly EpochEndAt[] | null;
};

/** ACTIVE members are trusted to hold what they say; RECOVERING ones have lost something and are filling up again. */
export type Member = {
  readonly site: string;
  readonly state: 'ACTIVE' | 'RECOVERING';
  /**
   * Origin → identity of the site's topic that holds that origin's records (its own log, or its mirror), as the members
   * reported it. What a topic of another identity says does not count.
   */
  readonly logIds: Readonly<Record<string, string>>;
};

/**
 * Why an election began.
 * - `start`: the primary's writer process is a new one (also the very first)
 * - `suspicion`: the primary was taken for lost by a majority of sites; the only automatic move to another site
 * - `switchover`: an operator's planned move; `failover`: an operator's move away from a lost primary
 * - `takeover`: an earlier election stood still
 */
export type Cause = 'start' | 'suspicion' | 'switchover' | 'failover' | 'takeover';

/** The open election: the epoch that is to begin, the site and writer process that stand for it, and why. */
export type Election = {
  readonly epoch: number;
  readonly site: string;
  readonly writerId: string;
  readonly cause: Cause;
  /** In words, for people. */
  readonly reason: string;
  /** Wall time of the candidate when it began, for people. */
  readonly beganMs: number;
  /** Null: nothing that may have been acked may be lost. */
  readonly loss: LossRule | null;
};

/** One version of the register's value, of which every field is changed by consensus only (protocol rule 6). */
export type RegisterValue = {
  readonly keyspace: string;
  /** Rises by one with every change. */
  readonly version: number;
  /** Of the change that made this version: how a proposer finds out whether its own went through. */
  readonly changeId: string;
  /** The newest changes, this version's last, at most `CHANGES_KEPT`: so that one built upon meanwhile is found too. */
  readonly changes: readonly string[];
  /**
   * Site → identity of the acceptor whose vote counts there; empty before the first change, which takes in all of them.
   * A site that lost its control topic answers under another identity, and its vote does not count until it is let in.
   */
  readonly acceptors: Readonly<Record<string, string>>;
  /** Null: STEADY. */
  readonly election: Election | null;
  readonly nextEpoch: number;
  /** The level of the newest term: the keyspace's own, or what an election had to lower it to. */
  readonly ack: AckLevel;
  readonly failover: 'automatic' | 'manual';
  /** The k that an election may lower the level to (E6). */
  readonly degradeTo: number;
  readonly members: readonly Member[];
  readonly witnesses: readonly string[];
  /** Oldest first; the last is the newest, whether its writer lives or not. The newest `TERMS_MAX`, and see there. */
  readonly terms: readonly Term[];
  /** The newest election that suspicion won: for the hold-down. Wall time of its candidate. */
  readonly lastFailover: { readonly epoch: number; readonly atMs: number } | null;
  /** True: no election begins by suspicion. */
  readonly paused: boolean;
};

/**
 * Older terms are forgotten: whoever is further behind learns their epoch ends from the EPOCH_STARTs in the logs. Only each
 * site's last one that left something in a partition is kept, as its next epoch there has to name that end.
 */
export const TERMS_MAX = 64;

/** Epoch ends in a value, so that it always fits a record: of many partitions fewer terms are kept. */
const ENDS_MAX = 16_384;

/** How many of the newest terms of a keyspace of so many partitions are kept. */
function termsKept(partitions: number): number {
  return Math.min(TERMS_MAX, Math.floor(ENDS_MAX / Math.max(1, partitions)));
}

/** A change that was built upon more often than this before its proposer could ask cannot be told from one not made. */
export const CHANGES_KEPT = 64;

/** What the register holds before anything was chosen: it follows from the keyspace as it was created. */
export function initialValue(keyspace: Keyspace): RegisterValue {
  const named = (role: 'data' | 'witness') => keyspace.sites.filter((s) => s.role === role).map((s) => s.name);
  return {
    keyspace: keyspace.name,
    version: 0,
    changeId: '',
    changes: [],
    acceptors: {},
    election: null,
    nextEpoch: 1,
    ack: keyspace.ack,
    failover: keyspace.failover,
    degradeTo: keyspace.degradeTo,
    members: named('data').map((site) => ({ site, state: 'RECOVERING', logIds: {} })),
    witnesses: named('witness'),
    terms: [],
    lastFailover: null,
    paused: false,
  };
}

/** Every site with a vote, in a fixed order. */
export function voters(value: Pick<RegisterValue, 'members' | 'witnesses'>): string[] {
  return [...value.members.map((member) => member.site), ...value.witnesses].sort();
}

/** The fewest of `count` sites that are more than half; any two majorities share a site. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** The newest term; null before the first. */
export function newestTerm(value: RegisterValue): Term | null {
  return value.terms.at(-1) ?? null;
}

/** The site that writes, or wrote last; before the first term, the one the keyspace was created with. */
export function primaryOf(value: RegisterValue | null, keyspace: Keyspace): string {
  return (value === null ? null : newestTerm(value))?.site ?? keyspace.primary;
}

/** The member at a site; null for a witness and for a site that is none. */
export function memberNamed(value: RegisterValue, site: string): Member | null {
  return value.members.find((member) => member.site === site) ?? null;
}

/**
 * The newest term before `epoch` that left a record in the partition; null for none. Its epoch end is what follows from.
 * @param site of this site alone; any when nothing is said
 */
export function termBefore(value: RegisterValue, epoch: number, partition: number, site?: string): Term | null {
  const isOf = (term: Term): boolean => term.epoch < epoch && (site === undefined || term.site === site);
  return value.terms.findLast((term) => isOf(term) && leftSomething(term, partition)) ?? null;
}

function leftSomething({ epochEnds }: Term, partition: number): boolean {
  return (epochEnds?.[partition]?.seq ?? -1) >= 0;
}

function partitionsOf(terms: readonly Term[]): number {
  return terms.reduce((most, { epochEnds }) => Math.max(most, epochEnds?.length ?? 0), 0);
}

/** Whether there are so many kept terms that one before them may be gone. */
export function mayHaveForgotten(terms: readonly Term[]): boolean {
  return terms.length >= termsKept(partitionsOf(terms));
}

/** The terms without those that nobody has to know any more. */
export function keptTerms(terms: readonly Term[]): Term[] {
  const wanted = new Set(terms.slice(-termsKept(partitionsOf(terms))));
  const ends = new Set<string>();
  for (const term of terms.toReversed()) {
    const places = (term.epochEnds ?? []).map((_, partition) => partition).filter((p) => leftSomething(term, p));
    const isEnd = places.some((partition) => !ends.has(`${partition} ${term.site}`));
    if (isEnd) wanted.add(term);
    for (const partition of places) ends.add(`${partition} ${term.site}`);
  }
  return terms.filter((term) => wanted.has(term));
}
