/** The watchdog of a site: it says that this site is alive, listens for the others, and tells what it knows. */

import type { Decision } from '@tidemark/control/audit/decision';
import type { Heard } from '@tidemark/control/consensus/loss-rule';
import type { VotedRegister } from '@tidemark/control/consensus/register';
import type { Accepted } from '@tidemark/control/consensus/register-request';
import { newestTerm, primaryOf, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { type Doer, elderOf } from '@tidemark/control/consensus/twins';
import type { CopyEnds, Ends } from '@tidemark/control/consensus/vouching';
import type { Models } from '@tidemark/control/failover/models';
import type { Signs } from '@tidemark/control/failover/suspicion';
import type { Beat, HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { JobKinds } from '@tidemark/jobs/jobs-http';
import type { Log } from '@tidemark/log/log';
import type { Keyspace } from '@tidemark/model/table';
import type { Peer } from '@tidemark/peer/peer';
import { ROUTES } from '@tidemark/peer/routes';
import type { SiteSight, Word } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { LoopLag } from '@tidemark/platform/process/loop-lag';
import type { Random } from '@tidemark/platform/random';
import type { FastifyInstance } from 'fastify';
import { alreadyRun } from './detect/already-run.ts';
import { FailureDetector, type HeardBarrier } from './detect/failure-detector.ts';
import { HeartbeatMonitor, type SeenSite } from './detect/heartbeat-monitor.ts';
import { BEAT_EVERY_MS, sendHeartbeatsUntil } from './detect/heartbeat-sender.ts';
import { LastKnownProgress } from './detect/last-known-progress.ts';
import { Memory } from './detect/memory.ts';
import { OwnLog } from './detect/own-log.ts';
import { heardOf, sightHere } from './detect/primary-sight.ts';
import type { SiteFacts } from './facts.ts';
import { FailoverCoordinator } from './failover/failover-coordinator.ts';
import { lookAround } from './failover/move-sight.ts';
import { Moves } from './failover/moves.ts';
import { registerPauseRoute } from './failover/pause-http.ts';
import { Decisions } from './history/decisions.ts';
import { rulesOf, type WatchdogLimits } from './limits.ts';
import { failoversIn, measuredModels } from './status/measured.ts';
import { type Status, statusOf } from './status/status.ts';
import { Acceptor } from './vote/acceptor.ts';
import { registerReadmitRoute } from './vote/readmit-http.ts';
import { registerRegisterRoutes } from './vote/register-http.ts';
import { RegisterView } from './vote/register-view.ts';

type WatchdogParts = {
  readonly cluster: string;
  readonly site: string;
  /** What this process does at its site; its beat stands under this name. */
  readonly role: string;
  /** Names the data folder, on its machine. */
  readonly folder: string;
  /** Every site's heartbeat store, the own one included. */
  readonly boards: ReadonlyMap<string, HeartbeatStore>;
  /** This site's own log. */
  readonly log: Log;
  readonly disk: Disk;
  /** True: this process writes the site's control topic, so it is the one that votes for the site. */
  readonly votes: boolean;
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  /** A site's process that writes and mirrors. */
  readonly writerAt: (site: string) => Peer;
  /** Where a site is asked, null where that is not known. */
  readonly urlOf: (site: string) => string | null;
  /** Null: none was read yet. Undefined: there is no copy of that origin's log in this process. */
  readonly barrier: (keyspace: string, origin: string) => HeardBarrier | null | undefined;
  /** Whether a site's log answers, with or without the site's processes. */
  readonly reachesLog: (site: string) => Promise<boolean>;
  readonly limits: WatchdogLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly loopLag: LoopLag;
  readonly facts: () => Omit<SiteFacts, 'loopLagMs'>;
  /** Where this process's copies end, as the others are to remember it. */
  readonly copyEnds: () => readonly CopyEnds[];
  /** Told where another site remembers copies of this one to have ended, before this process began. */
  readonly onRemembered: (by: string, copy: CopyEnds, gapMs: number | null) => void;
  /** Makes the control topic where it is missing, with the keyspaces that are known here. */
  readonly remakeControlTopic: () => Promise<void>;
  /** Newest definition known here of every keyspace. */
  readonly keyspaces: () => readonly Keyspace[];
  readonly onFatal: (error: unknown) => void;
};

/** One process's heartbeats, failure detection, vote and failovers, from `start` until disposal. */
export class WatchdogService implements AsyncDisposable {
  /** What this process knows of the keyspaces' registers, and how it changes them. */
  readonly registers: RegisterView;
  /** What was decided and refused here. */
  readonly decisions: Decisions;
  readonly #parts: WatchdogParts;
  readonly #watch: HeartbeatMonitor;
  readonly #detector: FailureDetector;
  readonly #coordinator: FailoverCoordinator;
  readonly #lastKnown = new LastKnownProgress();
  readonly #memory: Memory;
  /** Fresh with every process. */
  readonly #process: string;
  /** The other sites that have told this process what they remember of the one before. */
  readonly #told = new Set<string>();
  readonly #moves: Moves;
  readonly #ownLog: OwnLog;
  /** Null where another process of the site votes. */
  readonly #acceptor: Acceptor | null;
  readonly #stop = new AbortController();
  readonly #rounds = new Set<Promise<void>>();
  #running: Promise<unknown> = Promise.resolve();
  #loopLagMs = 0;
  /** What this process is on its heartbeat store. */
  #doer: Doer | null = null;

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
    const { cluster, site, boards, log, disk, clock, random, logger, keyspaces, onFatal } = parts;
    const { watcherAt, writerAt, reachesLog, barrier } = parts;
    this.#process = random.id();
    this.#memory = new Memory({ disk, clock, logger });
    this.#watch = new HeartbeatMonitor({
      site,
      boards,
      clock,
      onLiving: (beats) => this.#giveWay(beats),
      onFacts: (_, { keyspaces }, arrivedMs) => {
        for (const keyspace of keyspaces) this.#lastKnown.hear(keyspace, arrivedMs);
      },
    });
    const onRead = (accepted: Accepted): void => void this.#acceptor?.note(accepted);
    this.registers = new RegisterView({ site, watcherAt, clock, random, logger, onRead, onFatal });
    this.#ownLog = new OwnLog({ site, clock, reachesLog });
    const onChosen = (value: RegisterValue): void => this.registers.heard(value);
    const onHint = (keyspace: string, version: number): void => this.registers.hint(keyspace, version);
    const sites = [...boards.keys()];
    const heard = { sites: sites.length, toldBy: () => this.#told.size };
    const ensureTopic = parts.remakeControlTopic;
    const voting = { cluster, site, log, disk, clock, random, logger, ensureTopic };
    this.#acceptor = parts.votes ? new Acceptor({ ...voting, ...heard, onChosen, onHint, onFatal }) : null;
    const rules = rulesOf(parts.limits);
    const registerValue = (keyspace: string): RegisterValue | null => this.registers.current(keyspace);
    this.decisions = new Decisions({ cluster, site, log, sites, watcherAt, clock, logger, onFatal });
    const record = (decision: Decision): void => this.decisions.record(decision);
    this.#coordinator = new FailoverCoordinator({
      ...{ site, watcherAt, writerAt, clock, random, logger, rules, registerValue, record },
      healthVote: (keyspace) => this.#detector.healthVote(keyspace),
    });
    const { suspectAfterMs } = rules;
    this.#moves = new Moves({
      ...{ site, writerAt, clock, random, record },
      registerOf: (keyspace) => this.registers.register(keyspace),
      sight: (value, to) => lookAround({ watcherAt, writerAt, suspectAfterMs }, value, to),
    });
    this.#detector = new FailureDetector({
      ...{ site, sites, watcherAt, clock, logger, keyspaces, barrier, rules, registerValue },
      beatHeardMs: (site) => this.#watch.beatHeardMs(site),
      onSuspicion: (keyspace) => this.#deliberate(keyspace),
      onHeard: (keyspace) => this.#coordinator.forget(keyspace),
      process: this.#process,
      onWord: (other, word) => this.#hear(other, word),
    });
    this.registers.onChange((value, before) => {
      this.#alarmIfUncounted(value);
      const isNewTerm = newestTerm(value)?.epoch !== (before === null ? null : newestTerm(before)?.epoch);
      if (parts.votes && isNewTerm) void this.decisions.tellUntold(value);
    });
  }

  start(): void {
    const { site, role, folder, boards, clock, random, logger, loopLag, onFatal } = this.#parts;
    const { signal } = this.#stop;
    const facts = (): SiteFacts => {
      this.#loopLagMs = loopLag.takeMaxMs();
      return this.#own();
    };
    const watching = [this.#watch.run(signal), this.#detector.run(signal), this.#memory.run(signal)];
    const beganMs = clock.nowMs();
    const process = random.id();
    this.#doer = { process, roles: this.#own().roles, beganMs };
    const heart = { site, role, process, beganMs, folder, board: boards.get(site)!, clock, logger, facts };
    const running = [sendHeartbeatsUntil(heart, signal), this.#ownLog.run(signal), ...watching];
    this.#running = Promise.all(running).catch((error) => onFatal(error));
  }

  /** Ends this process when another one, that began before, does the same for the site. */
  #giveWay(living: readonly Beat[]): void {
    const { site, onFatal } = this.#parts;
    const elder = this.#doer === null ? null : elderOf(this.#doer, living);
    if (elder === null) return;
    onFatal(alreadyRun(site, elder));
  }

  /** Where what this process answers for ends now. */
  #ends(): Ends {
    return { control: this.#acceptor?.controlEnd ?? null, copies: this.#parts.copyEnds() };
  }

  /** Takes in what another site says of itself, and remembers of this one. */
  #hear(site: string, { process, ends, before }: Word): void {
    this.#memory.hear(site, process, ends);
    if (before !== null) {
      for (const copy of before.ends.copies) this.#parts.onRemembered(site, copy, before.gapMs);
      if (before.ends.control !== null) this.#acceptor?.remembered(site, before.ends.control, before.gapMs);
    }
    this.#told.add(site);
  }

  /** What a probe is answered; null while it is not known yet what to say. */
  #word({ from, process }: { readonly from?: string; readonly process?: string }): Word | null {
    if (from === undefined || process === undefined || !this.#parts.boards.has(from)) return null;
    this.#memory.hear(from, process, null);
    const before = this.#memory.before(from);
    return before === undefined ? null : { process: this.#process, ends: this.#ends(), before };
  }

  /** A site that lost its control topic votes in vain: an operator has to know. */
  #alarmIfUncounted({ keyspace, acceptors }: RegisterValue): void {
    const { site, logger } = this.#parts;
    const [own, counted] = [this.#acceptor?.id, acceptors[site]];
    if (own == null || counted === undefined || counted === own) return;
    const remedy = `"tidemark readmit ${site} --keyspace ${keyspace}"`;
    const what = `register of ${keyspace}: the vote of ${site} does not count, as it lost its control topic: ${remedy}`;
    logger.error({ keyspace, acceptor: own, counted }, what);
  }

  /** Begins to vote, and to write down decisions; call once the control topic is there, with its first record. */
  beginVoting(): void {
    this.#acceptor?.start();
    this.decisions.start();
  }

  /** The process that votes for the site is the one that speaks for it. */
  #deliberate(keyspace: string): void {
    if (!this.#parts.votes || this.#stop.signal.aborted) return;
    const round = this.#coordinator.round(keyspace).catch(this.#parts.onFatal);
    const tracked: Promise<void> = round.finally(() => this.#rounds.delete(tracked));
    this.#rounds.add(tracked);
  }

  /** Why this site's wall clock is not to be trusted with stamps; null when it is. */
  clockTrouble(): string | null {
    return this.#detector.clockTrouble();
  }

  /** Why no term should begin by this site's wall clock; null when one may. */
  clockDoubt(): string | null {
    return this.#detector.clockDoubt();
  }

  /** What is wrong with this site, in a few words each. */
  troubles(): readonly string[] {
    return [this.#detector.clockInWords(), this.#ownLog.trouble()].filter((words) => words !== null);
  }

  /** Which of it keeps the site from its duty: without its log from any, with a wrong clock from writing. */
  blockingReasons(): readonly string[] {
    const { site, keyspaces } = this.#parts;
    const leads = keyspaces().some((one) => primaryOf(this.registers.current(one.name), one) === site);
    const clock = leads ? this.#detector.clockInWords() : null;
    return [clock, this.#ownLog.trouble()].filter((words) => words !== null);
  }

  #own(): SiteFacts {
    const facts = this.#parts.facts();
    return { ...facts, loopLagMs: this.#loopLagMs, troubles: [...this.troubles(), ...facts.troubles] };
  }

  /** From memory: it never waits for a heartbeat store or another site. */
  status(): Status {
    const { cluster, site, keyspaces } = this.#parts;
    const own = this.#own();
    return statusOf({
      cluster,
      site,
      own,
      seen: this.seen(),
      keyspaces: keyspaces(),
      registerValue: (keyspace) => this.registers.current(keyspace),
      lastFailover: (keyspace) => failoversIn(this.#historyOf(keyspace))[0] ?? null,
      models: (keyspace) => this.#models(keyspace, own),
      beatEveryMs: BEAT_EVERY_MS,
    });
  }

  #historyOf(keyspace: string): Decision[] {
    return this.decisions.history().filter((decision) => decision.keyspace === keyspace);
  }

  #models(name: string, own: SiteFacts): Models {
    const { barrier, keyspaces, limits } = this.#parts;
    const keyspace = keyspaces().find((one) => one.name === name)!;
    const primary = primaryOf(this.registers.current(name), keyspace);
    return measuredModels({
      primary,
      facts: own.keyspaces.find((facts) => facts.keyspace === name),
      barrierAgeMs: barrier(name, primary)?.ageMs ?? null,
      failing: this.#detector.probes.failing(primary),
      history: this.#historyOf(name),
      silenceMs: limits.suspectAfterMs + limits.suspicionStableMs,
    });
  }

  /** What was last heard here of the primary of the newest term; null: nothing. */
  heard(value: RegisterValue): Heard | null {
    const epoch = newestTerm(value)?.epoch ?? 0;
    return heardOf(value, [this.#lastKnown.of(value.keyspace, epoch, this.#parts.clock.monotonicMs())]);
  }

  async #sightOf(keyspace: string): Promise<SiteSight> {
    const signs = (name: string): Signs => this.#detector.healthVote(name).signs;
    const clockTrouble = (): string | null => this.clockTrouble();
    const { site, clock, reachesLog } = this.#parts;
    const value = await this.registers.register(keyspace).read();
    return sightHere({ site, clock, reachesLog, lastKnown: this.#lastKnown, signs, clockTrouble }, value);
  }

  /** Switchover and failover. */
  jobKinds(): JobKinds {
    return this.#moves.jobKinds();
  }

  /**
   * Lets pass what agrees with the register, as it is known here, as this site voted, or as a quorum says now. What is
   * asked of old may be too late, which harms nobody; what no value ever named is refused.
   * @param whyNot why it does not agree with a value; null when it does
   * @throws {Fault} `conflict`: it does not. `unavailable`: the register cannot be read.
   */
  async checkTied(keyspace: string, what: string, whyNot: (value: RegisterValue) => string | null): Promise<void> {
    const known = [this.registers.current(keyspace), this.#acceptor?.accepted(keyspace) ?? null];
    if (known.some((value) => value !== null && whyNot(value) === null)) return;
    const why = whyNot(await this.registers.register(keyspace).read());
    if (why !== null) throw new Fault('conflict', `keyspace ${keyspace}: ${what} refused: ${why}`);
  }

  /** Every site as its heartbeat store shows it. */
  seen(): readonly SeenSite[] {
    return this.#watch.sites().map((seen) => (seen.reason === null ? { ...seen, reason: this.#deafness(seen) } : seen));
  }

  /** A site that beats and does not answer: most likely its address here is not the one it has. */
  #deafness({ site }: SeenSite): string | null {
    if (this.#detector.answers(site)) return null;
    const asked = this.#parts.urlOf(site) ?? 'no address';
    const own = this.#watch.peerUrlOf(site);
    const says = own === null || own === asked ? '' : `; it says it is at ${own}: the sites' configurations differ`;
    return `no answer at ${asked}${says}`;
  }

  /** True where the site is several processes. */
  isSplit(site: string): boolean {
    return this.#watch.isSplit(site);
  }

  /** Where a site, or its process with that role, said its HTTP is; null when it has not been heard. */
  urlOf(site: string, role?: string): string | null {
    return this.#watch.urlOf(site, role);
  }

  /** Where it answers other sites, likewise. */
  peerUrlOf(site: string, role?: string): string | null {
    return this.#watch.peerUrlOf(site, role);
  }

  /** Longest time this process's loop was held up, in the second before the last beat. */
  get loopLagMs(): number {
    return this.#loopLagMs;
  }

  /** `/v1/status`, `/v1/history`, `/v1/watchdog/{keyspace}`; what sites ask of each other: ping, healthVote, register. */
  register(app: FastifyInstance): void {
    const { site, clock, random } = this.#parts;
    app.get(ROUTES.lags.path, async () => this.status());
    app.get<{ Querystring: { from?: string; process?: string } }>(ROUTES.ping.path, async ({ query }) => ({
      ...{ site, timeMs: clock.nowMs() },
      word: this.#word(query),
    }));
    app.get<{ Params: { keyspace: string } }>(ROUTES.healthVote.path, async ({ params }) =>
      this.#detector.healthVote(params.keyspace),
    );
    app.get<{ Params: { keyspace: string } }>(ROUTES.sight.path, async ({ params }) => this.#sightOf(params.keyspace));
    this.decisions.register(app);
    const record = (decision: Decision): void => this.decisions.record(decision);
    const registerOf = (keyspace: string): VotedRegister => this.registers.votedRegister(keyspace);
    registerPauseRoute(app, { site, clock, random, registerOf, record });
    registerReadmitRoute(app, { site, clock, random, registerOf, record });
    const isKnown = (keyspace: string): boolean => this.registers.knows(keyspace);
    registerRegisterRoutes(app, { site, acceptor: this.#acceptor, isKnown });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.registers[Symbol.asyncDispose]();
    await this.decisions[Symbol.asyncDispose]();
    await Promise.all(this.#rounds);
    await this.#acceptor?.[Symbol.asyncDispose]();
    await this.#running;
  }
}
