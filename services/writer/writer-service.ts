/** The writer service of a site: HTTP and the ingest topic in, the local log out, while the register names this site. */

import type { Heard } from '@tidemark/control/consensus/loss-rule';
import type { Register } from '@tidemark/control/consensus/register';
import type { RegisterValue, Term } from '@tidemark/control/consensus/register-value';
import type { LossChoices } from '@tidemark/control/failover/loss';
import type { Log } from '@tidemark/log/log';
import type { KeyspaceFile } from '@tidemark/model/keyspace-file';
import { formatPosition, type Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { Timing } from '@tidemark/platform/timing';
import type { FastifyInstance } from 'fastify';
import { checkNoted } from './appending/opening.ts';
import type { Elected } from './elected.ts';
import type { Waiting } from './election/campaign.ts';
import { ElectionRun, type ElectionRunParts } from './election/election.ts';
import { type ElectionHttpParts, registerElectionRoutes } from './election/election-http.ts';
import { ElectionLoop, type ElectionLoopParts } from './election/election-loop.ts';
import { Lease } from './election/lease.ts';
import { lossNow, lossyEnd } from './election/loss.ts';
import { Members } from './election/members.ts';
import { keepTermSettings } from './election/term-settings.ts';
import { registerWriterRoutes } from './ingress/http.ts';
import { Ingest } from './ingress/ingest.ts';
import type { IngestCounts } from './ingress/ingest-counts.ts';
import { Writer } from './writer.ts';

const LOOK_MS = 20;
/** A keyspace counts as started after this long whether it has a writer or not. */
const SETTLE_MS_MAX = 8_000;

/** What the writers of a site are given to run with. */
export type WriterServiceParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log. */
  readonly log: Log;
  /** The other sites' logs. */
  readonly remotes: ReadonlyMap<string, Log>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  /** Where every site's HTTP is, this one's included. */
  readonly placeOf: (site: string) => string;
  readonly register: (keyspace: string) => Register;
  /** The newest value known here to be chosen; null before it was read. */
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  /** Whether what is asked agrees with a keyspace's register. @throws {Fault} `conflict`: it does not. */
  readonly checkTied: ElectionHttpParts['checkTied'];
  /** The newest keyspace applied here, once everything up to the closed epoch ends is. */
  readonly applied?: ((value: RegisterValue, signal: AbortSignal) => Promise<Keyspace | null>) | undefined;
  /** Why this site's clock is not to be trusted with stamps; null when it is. */
  readonly clockTrouble: () => string | null;
  /** Why no more rows may be stored here; null when there is room. */
  readonly diskTrouble: () => string | null;
  /** Why no term should begin by it: the same, or nobody was asked yet whether it is right. */
  readonly clockDoubt: () => string | null;
  /** Told beyond what a partition of a keyspace's own log cannot be read, though there is more in it. */
  readonly onHole: (keyspace: string, partition: number, at: Position) => void;
  /** Told that a keyspace's own log is not what this site has noted of it. */
  readonly onLost: (keyspace: string, reason: string) => void;
  /** Why another site should lead a keyspace, as this one's log lacks what it held; null: no need. */
  readonly logTrouble: (keyspace: string) => string | null;
  /** What was last heard here of the primary of the newest term; null: nothing. */
  readonly heard: (value: RegisterValue) => Heard | null;
  readonly onOutcome: (keyspace: string, ...told: Parameters<ElectionLoopParts<Running>['onOutcome']>) => void;
  readonly onFatal: (error: unknown) => void;
  readonly onCommitted: (keyspace: string, partition: number, position: Position) => void;
  /** Why this site does not write a keyspace: 404, or 307 with the place that does. */
  readonly elsewhere: (keyspace: string) => Fault;
};

type WriterOptions = {
  /** Writes that wait, of all keyspaces: more than it may hold are refused with 503. */
  readonly pending: SharedMemory;
  /** Longest wait for an ack when the request names none. */
  readonly requestTimeoutMs: number;
};

type WriterFacts = {
  readonly epoch: number;
  /** By partition, `epoch:seq`. */
  readonly heads: readonly string[];
  /** By partition: rows written in the epoch. */
  readonly rows: readonly number[];
  readonly rowCount: number;
  /** How long it has been writing. */
  readonly termMs: number;
  readonly committed: readonly string[];
  readonly barrierMs: number;
  readonly pendingBytes: number;
  readonly ingest: Pick<IngestCounts, 'read' | 'rows' | 'rejected' | 'missed' | 'lagRecords'>;
};

/** A writer, and what runs beside it for as long as it leads. */
export class Running implements AsyncDisposable {
  readonly writer: Writer;
  readonly ingest: Ingest;
  /** When it began, on this process's clock. */
  readonly sinceMs: number;
  readonly #lease: Lease | null;
  readonly #settingsKept: Promise<void>;

  constructor(writer: Writer, ingest: Ingest, lease: Lease | null, settingsKept: Promise<void>, sinceMs: number) {
    this.sinceMs = sinceMs;
    this.writer = writer;
    this.ingest = ingest;
    this.#lease = lease;
    this.#settingsKept = settingsKept;
  }

  get epoch(): number {
    return this.writer.epoch;
  }

  get writerId(): string {
    return this.writer.writerId;
  }

  registerChanged(value: RegisterValue): void {
    this.writer.registerChanged(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease?.[Symbol.asyncDispose]();
    // The ingest waits for what it has written: without a writer it has nothing to wait for.
    await Promise.all([this.writer[Symbol.asyncDispose](), this.ingest[Symbol.asyncDispose](), this.#settingsKept]);
  }
}

/** The election loops and writers of all keyspaces of a site, from `start` until disposal. */
export class WriterService implements AsyncDisposable {
  readonly #parts: WriterServiceParts;
  readonly #options: WriterOptions;
  readonly #electionLoops = new Map<string, ElectionLoop<Running>>();
  readonly #keyspaces = new Map<string, Keyspace>();
  readonly #stop = new AbortController();

  constructor(parts: WriterServiceParts, options: WriterOptions) {
    this.#parts = parts;
    this.#options = options;
    options.pending.join({ bytes: () => this.#pendingBytes() });
  }

  /**
   * Begins to stand for a keyspace; its topics exist and its copies are followed. Resolves when somebody is known to
   * write it, here or elsewhere, or that takes too long.
   */
  async start(keyspace: Keyspace): Promise<void> {
    const { name } = keyspace;
    const { site, network, placeOf, clock, random, logger, clockTrouble, clockDoubt, onFatal } = this.#parts;
    const electionLoop: ElectionLoop<Running> = new ElectionLoop({
      ...{ site, keyspace, network, placeOf, clock, random, logger, clockTrouble, clockDoubt },
      current: () => this.#parts.registerValue(name),
      logTrouble: () => this.#parts.logTrouble(name),
      election: (onWaiting, signal) => this.#election(keyspace, onWaiting, signal),
      term: (...elected) => this.#term(keyspace, ...elected),
      onOutcome: (...told) => this.#parts.onOutcome(name, ...told),
      onFatal,
    });
    this.#electionLoops.set(name, electionLoop);
    this.#keyspaces.set(name, keyspace);
    electionLoop.start();
    const sinceMs = clock.monotonicMs();
    const isSettled = (): boolean => {
      const newest = this.#parts.registerValue(name)?.terms.at(-1);
      return electionLoop.leading !== null || (newest !== undefined && newest.site !== site);
    };
    while (!this.#stop.signal.aborted && !isSettled() && clock.monotonicMs() - sinceMs < SETTLE_MS_MAX) {
      await clock.sleep(LOOK_MS, this.#stop.signal);
    }
  }

  #pendingBytes(): number {
    let bytes = 0;
    for (const { leading } of this.#electionLoops.values()) bytes += leading?.writer.pendingBytes ?? 0;
    return bytes;
  }

  #election(keyspace: Keyspace, onWaiting: ElectionRunParts['onWaiting'], signal: AbortSignal): ElectionRun {
    const { site, clock, random } = this.#parts;
    const register = this.#parts.register(keyspace.name);
    const members = this.#members(keyspace, signal);
    const current = (): RegisterValue | null => this.#parts.registerValue(keyspace.name);
    const lossy: ElectionRunParts['lossyEnd'] = (...asked) => lossyEnd(this.#lossParts(keyspace), ...asked);
    const { cluster, log, disk, timing, logger } = this.#parts;
    const onLost = (reason: string): void => this.#parts.onLost(keyspace.name, reason);
    const own = { cluster, site, keyspace, log, disk, clock, timing, logger, signal, onLost };
    const noted = (terms: readonly Term[]): Promise<void> => checkNoted({ ...own, terms });
    const parts = {
      site,
      keyspace,
      members,
      register,
      current,
      lossyEnd: lossy,
      checkNoted: noted,
      clock,
      random,
      onWaiting,
    };
    return new ElectionRun(parts, signal);
  }

  #members(keyspace: Keyspace, signal: AbortSignal): Members {
    const { cluster, site, remotes, network, placeOf, clock, random, logger } = this.#parts;
    return new Members({ cluster, site, keyspace, remotes, network, placeOf, clock, random, logger }, signal);
  }

  #lossParts(keyspace: Keyspace): Parameters<typeof lossyEnd>[0] {
    const { site, log, timing, heard } = this.#parts;
    // What is asked for it is short: it is waited for to the end.
    return { site, keyspace, members: this.#members(keyspace, new AbortController().signal), log, timing, heard };
  }

  async #term(
    keyspace: Keyspace,
    elected: Elected,
    onEnded: (error: unknown) => void,
    signal: AbortSignal,
  ): Promise<Running> {
    const { name } = keyspace;
    const { site, placeOf, clock, logger } = this.#parts;
    const register = this.#parts.register(name);
    const others = keyspace.sites.filter(({ name: other, role }) => role === 'data' && other !== site);
    const peers = new Map(others.map(({ name: other }) => [other, placeOf(other)]));
    const onCommitted = (partition: number, position: Position): void =>
      this.#parts.onCommitted(name, partition, position);
    const isLocal = elected.value.ack.k === 0;
    const lease = isLocal ? new Lease({ clock, register, keyspace: name, elected, onEnded }) : null;
    await lease?.start();
    const mayAck = (): boolean => lease?.holds() ?? true;
    const onLost = (reason: string): void => this.#parts.onLost(name, reason);
    const onHole = (partition: number, at: Position): void => this.#parts.onHole(name, partition, at);
    const { cluster, log, disk, timing, random, network, applied, clockTrouble, diskTrouble, onFatal } = this.#parts;
    const given = { cluster, site, keyspace, elected, peers, log, disk, clock, timing, random, network, logger };
    const asked = { applied, clockTrouble, diskTrouble, mayAck };
    const told = { onCommitted, onEnded, onHole, onLost };
    const writer = await Writer.start({ ...given, ...asked, ...told }, signal).catch(async (error) => {
      await lease?.[Symbol.asyncDispose]();
      throw error;
    });
    const { pending } = this.#options;
    const ingest = new Ingest({ writer, clock, logger, pending, onFatal });
    ingest.start();
    const current = (): RegisterValue | null => this.#parts.registerValue(name);
    // Acks that come from another site too need no lease.
    const onRaised = async (): Promise<void> => lease?.release();
    const settingsKept = keepTermSettings({ writer, register, current, clock, logger, onRaised }).catch(onFatal);
    return new Running(writer, ingest, lease, settingsKept, clock.monotonicMs());
  }

  register(app: FastifyInstance): void {
    const { site, clock, network, placeOf, checkTied } = this.#parts;
    registerWriterRoutes(app, { site, clock, ...this.#options, writerOf: (keyspace) => this.#writerOf(keyspace) });
    registerElectionRoutes(app, {
      site,
      network,
      placeOf,
      checkTied,
      electionLoopOf: (keyspace) => this.#electionLoopOf(keyspace),
      writerOf: (keyspace) => this.#writerOf(keyspace),
      lossOf: (keyspace, heard) => this.#lossOf(keyspace, heard),
    });
  }

  async #lossOf(name: string, heard: Heard | null): Promise<LossChoices> {
    const keyspace = this.#keyspaces.get(name);
    if (keyspace === undefined) throw this.#parts.elsewhere(name);
    return lossNow(this.#lossParts(keyspace), await this.#parts.register(name).read(), heard);
  }

  /** Told when the register's value of a keyspace changed. */
  registerChanged(value: RegisterValue): void {
    this.#electionLoops.get(value.keyspace)?.registerChanged(value);
  }

  /** Newest definition of a keyspace this site writes, null of others. */
  keyspace(name: string): Keyspace | null {
    return this.#electionLoops.get(name)?.leading?.writer.keyspace ?? null;
  }

  /** @throws {Fault} as the keyspace's routes. */
  evolve(file: KeyspaceFile): Promise<{ keyspace: Keyspace; changes: readonly string[] }> {
    return this.#writerOf(file.keyspace).evolve(file);
  }

  /** Appends a BARRIER and resolves with its stamp in ms once it is committed. */
  async requestBarrier(keyspace: string): Promise<number> {
    return (await this.#writerOf(keyspace).barrier()).ms;
  }

  /** Who this site's writer is in the register; null while it has none. */
  termOf(keyspace: string): { readonly epoch: number; readonly writerId: string } | null {
    const leading = this.#electionLoops.get(keyspace)?.leading ?? null;
    return leading === null ? null : { epoch: leading.epoch, writerId: leading.writerId };
  }

  /** What keeps an election of this site's open; null: nothing. */
  waiting(keyspace: string): Waiting | null {
    return this.#electionLoops.get(keyspace)?.waiting ?? null;
  }

  /** By partition, how far the own log is known to be stored; null while it is not written here. */
  stored(keyspace: string): readonly Position[] | null {
    const writer = this.#electionLoops.get(keyspace)?.leading?.writer;
    return writer === undefined ? null : writer.appenders.map(({ own }) => ({ epoch: writer.epoch, seq: own }));
  }

  facts(keyspace: string): WriterFacts | null {
    const running = this.#electionLoops.get(keyspace)?.leading ?? null;
    if (running === null) return null;
    const { writer, ingest } = running;
    const { epoch, appenders, commits, barriers, pendingBytes } = writer;
    return {
      epoch,
      heads: appenders.map((appender) => formatPosition({ epoch, seq: appender.head })),
      rows: appenders.map((appender) => appender.rows),
      rowCount: appenders.reduce((sum, appender) => sum + appender.rows, 0),
      termMs: this.#parts.clock.monotonicMs() - running.sinceMs,
      committed: appenders.map((_, partition) => formatPosition({ epoch, seq: commits.committed(partition) })),
      barrierMs: barriers.stampMs,
      pendingBytes,
      ingest: ingest.counts.told,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#electionLoops.values()].map((electionLoop) => electionLoop[Symbol.asyncDispose]()));
  }

  #electionLoopOf(keyspace: string): ElectionLoop<Running> {
    const electionLoop = this.#electionLoops.get(keyspace);
    if (electionLoop === undefined) throw this.#parts.elsewhere(keyspace);
    return electionLoop;
  }

  #writerOf(keyspace: string): Writer {
    const electionLoop = this.#electionLoopOf(keyspace);
    if (electionLoop.leading !== null) return electionLoop.leading.writer;
    if (electionLoop.isCampaigning) {
      throw new Fault('unavailable', `keyspace ${keyspace}: ${this.#parts.site} is in an election`, {
        retryAfterMs: 500,
      });
    }
    throw this.#parts.elsewhere(keyspace);
  }
}
