/**
 * Looks at the control logs: what is told as chosen was, one value for each version, each change once and kept in all
 * that follows, one writer for each epoch, each epoch closed once, with its end held by enough sites before that, and
 * records only of writers the register knows.
 */

import { decodeControl, isControl } from '@tidemark/control/audit/control-record';
import { type Decision, decodeDecision, epochBegunBy } from '@tidemark/control/audit/decision';
import { type Ballot, formatBallot } from '@tidemark/control/consensus/ballot';
import type { RegisterAnswer, RegisterRequest } from '@tidemark/control/consensus/register-request';
import { CHANGES_KEPT, majorityOf, type RegisterValue, voters } from '@tidemark/control/consensus/register-value';
import type { LogRecord } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import type { Envelope } from '@tidemark/record/envelope';
import { isSuccessor } from '@tidemark/record/log-identity';
import { KEYSPACE } from '../clients/client.ts';
import type { Reply, Request } from '../cluster/exchange.ts';
import type { SimWorld } from '../world.ts';
import { Accepted } from './accepted.ts';
import type { Copies } from './copies.ts';
import { Votes } from './votes.ts';

export class Registers {
  /** The newest value that is chosen. */
  newest: RegisterValue | null = null;
  readonly accepted = new Accepted();
  readonly #votes = new Map<string, Votes>();
  readonly #chosen = new Map<number, RegisterValue>();
  /** Changes that a majority voted for under one ballot. */
  readonly #voted = new Set<string>();
  readonly #versions = new Map<string, string>();
  /** Epoch → site and writer, and where it ended. */
  readonly #writers = new Map<number, string>();
  readonly #epochEnds = new Map<number, string>();
  /** Epoch → by partition, the last seq of it that counts. */
  readonly #ends = new Map<number, readonly number[]>();
  /** Epochs of which some decision told how they began. */
  readonly #told = new Set<number>();
  /** Site → identity that its control log gives its acceptor, and where that stands. */
  readonly #acceptors = new Map<string, { readonly id: string; readonly offset: number }>();
  /** Epochs of which an election, or a commit, was voted for. */
  readonly #named = new Set<number>();
  readonly #committed = new Set<number>();
  readonly #copies: Copies;
  readonly #world: SimWorld;

  constructor(copies: Copies, world: SimWorld) {
    this.#copies = copies;
    this.#world = world;
  }

  /** A record of a control log. */
  take(site: string, topic: string, offset: number, value: Uint8Array): void {
    if (topic !== topicNames.control) return;
    // A topic that begins again: its site was wiped.
    if (offset === 0) this.#acceptors.delete(site);
    if (!isControl(value)) return;
    const { keyspace, body } = decodeControl(value);
    if (body.kind === 'Acceptor') this.#identify(site, offset, body.id);
    const votes = this.#votes.get(keyspace) ?? new Votes();
    this.#votes.set(keyspace, votes);
    const acceptor = this.#acceptors.get(site)?.id ?? '';
    if (body.kind === 'Decision') this.#decided(decodeDecision(body.decision));
    if (body.kind === 'Prepare') votes.prepare(acceptor, body.ballot);
    if (body.kind !== 'Accept' && body.kind !== 'Chosen') return;
    const { kind, ballot } = body;
    const proposed = JSON.parse(body.value) as RegisterValue;
    if (kind === 'Chosen') this.#checkChosen(votes, ballot, proposed, site);
    else this.#proposed(proposed);
    votes.accept(site, acceptor, ballot);
    const isChosen = votes.isChosen(ballot, proposed, this.#before(proposed));
    if (isChosen || votes.countOf(ballot, proposed) >= majorityOf(voters(proposed).length)) {
      this.#voted.add(proposed.changeId);
    }
    if (isChosen) this.#take(proposed);
  }

  /**
   * The newest value that is chosen and that this one was built upon. One in between may have been voted for by too few,
   * and be kept by what was built upon it: it let no acceptor in that both of these do not name, as none comes back.
   */
  #before({ version, changes }: RegisterValue): RegisterValue | null {
    const earlier = [...this.#chosen.values()].filter(
      (one) => one.version < version && (one.version === 0 || changes.includes(one.changeId)),
    );
    return earlier.reduce<RegisterValue | null>((a, b) => (a === null || b.version > a.version ? b : a), null);
  }

  /**
   * A control log holds only this any more: whose vote it is, and what that promised, follow from it anew. Where nobody
   * could tell that it had held more, it votes on; what comes of that is looked at, not that it does.
   */
  lost(site: string, topic: string, records: readonly LogRecord[]): void {
    if (topic !== topicNames.control) return;
    const known = this.#acceptors.get(site);
    this.#acceptors.delete(site);
    for (const votes of this.#votes.values()) votes.forget(known?.id ?? '');
    for (const { offset, value } of records) {
      const record = isControl(value) ? decodeControl(value) : null;
      if (record?.body.kind === 'Acceptor') this.#identify(site, offset, record.body.id);
      const acceptor = this.#acceptors.get(site)?.id ?? '';
      if (record?.body.kind === 'Prepare' || record?.body.kind === 'Accept')
        this.#votes.get(record.keyspace)?.promise(acceptor, record.body.ballot);
    }
  }

  /**
   * The first identity counts, and what succeeds it, until it is trimmed away; an append that landed late may have written
   * another one.
   */
  #identify(site: string, offset: number, id: string): void {
    const known = this.#acceptors.get(site);
    const start = this.#world.site(site).store.topic(topicNames.control)?.partitions[0]?.start ?? 0;
    if (known !== undefined && known.offset >= start && offset > known.offset && !isSuccessor(known.id, id)) return;
    this.#acceptors.set(site, { id, offset });
  }

  /** Rule 7: an acceptor says yes only to what its control log has it promise, or vote for. */
  answered(site: string, { path, body }: Request, reply: Reply): void {
    const [, keyspace] = /^\/v1\/internal\/register\/(.+)$/.exec(path) ?? [];
    const asked = body as RegisterRequest | null | undefined;
    if (keyspace === undefined || (asked?.kind !== 'prepare' && asked?.kind !== 'accept') || reply.status !== 200)
      return;
    const { ok, acceptor, promised } = reply.body as RegisterAnswer;
    if (!ok || this.#votes.get(keyspace)?.mayAnswer(asked.kind, acceptor, asked.ballot) === true) return;
    const words = `${site} said yes to ${asked.kind} under ${formatBallot(asked.ballot)}, its log has it refuse`;
    this.#world.fail('I1', `${words}; it says its promise is ${formatBallot(promised)}`);
  }

  /** Rule 8: what a process takes for chosen is. @param fields of a line in its log, of that or of anything else */
  heard(site: string, fields: { readonly version?: unknown; readonly changeId?: unknown }): void {
    const { version, changeId } = fields;
    if (typeof changeId !== 'string' || version === 0 || this.#voted.has(changeId)) return;
    this.#world.fail('I1', `${site} takes version ${version} (${changeId}) for chosen, no majority has accepted it`);
  }

  #checkChosen(votes: Votes, ballot: Ballot, value: RegisterValue, site: string): void {
    const need = majorityOf(voters(value).length);
    const count = votes.countOf(ballot, value);
    if (count >= need || votes.isChosen(ballot, value, this.#before(value))) return;
    const words = `version ${value.version} is told as chosen at ${site} under ${formatBallot(ballot)}`;
    this.#world.fail('I1', `${words}: ${count} sites had accepted it, ${need} are a majority`);
  }

  /** What is chosen; more than once when more sites than needed voted for it. */
  #take(value: RegisterValue): void {
    const { version, changeId, terms } = value;
    if (version === 0 || this.#chosen.get(version)?.changeId === changeId) return;
    this.#one(this.#versions, changeId, String(version), `version of change ${changeId}`);
    for (const other of this.#chosen.values()) this.#checkKept(value, other);
    this.#chosen.set(version, value);
    this.accepted.chosen(value);
    for (const { epoch, site: origin, writerId, epochEnds } of terms) {
      this.#one(this.#writers, epoch, `${origin} ${writerId}`, `writer of epoch ${epoch}`);
      if (epochEnds === null) continue;
      const where = epochEnds.map(({ seq, chain }) => `${seq} ${chain}`).join();
      this.#one(this.#epochEnds, epoch, where, `cut of epoch ${epoch}`);
      this.#ends.set(
        epoch,
        epochEnds.map(({ seq }) => seq),
      );
    }
    if (this.newest === null || version > this.newest.version) this.newest = value;
  }

  /** True once it was decided that a record does not count. */
  isBeyond({ epoch, partition, seq }: { readonly epoch: number; readonly partition: number; readonly seq: number }) {
    const end = this.#ends.get(epoch)?.[partition];
    return end !== undefined && seq > end;
  }

  /** Of two values that were chosen, the later one is built upon the earlier one. */
  #checkKept(one: RegisterValue, other: RegisterValue): void {
    const [early, late] = one.version <= other.version ? [one, other] : [other, one];
    if (late.version - early.version >= CHANGES_KEPT || late.changes.includes(early.changeId)) return;
    this.#world.fail('I1', `version ${early.version} (${early.changeId}) was chosen and is not in ${late.version}`);
  }

  #one<K>(known: Map<K, string>, key: K, value: string, what: string): void {
    const before = known.get(key);
    if (before !== undefined && before !== value) this.#world.fail('I1', `${what}: ${before} and ${value}`);
    known.set(key, value);
  }

  #decided(decision: Decision): void {
    this.accepted.decided(decision);
    const epoch = epochBegunBy(decision);
    if (epoch !== null) this.#told.add(epoch);
  }

  /** At the end: every closed term has a decision, whenever it was written down. @returns one that has none, in words */
  untold(): string | null {
    const closed = this.newest?.terms.filter(({ epochEnds }) => epochEnds !== null) ?? [];
    const untold = closed.find(({ epoch }) => !this.#told.has(epoch));
    return untold === undefined ? null : `epoch ${untold.epoch} of ${untold.site} began, and no decision says how`;
  }

  /** At the end: no election is open, every member is trusted, every vote counts. @returns who is missing, in words */
  allCount(): string | null {
    const { newest } = this;
    if (newest === null) return 'nothing was chosen';
    if (newest.election !== null) return `an election of ${newest.election.site} is open`;
    const member = newest.members.find(({ state }) => state !== 'ACTIVE');
    if (member !== undefined) return `${member.site} is in ${member.state}`;
    const silent = this.silent();
    return silent === null ? null : `the vote of ${silent} is not let in`;
  }

  /** A site whose vote does not count; null: all do. */
  silent(): string | null {
    const counted = this.newest?.acceptors ?? {};
    return [...this.#acceptors].find(([site, { id }]) => counted[site] !== id)?.[0] ?? null;
  }

  /** Whether no site holds the end of a closed term any more: nobody can lead then, whatever an operator accepts. */
  isEndGone(): boolean {
    const ends = this.newest?.terms.flatMap(({ epoch, epochEnds }) =>
      (epochEnds ?? []).map(({ seq }, partition) => ({ epoch, partition, seq })),
    );
    return (ends ?? []).some(
      ({ epoch, partition, seq }) => seq >= 0 && this.#copies.at(KEYSPACE, epoch, partition, seq)?.holders.size === 0,
    );
  }

  #proposed(value: RegisterValue): void {
    const { election } = value;
    if (election !== null && !this.#named.has(election.epoch)) {
      this.#named.add(election.epoch);
      this.#world.sign('named', election.site);
    }
    this.#checkCommit(value);
  }

  /** I9: before a term is named, its site and k others have held everything up to the epoch ends of those before it (E6). */
  #checkCommit(value: RegisterValue): void {
    const term = value.terms.at(-1);
    if (value.election !== null || term === undefined || this.#committed.has(term.epoch)) return;
    this.#committed.add(term.epoch);
    this.#world.sign('commits', term.site);
    const closed = value.terms.filter(({ epochEnds }) => epochEnds !== null);
    if (closed.length === 0) return;
    const holders = value.members.filter(({ site }) =>
      closed.every(({ site: origin, epoch, epochEnds }) =>
        epochEnds!.every(({ seq }, partition) =>
          this.#copies.copy(site, { keyspace: value.keyspace, origin, partition }).hasHeld(epoch, seq),
        ),
      ),
    );
    const names = holders.map(({ site }) => site);
    if (names.includes(term.site) && names.length > value.ack.k) return;
    const held = names.length === 0 ? 'nobody' : names.join(', ');
    this.#world.fail('I9', `epoch ${term.epoch} of ${term.site} was to begin when ${held} held all that came before`);
  }

  /** At the end: every epoch that was begun is one the register gave to that writer. */
  checkStarts(starts: Iterable<Envelope>): void {
    for (const { epoch, origin, body } of starts) {
      if (body.kind !== 'EpochStart') continue;
      const named = this.#writers.get(epoch);
      const found = `${origin} ${body.writerId}`;
      if (named !== found) this.#world.fail('I1', `epoch ${epoch} was begun by ${found}, the register says ${named}`);
    }
  }
}
