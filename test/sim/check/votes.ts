/**
 * Counts the votes of one keyspace's register as the control logs have them, by rules of its own (protocol rule 7), not
 * production's: a vote is cast by an ACCEPT at or above everything its acceptor had promised, and what a majority of the
 * acceptors that a value names voted for under one ballot is chosen.
 */

import { type Ballot, compareBallots, NO_BALLOT } from '@tidemark/control/consensus/ballot';
import { majorityOf, type RegisterValue, voters } from '@tidemark/control/consensus/register-value';

export class Votes {
  /** Identity of an acceptor → nothing below is accepted by it any more. */
  readonly #promised = new Map<string, Ballot>();
  /** Ballot → site → identity of the acceptor that voted under it at some time. */
  readonly #votes = new Map<string, Map<string, string>>();

  /** `acceptor ballot` of every PREPARE that is a promise. */
  readonly #promises = new Set<string>();

  /** The acceptor's log lost something: what it promised is what is left there. */
  forget(acceptor: string): void {
    this.#promised.delete(acceptor);
  }

  promise(acceptor: string, ballot: Ballot): void {
    if (compareBallots(ballot, this.#promiseOf(acceptor)) > 0) this.#promised.set(acceptor, ballot);
  }

  prepare(acceptor: string, ballot: Ballot): void {
    if (compareBallots(ballot, this.#promiseOf(acceptor)) <= 0) return;
    this.#promised.set(acceptor, ballot);
    this.#promises.add(`${acceptor} ${keyOf(ballot)}`);
  }

  /** Whether the acceptor may say yes to it: it has promised it, or voted for it, at some time. */
  mayAnswer(kind: 'prepare' | 'accept', acceptor: string, ballot: Ballot): boolean {
    if (kind === 'prepare') return this.#promises.has(`${acceptor} ${keyOf(ballot)}`);
    return [...(this.#votes.get(keyOf(ballot)) ?? [])].some(([, voter]) => voter === acceptor);
  }

  accept(site: string, acceptor: string, ballot: Ballot): void {
    if (compareBallots(ballot, this.#promiseOf(acceptor)) < 0) return;
    this.#promised.set(acceptor, ballot);
    const votes = this.#votes.get(keyOf(ballot)) ?? new Map<string, string>();
    this.#votes.set(keyOf(ballot), votes.set(site, acceptor));
  }

  /** How many of the sites, by default of all that vote, voted for it with a vote that counts. */
  countOf(ballot: Ballot, value: RegisterValue, sites = voters(value)): number {
    const votes = this.#votes.get(keyOf(ballot)) ?? new Map<string, string>();
    return sites.filter((site) => votes.has(site) && votes.get(site) === value.acceptors[site]).length;
  }

  /**
   * Whether it is surely chosen: by a majority; where it lets in another acceptor at one site, by so many of the other
   * sites that no majority is without one of them; and by all of them where it names acceptors for the first time.
   * @param before the value it follows; null when that is not known
   */
  isChosen(ballot: Ballot, value: RegisterValue, before: RegisterValue | null): boolean {
    const sites = voters(value);
    const majority = majorityOf(sites.length);
    const kept = sites.filter((site) => before?.acceptors[site] === value.acceptors[site]);
    if (kept.length === sites.length) return this.countOf(ballot, value, sites) >= majority;
    if (kept.length === sites.length - 1) return this.countOf(ballot, value, kept) > sites.length - majority;
    return this.countOf(ballot, value, sites) >= sites.length;
  }

  #promiseOf(acceptor: string): Ballot {
    return this.#promised.get(acceptor) ?? NO_BALLOT;
  }
}

function keyOf({ counter, site, process }: Ballot): string {
  return `${counter} ${site} ${process}`;
}
