/**
 * Runs one election for this site (protocol E2–E7): names itself in the register, has the newest term fenced at every
 * member, works out where it ends, sees to it that enough members hold that, and commits. What to conclude from the
 * answers is decided in `packages/control`; this asks, waits and asks again.
 */

import { isDeepStrictEqual } from 'node:util';
import type { LossRule } from '@tidemark/control/consensus/loss-rule';
import type { Register } from '@tidemark/control/consensus/register';
import {
  beginElection,
  commitElection,
  supersededBy,
  withdrawElection,
} from '@tidemark/control/consensus/register-changes';
import {
  type Election,
  type EpochEndAt,
  type Member,
  memberNamed,
  newestTerm,
  type RegisterValue,
  type Term,
} from '@tidemark/control/consensus/register-value';
import { proofOf, remedyOf, unknownOf, unknownOfLoss, whyNotClosed } from '@tidemark/control/failover/closure-words';
import {
  asLed,
  closureOf,
  epochEndsOf,
  type FenceReport,
  holdersOf,
  levelFor,
  mayStandUnfit,
  reportedOf,
  unfitnessToStand,
} from '@tidemark/control/failover/election';
import { type Loss, type LossChoices, lossInWords, lossRemedy } from '@tidemark/control/failover/loss';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { type AckLevel, formatAck, type Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { adoptFound } from './adoption.ts';
import { type Campaign, type Closed, type Outcome, type Phase, UnfitToStand, type Waiting } from './campaign.ts';
import { drain } from './drain.ts';
import { LEASE_OVER_MS } from './lease.ts';
import type { LossyEnd } from './lossy-ends.ts';
import type { Members } from './members.ts';

/** An election is given this long; then another candidate may do better. */
const ELECTION_MS = 30_000;
const AGAIN_MS = 100;
/** An election that has not ended by then says what it waits for. */
const TOLD_MS = 3_000;
/** How long a first term waits for members that have not answered: those that do not are left to be readmitted. */
const FIRST_MS = 5_000;
/** How long an election waits for as many holders as the keyspace's own level needs, before it takes a lower one. */
const DEGRADE_MS = 3_000;
/** So long members may answer that know more than what others had last heard of a copy. */
const HEARSAY_MS = 3_000;
/** How long an operator's lossy election waits for members whose word would make it lossless. */
const LOSSY_MS = 5_000;

/** What one election asks, and whom it tells. */
export type ElectionRunParts = {
  /** This site. */
  readonly site: string;
  readonly keyspace: Keyspace;
  readonly members: Members;
  readonly register: Register;
  /** The newest value known here to be chosen; null before the register was read. */
  readonly current: () => RegisterValue | null;
  /** Looks whether the own log holds what its writer has noted of these terms. @throws {Fault} `corrupt`: it does not */
  readonly checkNoted: (terms: readonly Term[]) => Promise<void>;
  /** Where the newest term is cut when records of it are lost for good, if that loses no more than was accepted. */
  readonly lossyEnd: (value: RegisterValue, received: readonly EpochEndAt[], loss: LossRule) => Promise<LossyEnd>;
  readonly clock: Clock;
  readonly random: Random;
  /** Told what an election waits for that takes long, and what an operator can do; null: for nothing any more. */
  readonly onWaiting: (waiting: Waiting | null) => void;
};

const NOTHING_LOST: Loss = { records: 0, rows: 0 };

/** Null cuts: there is no term to close. */
type Closable = { readonly epochEnds: readonly EpochEndAt[] | null } & Pick<Closed, 'how' | 'lost' | 'unknown'>;
type Closing = Closable | { readonly superseded: string } | { readonly tooMuch: LossChoices };

/** One election with a writer id of its own; it runs once. */
export class ElectionRun {
  readonly writerId: string;
  readonly #parts: ElectionRunParts;
  readonly #members: Members;
  readonly #signal: AbortSignal;
  readonly #reports = new Map<string, FenceReport>();
  readonly #phases: Phase[] = [];
  #beganMs = 0;
  #namedMs = 0;
  #markedMs = 0;
  #withdrawn: string | null = null;
  #epoch: number | null = null;

  constructor(parts: ElectionRunParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#members = parts.members;
    this.#signal = signal;
    this.writerId = parts.random.id();
  }

  /**
   * @throws {Fault} `unavailable`: the register cannot be read, or the term cannot be closed in time; the election may
   *   stand open, for this site or another to take over. `corrupt`: two histories under one position.
   * @throws {UnfitToStand} nothing was begun
   */
  async run(campaign: Campaign): Promise<Outcome> {
    this.#beganMs = this.#markedMs = this.#parts.clock.monotonicMs();
    if (campaign.loss === null) {
      await this.#checkFitness(campaign);
      await this.#parts.checkNoted(this.#parts.current()?.terms ?? []);
    }
    if (campaign.cause === 'switchover') {
      const { register, members, site, clock } = this.#parts;
      const refusal = await drain({ register, members, site, clock, signal: this.#signal });
      if (refusal !== null) return this.#lost(refusal);
      this.#mark('drained');
    }
    const named = await this.#name(campaign);
    if ('refused' in named) return this.#lost(named.refused);
    this.#mark('named');
    this.#namedMs = this.#markedMs;
    // What the register holds by now may be built upon this one: somebody else's election is not to be run.
    if (named.value.election?.writerId !== this.writerId) return this.#lost('the election is over already');
    try {
      const adopted = await this.#adopt(named.value);
      if (typeof adopted === 'string') return this.#lost(adopted);
      const value = adopted;
      const { election } = value;
      if (election?.writerId !== this.writerId) return this.#lost('the election is over already');
      // Which it may not have been named with: what is found in the logs lifts it.
      this.#epoch = election.epoch;
      const closing = await this.#close(value, election);
      this.#mark('fenced');
      if ('superseded' in closing) return this.#lost(closing.superseded);
      if ('tooMuch' in closing) return this.#refused(value, election, closing.tooMuch);
      const { epochEnds } = closing;
      const held = await this.#holdEnough(value, election, epochEnds);
      if (typeof held === 'string') return this.#lost(held);
      this.#mark('filled');
      const how = `${closing.how}; ${keptWords(epochEnds, held)}`;
      return await this.#commit(value, election, { ...closing, how }, held);
    } finally {
      this.#parts.onWaiting(null);
    }
  }

  /**
   * Who has to be filled first stands only where it keeps nobody from writing: asked by a primary that writes no more, or
   * where no whole member has ended an election that is open.
   * @throws {UnfitToStand} it does not. @throws {Fault} `unavailable`: not yet
   */
  async #checkFitness(campaign: Campaign): Promise<void> {
    const { current, site, keyspace } = this.#parts;
    const own = await this.#members.copies(site);
    const value = current();
    const unfit = own === null || value === null ? null : unfitnessToStand(value, own);
    if (unfit === null || mayStandUnfit(campaign)) return;
    const message = `no election of ${keyspace.name}: ${unfit}`;
    throw campaign.openMs === undefined ? new UnfitToStand(message) : new Fault('unavailable', message);
  }

  /** Why it can win nothing any more; null while it can. */
  supersededBy(value: RegisterValue): string | null {
    return this.#epoch === null ? null : supersededBy(value, { epoch: this.#epoch, writerId: this.writerId });
  }

  /** Ends the election at its next look, for an operator's that may lose what this one may not. It stays open. */
  withdraw(reason: string): void {
    this.#withdrawn = reason;
  }

  #mark(name: Phase['name']): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#phases.push({ name, ms: Math.round(nowMs - this.#markedMs) });
    this.#markedMs = nowMs;
  }

  #lost(reason: string): Outcome {
    return { kind: 'lost', reason, phases: this.#phases };
  }

  /** E2. */
  async #name({ cause, reason, loss, version }: Campaign) {
    const { register, site, clock } = this.#parts;
    const { writerId } = this;
    const wanted = version ?? (await register.read(this.#signal)).version;
    const beginning = { site, writerId, cause, reason, loss, beganMs: clock.nowMs(), version: wanted };
    return register.change((value, changeId) => beginElection(value, changeId, beginning), this.#signal);
  }

  /** Before a first term: what the logs hold of earlier ones is put into the register. */
  #adopt(value: RegisterValue): Promise<RegisterValue | string> {
    const again = (election: Election, why: string, remedy: string): Promise<string | null> =>
      this.#again(election, why, remedy);
    const { keyspace, register, members } = this.#parts;
    return adoptFound({ keyspace, register, members, again }, value);
  }

  /** E3–E5: asks until the newest term is closed. */
  async #close(value: RegisterValue, election: Election): Promise<Closing> {
    const { keyspace } = this.#parts;
    // Nothing stops the writer of a local term but its lease, and what it acks beyond the epoch end is lost.
    const lossyMs = value.ack.k === 0 ? LEASE_OVER_MS : LOSSY_MS;
    for (;;) {
      await this.#members.fenceAll(value, election, this.#reports);
      const reports = [...this.#reports.values()];
      const closure = closureOf(value, reports);
      const epochEnds = epochEndsOf(value, reports, keyspace.partitions);
      if ('conflict' in epochEnds)
        throw new Fault('corrupt', `election of epoch ${election.epoch}: ${epochEnds.conflict}`);
      if ('superseded' in epochEnds) return epochEnds;
      const mayKnowMore = closure.kind === 'lossless' && closure.isHearsay && this.#sinceNamedMs() <= HEARSAY_MS;
      if (closure.kind === 'lossless' && !mayKnowMore) {
        const { by } = closure;
        const unknown = unknownOf(value, closure, reports);
        const lost = unknown === null ? NOTHING_LOST : null;
        if (by !== 'first') return { epochEnds: epochEnds.epochEnds, how: proofOf(value, by, reports), lost, unknown };
        if (reports.length === value.members.length || this.#ageMs() > FIRST_MS) {
          return { epochEnds: null, how: by, lost, unknown };
        }
      } else if (closure.kind === 'lossy' && this.#sinceNamedMs() > lossyMs) {
        const received = epochEnds.epochEnds ?? [];
        // The epoch end is read from this site's copy, which may lack what others have.
        await this.#members.fill(
          value,
          received,
          this.#parts.site,
          reports.map((report) => report.site),
        );
        const epochEnd = await this.#parts.lossyEnd(value, received, election.loss!);
        if ('tooMuch' in epochEnd) return epochEnd;
        const { mode, loss } = epochEnd;
        const where =
          mode === 'received' ? 'all that was received is kept' : 'back to the newest moment received whole';
        const how = `with a loss of ${loss.rows} rows at most, ${where}: ${whyNotClosed(value, reports)}`;
        return { epochEnds: epochEnd.epochEnds, how, lost: loss, unknown: unknownOfLoss(value, reports) };
      }
      const why =
        closure.kind === 'lossless'
          ? (unknownOf(value, closure, reports) ?? `${reports.length} of ${value.members.length} members answered`)
          : `${closure.have} of ${closure.need} members fenced that are vouched for; ${whyNotClosed(value, reports)}`;
      const message = `epoch ${election.epoch}: ${why}`;
      const gone = await this.#again(election, message, remedyOf(value, this.#parts.site, reports));
      if (gone !== null) return { superseded: gone };
    }
  }

  /** Nothing is changed by it: the register has no election any more, and the term before goes on where its writer lives. */
  async #refused(value: RegisterValue, election: Election, choices: LossChoices): Promise<Outcome> {
    const { register, site } = this.#parts;
    const { epoch, writerId } = election;
    await register.change((now, changeId) => withdrawElection(now, changeId, { epoch, writerId }), this.#signal);
    const from = newestTerm(value)!.site;
    return {
      kind: 'refused',
      reason: `${lossInWords(choices)}, and ${election.loss!.rowsMax} were accepted`,
      remedy: lossRemedy(from, site, choices),
      phases: this.#phases,
    };
  }

  #sinceNamedMs(): number {
    return this.#parts.clock.monotonicMs() - this.#namedMs;
  }

  #ageMs(): number {
    return this.#parts.clock.monotonicMs() - this.#beganMs;
  }

  /**
   * E6: fills this site, then the others, until enough hold everything for the keyspace's level; or, after a while, for
   * a lower one that it allows. @returns the level; or why the election is lost
   */
  async #holdEnough(
    value: RegisterValue,
    election: Election,
    epochEnds: readonly EpochEndAt[] | null,
  ): Promise<Held | string> {
    const { site, keyspace } = this.#parts;
    if (epochEnds === null) return { level: keyspace.ack, holders: [], leader: null };
    const beganMs = this.#ageMs();
    const levelOf = (copies: readonly SiteCopies[], kMin: number): AckLevel | null => {
      const led = asLed(value, election, copies);
      return levelFor(led, election, holdersOf(led, epochEnds, copies), keyspace.ack, kMin);
    };
    for (;;) {
      const sites = value.members.map((member) => member.site);
      const copies = await this.#members.holdings(sites, (some) => levelOf(some, keyspace.ack.k) !== null);
      const isLate = this.#ageMs() - beganMs > DEGRADE_MS;
      const level = levelOf(copies, isLate ? value.degradeTo : keyspace.ack.k);
      const holders = holdersOf(value, epochEnds, copies).map((holder) => holder.site);
      const led = memberNamed(asLed(value, election, copies), site);
      const leader = isDeepStrictEqual(led, memberNamed(value, site)) ? null : led;
      if (level !== null) return { level, holders, leader };
      const lacking = copies.map((answer) => answer.site).filter((one) => !holders.includes(one));
      const first = lacking.includes(site) ? [site] : lacking;
      const filling = first.map((one) =>
        this.#members.fill(value, epochEnds, one, [...holders, ...copies.map((c) => c.site)]),
      );
      await Promise.all(filling);
      const need = keyspace.ack.k + 1;
      const message = `epoch ${election.epoch}: ${holders.length} members hold everything, ${need} are needed for ${formatAck(keyspace.ack)}`;
      const silent = sites.filter((one) => copies.every((answer) => answer.site !== one)).join(', ');
      const remedy = silent === '' ? 'none is needed: they are being filled' : `bring ${silent} back`;
      const gone = await this.#again(election, message, remedy);
      if (gone !== null) return gone;
    }
  }

  /** Waits a little. @returns why going on is useless. @throws {Fault} `unavailable`: it took too long; `message` says why */
  async #again(election: Election, message: string, remedy: string): Promise<string | null> {
    const { clock, register, onWaiting } = this.#parts;
    if (this.#ageMs() > TOLD_MS) onWaiting({ epoch: election.epoch, why: message, remedy });
    if (this.#signal.aborted) throw new Fault('unavailable', `${message}; the site is stopping`);
    if (this.#withdrawn !== null) return this.#withdrawn;
    if (this.#ageMs() > ELECTION_MS) throw new Fault('unavailable', `${message}, after ${ELECTION_MS} ms`);
    await clock.sleep(AGAIN_MS, this.#signal);
    const now = await register.read(this.#signal);
    const isStillOurs = now.election?.epoch === election.epoch && now.election.writerId === this.writerId;
    return isStillOurs ? null : `the register moved on to version ${now.version}`;
  }

  /** E7. */
  async #commit(
    value: RegisterValue,
    election: Election,
    { epochEnds, how, lost, unknown }: Closable,
    { level: ack, leader }: Held,
  ): Promise<Outcome> {
    const { register, clock } = this.#parts;
    const { epoch, writerId } = election;
    const told = reportedOf(value, [...this.#reports.values()], this.#parts.site);
    const others = told.filter((member) => member.site !== leader?.site);
    const reported = leader === null ? others : [...others, leader];
    const commit = { epoch, writerId, epochEnds, reported, ack, nowMs: clock.nowMs() };
    const committed = await register.change((now, changeId) => commitElection(now, changeId, commit), this.#signal);
    if ('refused' in committed) return this.#lost(committed.refused);
    this.#mark('committed');
    const before = newestTerm(value);
    const lowered = ack.k < this.#parts.keyspace.ack.k ? `, at ${formatAck(ack)} for want of holders` : '';
    const closed = { from: before?.site ?? null, epoch: before?.epoch ?? 0, how: how + lowered, lost, unknown };
    return { kind: 'won', elected: { value: committed.value, epoch, writerId }, closed, phases: this.#phases };
  }
}

/** The level a term begins at, and who holds everything before it. */
type Held = {
  readonly level: AckLevel;
  readonly holders: readonly string[];
  /** The candidate as it is to be a member; null: as it is. */
  readonly leader: Member | null;
};

const ENDS_TOLD_MAX = 16;

/** What was kept, for people: by partition the last seq, and who holds it. */
function keptWords(epochEnds: readonly EpochEndAt[] | null, { holders }: Held): string {
  if (epochEnds === null) return 'there was nothing before';
  const told = epochEnds.slice(0, ENDS_TOLD_MAX).map(({ seq }) => seq);
  const more = epochEnds.length > told.length ? ` and ${epochEnds.length - told.length} partitions more` : '';
  return `it was cut at ${told.join(', ')}${more}, all of it held by ${holders.join(', ')}`;
}
