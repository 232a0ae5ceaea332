/**
 * The writer of one keyspace for one term: it owns its epoch in every partition, gives seq and stamp, and knows what
 * is committed. A process that starts again is a new writer with a new epoch.
 */

import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import type { Tail } from '@tidemark/log/tail';
import { evolve } from '@tidemark/model/evolve';
import type { KeyspaceFile } from '@tidemark/model/keyspace-file';
import type { Position } from '@tidemark/model/position';
import { StampClock } from '@tidemark/model/stamp';
import type { AckLevel, Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import type { Timing } from '@tidemark/platform/timing';
import type { MutateBody, SchemaBody } from '@tidemark/record/envelope';
import { Appender, type Entry, entryOf } from './appending/appender.ts';
import { Barriers } from './appending/barriers.ts';
import { keepCheckpoints } from './appending/checkpoints.ts';
import { Commits } from './appending/commits.ts';
import { followDurable } from './appending/durable-follower.ts';
import { type Opened, openLog } from './appending/opening.ts';
import { requestIn } from './appending/request.ts';
import { RequestBook } from './appending/request-book.ts';
import type { Seen } from './appending/request-window.ts';
import type { Elected } from './elected.ts';
import { epochStartOf } from './epoch-start.ts';
import type { Slice } from './ingress/slice.ts';

/** Whoever was to take over has not in this time: batches are taken again. */
const HAND_OVER_MS_MAX = 10_000;

type WriterParts = {
  readonly cluster: string;
  readonly site: string;
  readonly keyspace: Keyspace;
  /** This site's own. */
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly logger: Logger;
  /** Told beyond what a partition of the log cannot be read, though there is more in it: it is to be filled from other sites'. */
  readonly onHole?: (partition: number, at: Position) => void;
  /** Told that the log is not what this site has noted of it: who copies into it may have noted less. */
  readonly onLost?: (reason: string) => void;
  readonly elected: Elected;
  readonly random: Random;
  readonly network: Network;
  /** HTTP addresses of the keyspace's other data sites. */
  readonly peers: ReadonlyMap<string, string>;
  /** The newest keyspace applied at this site, once everything up to the epoch ends is; the log's own is older or equal. */
  readonly applied?: ((value: RegisterValue, signal: AbortSignal) => Promise<Keyspace | null>) | undefined;
  /** Why this site's clock must not be used for stamps; null when all is well. */
  readonly clockTrouble?: () => string | null;
  /** Why no more may be stored here; null when there is room. What keeps the term going is stored all the same. */
  readonly diskTrouble?: () => string | null;
  /** Whether it may be acked now; not said where nothing but the copies at other sites decides. */
  readonly mayAck?: () => boolean;
  /** Told once when it can go on no more: `fenced` by a newer term, `corrupt` when its log lost its end. */
  readonly onEnded: (error: unknown) => void;
  readonly onCommitted: (partition: number, position: Position) => void;
};

/** One term's writer; it ends with `signal`, whether disposed, replaced in the register or refused by the log. */
export class Writer implements AsyncDisposable {
  readonly epoch: number;
  readonly writerId: string;
  readonly appenders: readonly Appender[];
  readonly commits: Commits;
  readonly barriers: Barriers;
  readonly stamps: StampClock;
  readonly sources: Opened['sources'];
  readonly signal: AbortSignal;
  readonly log: Log;
  /** What every ack promises at least: the register's level, which elections go by. */
  level: AckLevel;
  #keyspace: Keyspace;
  /** Version of the newest keyspace that is committed everywhere it must be. */
  committedVersion: number;
  /** Resolves when the newest keyspace is committed everywhere it must be. */
  #adopted: Promise<unknown> = Promise.resolve();
  #starts: readonly Entry[] = [];
  /** By partition: the newest change of the tables that was put in line. */
  readonly #schemas = new Map<number, Entry>();
  #handingOver: { readonly to: string; readonly untilMs: number } | null = null;
  readonly #requests: RequestBook;
  readonly #stop: AbortController;
  readonly #parts: WriterParts;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(parts: WriterParts, opened: Opened, stop: AbortController) {
    this.#parts = parts;
    this.#stop = stop;
    this.signal = stop.signal;
    this.log = parts.log;
    this.level = parts.elected.value.ack;
    this.#keyspace = opened.keyspace;
    this.committedVersion = opened.keyspace.version;
    this.#requests = new RequestBook(opened.windows);
    this.sources = opened.sources;
    this.epoch = parts.elected.epoch;
    this.writerId = parts.elected.writerId;
    this.stamps = new StampClock(parts.clock, () => (parts.clockTrouble?.() ?? null) === null);
    this.stamps.liftAbove(opened.stampMs, 0);
    this.appenders = opened.tails.map((tail, partition) => this.#appender(tail, partition));
    this.barriers = new Barriers({
      clock: parts.clock,
      appenders: this.appenders,
      committed: (partition) => this.commits.committed(partition),
      tellsSoon: parts.elected.value.ack.k > 0,
      isHandingOver: () => this.isHandingOver,
    });
    this.commits = new Commits({
      appenders: this.appenders,
      epoch: this.epoch,
      origin: parts.site,
      value: parts.elected.value,
      logger: parts.logger,
      onCommitted: (partition, seq) => {
        this.barriers.onCommitted(partition, seq);
        parts.onCommitted(partition, { epoch: this.epoch, seq });
      },
    });
  }

  /**
   * Reads the log, opens the epoch it was elected to in every partition, and begins.
   * @throws {Fault} `corrupt`: the log lost its end or is another one. `unavailable`: it cannot be reached.
   */
  static async start(parts: WriterParts, signal?: AbortSignal): Promise<Writer> {
    const stop = new AbortController();
    const giveUp = (): void => stop.abort();
    signal?.addEventListener('abort', giveUp, { once: true });
    const { value, epoch } = parts.elected;
    const terms = value.terms.filter((term) => term.epoch < epoch);
    const { cluster, site, keyspace, log, disk, clock, timing, logger, onHole, onLost } = parts;
    const { name } = keyspace;
    const reading = { cluster, site, keyspace, log, disk, clock, timing, logger, onHole, onLost };
    const opened = await openLog({ ...reading, terms, signal: stop.signal });
    checkIsNew({ name, site, epoch }, opened.tails);
    const applied = (await parts.applied?.(value, stop.signal)) ?? null;
    signal?.removeEventListener('abort', giveUp);
    if (signal?.aborted === true) throw new Fault('unavailable', `keyspace ${value.keyspace}: epoch ${epoch} is over`);
    const isNewer = applied !== null && applied.version > opened.keyspace.version;
    const writer = new Writer(parts, isNewer ? { ...opened, keyspace: applied } : opened, stop);
    writer.#begin();
    return writer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const appender of this.appenders) appender.stop();
    await this.#running;
  }

  /** As of the newest SCHEMA record. */
  get keyspace(): Keyspace {
    return this.#keyspace;
  }

  get pendingBytes(): number {
    return this.appenders.reduce((sum, appender) => sum + appender.queuedBytes, 0);
  }

  get isHandingOver(): boolean {
    return this.#handingOver !== null && this.#parts.clock.monotonicMs() < this.#handingOver.untilMs;
  }

  /**
   * Whether new batches are taken: not while it hands over, nor with a clock that is wrong or a disk that is nearly full.
   * @throws {Fault} `unavailable`: not now; nothing is stored.
   */
  checkAdmission(): void {
    const { clockTrouble, diskTrouble } = this.#parts;
    const { name } = this.#keyspace;
    if (this.isHandingOver) {
      const message = `keyspace ${name} is being handed over to ${this.#handingOver!.to}`;
      throw new Fault('unavailable', message, { retryAfterMs: 250 });
    }
    const full = diskTrouble?.() ?? null;
    if (full !== null) throw new Fault('unavailable', `keyspace ${name}: ${full}`, { retryAfterMs: 2_000 });
    const trouble = clockTrouble?.() ?? null;
    if (trouble === null) return;
    throw new Fault('unavailable', `keyspace ${name}: no stamps can be given: ${trouble}`, { retryAfterMs: 2_000 });
  }

  /**
   * Takes no more batches for a while, so that another site can take over without losing any (protocol E9).
   * @returns the heads of all partitions once everything up to them is committed
   */
  async handOver(to: string): Promise<{ epoch: number; heads: readonly number[] }> {
    this.#handingOver = { to, untilMs: this.#parts.clock.monotonicMs() + HAND_OVER_MS_MAX };
    const entries = this.appenders.map((appender, partition) => {
      const entry = entryOf({ kind: 'Noop' });
      appender.enqueue(entry);
      return this.wait(partition, entry).then(() => entry.seq);
    });
    const heads = await Promise.all(entries);
    const barrier = this.barriers.append();
    await this.wait(0, barrier);
    return { epoch: this.epoch, heads: heads.map((seq, partition) => (partition === 0 ? barrier.seq : seq)) };
  }

  /** The handing over to that site came to nothing. */
  resume(to: string): void {
    if (this.#handingOver?.to === to) this.#handingOver = null;
  }

  /**
   * Looks at a batch's key before any of it is put in line.
   * @param keyAgeMs how long ago the batch was first sent under its key; null when that is not said
   * @throws {Fault} the key stands for another batch (`keyReused`), or is too old (`keyForgotten`)
   */
  checkKey(slices: readonly Slice[], keyAgeMs: number | null): void {
    this.#requests.check(this.#keyspace, slices, keyAgeMs, this.#parts.clock.nowMs());
  }

  /**
   * Whether a batch of one MUTATE is in line or in the log already, under its key.
   * @throws {Fault} as `checkKey`
   */
  isRepeat(slice: Slice): boolean {
    this.checkKey([slice], null);
    const { requestId } = slice.body;
    return (
      (this.#requests.underWay(slice.partition, requestId) ?? this.#requests.seen(slice.partition, requestId)) !== null
    );
  }

  /** Puts a MUTATE in its partition's line, unless its request is known there; `wait` then follows what was found. */
  write(partition: number, body: MutateBody, bytes: number, onStored: (() => void) | null = null): Entry {
    const { requestId, rowCount } = body;
    const underWay = this.#requests.underWay(partition, requestId);
    if (underWay !== null) return underWay;
    const seen = this.#requests.seen(partition, requestId);
    if (seen !== null) return this.#entryOfSeen(partition, seen);
    const entry = entryOf(body, {
      requestId,
      request: requestIn(body),
      rowCount,
      bytes,
      onStored: () => {
        onStored?.();
        this.#requests.stored(partition, entry, this.epoch);
      },
    });
    this.appenders[partition]!.enqueue(entry);
    this.#requests.begin(partition, entry);
    return entry;
  }

  /** The register changed: whose word counts may have, too. */
  registerChanged(value: RegisterValue): void {
    this.commits.registerChanged(value);
  }

  /**
   * Resolves when the entry is committed at level `k`, or cancelled. Call it in the turn that `write` returned.
   * @throws {Fault} `unknown`: it is committed, and may be lost all the same, as the lease ran out
   */
  async wait(partition: number, entry: Entry, k?: number): Promise<void> {
    await this.commits.wait(partition, entry, k);
    if (this.#parts.mayAck?.() ?? true) return;
    const where = `keyspace ${this.#keyspace.name}: the lease of epoch ${this.epoch}`;
    throw new Fault('unknown', `${where} ran out before the ack: it may be stored`, { retryAfterMs: 1_000 });
  }

  /** Takes an entry out of the line. False when it may be stored already. */
  cancel(partition: number, entry: Entry): boolean {
    if (!this.appenders[partition]!.cancel(entry)) return false;
    this.#requests.cancelled(partition, entry);
    return true;
  }

  /**
   * Changes the tables; resolves with the new version once it is committed everywhere it must be. Asked again for what
   * is under way it waits for that: it is not there before.
   */
  async evolve(file: KeyspaceFile): Promise<{ keyspace: Keyspace; changes: readonly string[] }> {
    const { keyspace, changes } = evolve(this.#keyspace, file);
    if (changes.length > 0) this.#adopt(keyspace);
    await this.#adopted;
    return { keyspace, changes };
  }

  /** The tables have grown by columns that came into being by being written. What is written next stands behind them. */
  grow(keyspace: Keyspace): void {
    this.#adopt(keyspace);
  }

  /** Appends a BARRIER now and resolves with its stamp once it is committed. */
  async barrier(): Promise<{ ms: number }> {
    const entry = this.barriers.append();
    await this.wait(0, entry);
    return { ms: entry.stampMs };
  }

  #entryOfSeen(partition: number, { position, stampMs, rowCount }: Seen): Entry {
    // An earlier epoch is closed at an epoch end that holds it; it is committed with the first record of this epoch.
    if (position.epoch < this.epoch) return this.#starts[partition]!;
    return { ...entryOf({ kind: 'Noop' }, { rowCount }), seq: position.seq, stampMs };
  }

  #appender(tail: Tail, partition: number): Appender {
    const { cluster, site, keyspace } = this.#parts;
    return new Appender({
      tail,
      name: { cluster, keyspace: keyspace.name, origin: site, partition },
      epoch: this.epoch,
      stamps: this.stamps,
      committed: () => this.commits.committed(partition),
      admitted: () => this.commits.admitted(partition),
      onSealed: (entry, bytes) => {
        this.barriers.onSealed(partition, entry);
        this.commits.sealed(partition, entry.seq, bytes);
      },
      onOwn: () => this.commits.progressed(partition),
    });
  }

  #begin(): void {
    const { onEnded, peers, keyspace, site: origin, network, disk, clock, timing, random, logger } = this.#parts;
    this.#starts = this.appenders.map((appender, partition) => {
      const entry = entryOf(epochStartOf(this.#parts.elected, origin, partition));
      appender.enqueue(entry);
      appender.enqueue(entryOf(this.#schema()));
      return entry;
    });
    const following = [...peers].map(([site, url]) =>
      followDurable(
        {
          ...{ site, url, keyspace: keyspace.name, origin, epoch: this.epoch, network, clock, random, logger },
          listed: () => this.commits.listed(site),
          counted: () => this.commits.counted(site),
        },
        this.signal,
        (line) => this.commits.heard(line),
      ),
    );
    const appending = this.appenders.map((appender) => appender.run());
    this.#running = Promise.all([
      ...appending,
      ...following,
      this.barriers.run(this.signal),
      keepCheckpoints(this, { disk, clock, timing, logger }),
    ]).catch((error) => {
      if (!this.signal.aborted) onEnded(error);
    });
  }

  #schema(): SchemaBody {
    return { kind: 'Schema', version: this.#keyspace.version, keyspace: JSON.stringify(this.#keyspace) };
  }

  /** One that still stands in line will say what the tables are when its turn comes. */
  #schemaEntry(appender: Appender, partition: number): Entry {
    const waiting = this.#schemas.get(partition);
    if (waiting !== undefined && waiting.seq < 0) return waiting;
    const entry = entryOf(() => this.#schema());
    this.#schemas.set(partition, entry);
    appender.enqueue(entry);
    return entry;
  }

  #adopt(keyspace: Keyspace): void {
    this.#keyspace = keyspace;
    this.#adopted = Promise.all(
      this.appenders.map((appender, partition) => {
        const entry = this.#schemaEntry(appender, partition);
        return this.wait(partition, entry);
      }),
    ).then(() => {
      this.committedVersion = Math.max(this.committedVersion, keyspace.version);
    });
    // Whoever waits for it is told; where nobody does, the end of the term is.
    this.#adopted.catch(() => {});
  }
}

/** @throws {Fault} `corrupt`: the log holds this epoch or a later one, and readers would pass over what is written now */
function checkIsNew(
  { name, site, epoch }: { readonly name: string; readonly site: string; readonly epoch: number },
  tails: Opened['tails'],
): void {
  const held = Math.max(...tails.map(({ logHead }) => logHead.epoch));
  if (held < epoch) return;
  const where = `keyspace ${name}: the log of ${site}`;
  throw new Fault('corrupt', `${where} holds epoch ${held}, and epoch ${epoch} was to be begun there`, {
    got: epoch,
    expected: `above ${held}`,
  });
}
