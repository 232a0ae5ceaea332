/**
 * Who writes a keyspace at this site, and when it becomes somebody: it watches the register, runs an election when there
 * is a reason to (protocol E1), terms while the register names it, and ends when it does not. The site's process lives
 * on: what the protocol calls a writer process is one `Writer`.
 */

import { ELECTION_STALE_MS, isFencedInVain } from '@tidemark/control/consensus/register-changes';
import {
  type Cause,
  memberNamed,
  newestTerm,
  primaryOf,
  type RegisterValue,
} from '@tidemark/control/consensus/register-value';
import { mayStandUnfit } from '@tidemark/control/failover/election';
import type { Keyspace } from '@tidemark/model/table';
import { Peer } from '@tidemark/peer/peer';
import type { Nomination } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import { Notifier } from '@tidemark/platform/sync/notifier';
import type { Elected } from '../elected.ts';
import { type Campaign, type Outcome, UnfitToStand, type Waiting } from './campaign.ts';
import type { ElectionRun, ElectionRunParts } from './election.ts';
import { LEASE_OVER_MS } from './lease.ts';

const LOOK_MS = 200;
const STOOD_STILL = 'the election of epoch ';
const RETRY_MS = 500;
/** A primary that may not write waits so long for that to be over, before it hands over. */
const TROUBLED_MS = 3_000;
/** Whoever was asked to take over is given so long. */
const HAND_OVER_EVERY_MS = 8_000;
/** How much longer or shorter than the others a site waits before it takes an election over. */
const STALE_JITTER_MS = 3_000;

/** What leads: a writer with its ingest. */
export interface LeadingWriter extends AsyncDisposable {
  readonly epoch: number;
  readonly writerId: string;
  registerChanged(value: RegisterValue): void;
}

/** What the loop of one keyspace needs; `election` makes one to stand in, `term` the writer once elected. */
export type ElectionLoopParts<R extends LeadingWriter> = {
  readonly site: string;
  readonly keyspace: Keyspace;
  readonly network: Network;
  /** Where a site's HTTP is, this site's included. */
  readonly placeOf: (site: string) => string;
  /** The newest value known here to be chosen; null before the register was read. */
  readonly current: ElectionRunParts['current'];
  readonly election: (onWaiting: ElectionRunParts['onWaiting'], signal: AbortSignal) => ElectionRun;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Why this site's clock is not to be trusted with stamps; null when it is. */
  readonly clockTrouble: () => string | null;
  /** Why another site should lead: what is missing in this one's log comes back once it is only copied; null: no need. */
  readonly logTrouble: () => string | null;
  /** Why no term should begin by it: the same, or nobody was asked yet whether it is right. */
  readonly clockDoubt: () => string | null;
  /** Begins to write as elected, unless `signal` aborts first; `onEnded` is told when it can go on no more. */
  readonly term: (elected: Elected, onEnded: (error: unknown) => void, signal: AbortSignal) => Promise<R>;
  /** Told of each election that was run here, and why one began. */
  readonly onOutcome: (
    campaign: Campaign,
    outcome: Outcome | ({ readonly kind: 'waiting' } & Waiting) | { readonly kind: 'failed'; readonly error: unknown },
  ) => void;
  readonly onFatal: (error: unknown) => void;
};

/** `over` is aborted, with the reason, once the register has something else instead of it. */
type Standing = { readonly candidate: ElectionRun; readonly campaign: Campaign; readonly over: AbortController };

/** The loop of one keyspace at one site, from `start` until disposal; there is at most one writer of it at a time. */
export class ElectionLoop<R extends LeadingWriter> implements AsyncDisposable {
  readonly #parts: ElectionLoopParts<R>;
  readonly #stop = new AbortController();
  #leading: R | null = null;
  #nominated: Campaign | null = null;
  /** Why this site must not write while the register lists its logs under these identities: one lost its end. */
  #unfit: { readonly reason: string; readonly logIds: string; readonly isCorrupt: boolean } | null = null;
  /** The open election's epoch, 0 for none, when it was first seen, and how long it may stand from then. */
  #seen = { epoch: 0, atMs: 0, staleMs: 0 };
  /** Since when it should not lead; null: it may. And from when on another one may be asked to. */
  #troubledMs: number | null = null;
  #askAgainMs = 0;
  readonly #news = new Notifier();
  #running: Promise<void> = Promise.resolve();
  #waiting: Waiting | null = null;
  /** The election that is run here, and what for. */
  #standing: Standing | null = null;

  constructor(parts: ElectionLoopParts<R>) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run().catch((error) => {
      if (!this.#stop.signal.aborted) this.#parts.onFatal(error);
    });
  }

  /** Who writes here now; null when nobody does. */
  get leading(): R | null {
    return this.#leading;
  }

  /** What keeps an election here open that takes long; null: nothing. */
  get waiting(): Waiting | null {
    return this.#waiting;
  }

  /** Why this site stands for election; null while it does not. */
  get standsFor(): Cause | null {
    return this.#standing?.campaign.cause ?? null;
  }

  get isCampaigning(): boolean {
    return this.#standing !== null;
  }

  /**
   * Asks this site to become the primary. A wish that accepts a loss goes before an election here that may lose nothing,
   * which could stand open for ever; it still loses nothing where that one could have been won.
   * @throws {Fault} `conflict`: it cannot be, or is already; `unavailable`: it is in an election.
   */
  nominate(campaign: Campaign): void {
    const { site, keyspace } = this.#parts;
    const value = this.#parts.current();
    const refuse = (message: string): never => {
      throw new Fault('conflict', `keyspace ${keyspace.name}: ${message}`, { got: site });
    };
    const standing = this.#standing;
    const isWithdrawn = campaign.loss !== null && standing !== null && standing.campaign.loss === null;
    if (this.#nominated !== null || (standing !== null && !isWithdrawn)) {
      throw new Fault('unavailable', `keyspace ${keyspace.name}: ${site} is in an election`, { retryAfterMs: 1_000 });
    }
    if (this.#leading !== null) refuse(`${site} is its primary already, in epoch ${this.#leading.epoch}`);
    // Who accepts a loss may have nobody left that is whole, nor has a primary that writes no more.
    if (this.#isUnfit(campaign)) refuse(`${site} cannot write: ${this.#unfit!.reason}`);
    const doubt = this.#parts.clockDoubt();
    if (doubt !== null) refuse(`${site} cannot write: ${doubt}`);
    if (campaign.loss === null && value !== null && newestTerm(value) !== null && !isActive(value, site)) {
      refuse(`${site} is being rebuilt; wait until it is level again`);
    }
    standing?.candidate.withdraw('an operator accepts a loss');
    this.#nominated = campaign;
    this.#news.notify();
  }

  /** The register changed. */
  registerChanged(value: RegisterValue): void {
    this.#leading?.registerChanged(value);
    const standing = this.#standing;
    const over = standing?.candidate.supersededBy(value) ?? null;
    if (over !== null) standing!.over.abort(over);
    this.#news.notify();
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = this.#news.count;
      const value = this.#parts.current();
      if (value !== null) {
        this.#note(value);
        await this.#stepDown(value);
        const campaign = this.#reason(value);
        if (campaign !== null) {
          if (this.#leading !== null) await this.#end(this.#leading);
          await this.#campaign(campaign);
        } else await this.#handOver(value);
      }
      await this.#news.within(clock, LOOK_MS, seen, signal);
    }
  }

  #note(value: RegisterValue): void {
    const { clock, random, site } = this.#parts;
    if (this.#unfit !== null && this.#listedLogIds(value) !== this.#unfit.logIds && isActive(value, site)) {
      this.#unfit = null;
    }
    // Other changes of the register keep no election alive.
    const epoch = value.election?.epoch ?? 0;
    if (epoch === this.#seen.epoch) return;
    // One that may lose what a local writer acked waits for that one's lease first, and does not stand still.
    const leaseMs = value.ack.k === 0 && value.election?.loss != null ? LEASE_OVER_MS : 0;
    const staleMs = ELECTION_STALE_MS + leaseMs + (random.fraction() * 2 - 1) * STALE_JITTER_MS;
    this.#seen = { epoch, atMs: clock.monotonicMs(), staleMs };
  }

  #listedLogIds(value: RegisterValue | null): string {
    return JSON.stringify(value === null ? null : memberNamed(value, this.#parts.site)?.logIds);
  }

  /** A writer whose term is not the newest one has nothing left to do. */
  async #stepDown(value: RegisterValue): Promise<void> {
    const leading = this.#leading;
    const newest = newestTerm(value);
    if (leading === null || newest === null) return;
    // An election that was withdrawn has fenced copies of it: they never count for this epoch again.
    const isVain = newest.epoch === leading.epoch && isFencedInVain(value);
    if (newest.epoch <= leading.epoch && !isVain) return;
    const { keyspace, logger, site } = this.#parts;
    const why = isVain ? 'its copies were fenced' : `${newest.site} has epoch ${newest.epoch}`;
    const message = `keyspace ${keyspace.name}: epoch ${leading.epoch} of ${site} is over, ${why}`;
    logger.warn({ keyspace: keyspace.name, epoch: leading.epoch, newest: newest.epoch }, message);
    await this.#end(leading);
  }

  async #end(leading: R): Promise<void> {
    if (this.#leading === leading) this.#leading = null;
    await leading[Symbol.asyncDispose]();
  }

  /** E1: why an election should begin here now; null when there is no reason. */
  #reason(value: RegisterValue): Campaign | null {
    const { site, keyspace } = this.#parts;
    const nominated = this.#nominated;
    this.#nominated = null;
    // Nothing is acked, nor may who counts be changed, while an election is open: where nobody ends it, its primary does.
    const mustEndIt = this.#leading !== null && nominated === null && this.#standsStill(value);
    const isUnfit = nominated === null ? value.election === null || this.#unfit?.isCorrupt : this.#isUnfit(nominated);
    if ((this.#leading !== null && !mustEndIt) || (this.#unfit !== null && isUnfit)) {
      const reason = this.#unfit?.reason ?? `${site} is the primary already, in epoch ${this.#leading!.epoch}`;
      if (nominated !== null) this.#parts.onOutcome(nominated, { kind: 'lost', reason, phases: [] });
      return null;
    }
    if (nominated !== null) return nominated;
    // What a term begins with is stamped, and every later stamp is above it.
    if (this.#parts.clockDoubt() !== null || this.#parts.logTrouble() !== null) return null;
    const { election, version } = value;
    if (election === null) {
      if (primaryOf(value, keyspace) !== site) return null;
      const reason = newestTerm(value) === null ? 'the keyspace is new' : 'its writer process is a new one';
      return { cause: 'start', reason, loss: null, version };
    }
    // Whoever began it here is no more: an election of this very process would still be running.
    const isOrphan = election.site === site;
    const isFit = newestTerm(value) === null || isActive(value, site);
    if (!isFit || (!isOrphan && !this.#standsStill(value))) return null;
    // Of many that stood still one after the other the first is told.
    const isTold = election.reason.startsWith(STOOD_STILL);
    const reason = isTold
      ? election.reason
      : `${STOOD_STILL}${election.epoch} by ${election.site} (${election.reason}) stood still`;
    const openMs = this.#parts.clock.monotonicMs() - this.#seen.atMs;
    return { cause: isOrphan ? election.cause : 'takeover', reason, loss: election.loss, version, openMs };
  }

  #standsStill({ election }: RegisterValue): boolean {
    return election !== null && this.#parts.clock.monotonicMs() - this.#seen.atMs > this.#seen.staleMs;
  }

  async #campaign(campaign: Campaign): Promise<void> {
    const { clock, logger, keyspace, onOutcome } = this.#parts;
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, over.signal]);
    const onWaiting = (waiting: Waiting | null): void => {
      if (over.signal.aborted) return;
      this.#waiting = waiting;
      if (waiting !== null) onOutcome(campaign, { kind: 'waiting', ...waiting });
    };
    const candidate = this.#parts.election(onWaiting, signal);
    this.#standing = { candidate, campaign, over };
    try {
      const outcome = await this.#unlessOver(candidate.run(campaign), over.signal);
      // What was decided is told whatever becomes of the term.
      onOutcome(campaign, outcome);
      if (outcome.kind === 'won') return await this.#term(outcome.elected, signal);
      logger.info({ keyspace: keyspace.name, reason: outcome.reason }, `election not won: ${outcome.reason}`);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!isFault(error)) throw error;
      onOutcome(campaign, { kind: 'failed', error });
      logger.warn({ keyspace: keyspace.name, error: messageOf(error) }, `election failed: ${error.message}`);
      if (error.kind === 'corrupt' || error instanceof UnfitToStand) this.#disable(error);
    } finally {
      this.#standing = null;
      this.#waiting = null;
    }
    await clock.sleep(RETRY_MS, this.#stop.signal);
  }

  /** What an election that is over still asks and waits for nobody needs: it can change nothing any more. */
  #unlessOver(running: Promise<Outcome>, over: AbortSignal): Promise<Outcome> {
    running.catch((error) => {
      if (over.aborted && !isFault(error)) this.#parts.onFatal(error);
    });
    const superseded = new Promise<Outcome>((resolve) => {
      const end = (): void => resolve({ kind: 'lost', reason: String(over.reason), phases: [] });
      over.addEventListener('abort', end, { once: true });
    });
    return Promise.race([running, superseded]);
  }

  #disable(error: Fault): void {
    const logIds = this.#listedLogIds(this.#parts.current());
    this.#unfit = { reason: error.message, logIds, isCorrupt: !(error instanceof UnfitToStand) };
  }

  /** Whether it must not be asked: nobody is kept from writing while it is filled where its primary writes no more. */
  #isUnfit(campaign: Campaign): boolean {
    if (this.#unfit === null || campaign.loss !== null) return false;
    return this.#unfit.isCorrupt || !mayStandUnfit(campaign);
  }

  /** Why this site should not lead, in words; null: it may. */
  #whyNotLead(): string | null {
    const { site, clockTrouble, logTrouble } = this.#parts;
    const reason = this.#unfit?.reason ?? clockTrouble();
    return reason === null ? logTrouble() : `${site} cannot write: ${reason}`;
  }

  /** A primary that should not lead asks another member to: one that leads hands over, and loses nothing. */
  async #handOver(value: RegisterValue): Promise<void> {
    const { site, keyspace, clock } = this.#parts;
    const trouble = this.#whyNotLead();
    const nowMs = clock.monotonicMs();
    if (trouble === null) this.#troubledMs = null;
    else this.#troubledMs ??= nowMs;
    if (trouble === null || value.election !== null || nowMs < this.#askAgainMs) return;
    if (newestTerm(value) === null || primaryOf(value, keyspace) !== site) return;
    const terms = this.#leading !== null;
    // A clock may be set right again soon; and who moves what is led by operators, they say.
    const isEarly = nowMs - this.#troubledMs! < TROUBLED_MS || value.paused || value.failover === 'manual';
    if (terms && isEarly) return;
    this.#askAgainMs = nowMs + HAND_OVER_EVERY_MS;
    await this.#nominateOther(value, terms ? 'switchover' : 'takeover', trouble);
  }

  async #nominateOther(value: RegisterValue, cause: Nomination['cause'], reason: string): Promise<void> {
    const { site, keyspace, network, placeOf } = this.#parts;
    const others = value.members.filter((member) => member.site !== site && member.state === 'ACTIVE');
    for (const other of others) {
      const nomination = { cause, reason, loss: null, version: value.version };
      const { answer } = await new Peer(network, placeOf(other.site)).nominate(keyspace.name, nomination);
      if (answer !== null) return;
    }
  }

  async #term(elected: Elected, signal: AbortSignal): Promise<void> {
    const { logger, keyspace, onFatal } = this.#parts;
    let isOver = false;
    const ended = (error: unknown): void => {
      isOver = true;
      const leading = this.#leading;
      const message = `keyspace ${keyspace.name}: epoch ${elected.epoch} ended: ${messageOf(error)}`;
      logger.warn({ keyspace: keyspace.name, epoch: elected.epoch }, message);
      if (isFault(error, 'corrupt')) this.#disable(error);
      else if (!isFault(error)) onFatal(error);
      if (leading?.epoch === elected.epoch) void this.#end(leading).catch(onFatal);
    };
    const leading = await this.#patiently(() => this.#parts.term(elected, ended, signal), signal);
    if (leading === null) return;
    // It may have ended before it was heard of, as when its lease ran out while it read its log.
    if (isOver || signal.aborted) return leading[Symbol.asyncDispose]();
    this.#leading = leading;
    logger.info(
      { keyspace: keyspace.name, epoch: elected.epoch },
      `writing ${keyspace.name} in epoch ${elected.epoch}`,
    );
    const value = this.#parts.current();
    if (value !== null) leading.registerChanged(value);
  }

  /** Tries until the log answers; null when the service stops first, or trying helps no more. */
  async #patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T | null> {
    const { clock, logger } = this.#parts;
    for (let told = false; !signal.aborted; told = true) {
      try {
        return await attempt();
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error;
        // What it waits for is not in its log, and comes back once another site leads.
        if (this.#parts.logTrouble() !== null) return null;
        if (!told) logger.warn({ error: error.message }, `writer waits: ${error.message}`);
        await clock.sleep(RETRY_MS, signal);
      }
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#leading !== null) await this.#end(this.#leading);
  }
}

function isActive(value: RegisterValue, site: string): boolean {
  return memberNamed(value, site)?.state === 'ACTIVE';
}
