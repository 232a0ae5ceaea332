/**
 * A copy that this site holds of what one site originates for a keyspace: its mirror of another site's log, or its own
 * log. A replicator for each partition, one checkpoint for all, one identity.
 */

import type { EpochEndAt } from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import { isGone, type Tail } from '@tidemark/log/tail';
import { comparePositions, type Position } from '@tidemark/model/position';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';
import { Mutex } from '@tidemark/platform/sync/mutex';
import { Notifier } from '@tidemark/platform/sync/notifier';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { isSuccessor, successorOf } from '@tidemark/record/log-identity';
import { sealRecord } from '@tidemark/record/seal';
import { fillUpTo } from './fill.ts';
import { Replicator, type ReplicatorCheckpoint } from './replicator.ts';
import type { Source } from './source.ts';
import { Unreadable, unreadableWords } from './unreadable.ts';

const CHECKPOINT_MS = 2_000;
const KEEP_ALIVE_MS = 1_000;
/** Every so many checkpoints it is looked whether somebody has trimmed the topic. */
const TRIM_LOOKS = 5;

type MirrorParts = {
  readonly cluster: string;
  readonly site: string;
  readonly origin: string;
  readonly keyspace: Keyspace;
  /** The other sites' logs. */
  readonly remotes: ReadonlyMap<string, Log>;
  readonly local: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Makes the keyspace's topics where they are missing. */
  readonly ensureTopics: (keyspace: Keyspace) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
};

/** Where a partition of a copy ends: its last accepted record. */
export type Head = { readonly epoch: number; readonly seq: number; readonly chain: string };

/** Which terms a FENCE takes the right to be acked from here: those below `by`. */
export type Fence = { readonly closes: number; readonly by: number; readonly nonce: string };

/**
 * One origin's copy, all partitions, from `start` until it is disposed; reading, fencing and filling go side by side.
 */
export class Mirror implements AsyncDisposable {
  readonly origin: string;
  readonly replicators: readonly Replicator[];
  /** Raised whenever more is stored, and at least every second. */
  readonly changed = new Notifier();
  /** Who vouches that it holds all it promised before this process began; null: nobody yet (`vouching.ts`). */
  vouchedBy: string | null = null;
  /** Of the own log while this site leads. */
  readonly unreadable: Unreadable;
  readonly #parts: MirrorParts;
  readonly #topic: string;
  readonly #stop = new AbortController();
  /** Fences being written, by the epoch they are for. */
  readonly #fencing = new Map<number, Promise<unknown>>();
  /** The topic was not there, or was another one, when somebody looked last. */
  #isGone = false;
  #running: Promise<unknown> = Promise.resolve();
  readonly #filling = new Mutex();

  constructor(parts: MirrorParts) {
    this.#parts = parts;
    const { cluster, site, origin, keyspace, local, clock, random, logger } = parts;
    this.origin = origin;
    const { name: ks } = keyspace;
    this.#topic = origin === site ? topicNames.log(ks, site) : topicNames.mirror(ks, origin);
    const others = keyspace.sites.filter(({ name, role }) => role === 'data' && name !== site);
    this.unreadable = new Unreadable(
      this.#topic,
      others.map(({ name }) => name),
    );
    this.replicators = Array.from(
      { length: keyspace.partitions },
      (_, partition) =>
        new Replicator({
          ...{ local, clock, random, logger },
          topic: this.#topic,
          home: origin === site ? null : this.#sourceAt(origin),
          others: origin === site ? [] : this.#otherSources(),
          name: { cluster, keyspace: ks, origin, partition },
          signal: this.#stop.signal,
          onStored: () => this.changed.notify(),
          onGone: () => {
            this.#isGone = true;
          },
        }),
    );
  }

  /** Null for this site itself, and for one whose log is not known. */
  #sourceAt(site: string): Source | null {
    const { remotes, origin, keyspace } = this.#parts;
    const log = remotes.get(site);
    if (log === undefined) return null;
    const topic = site === origin ? topicNames.log(keyspace.name, origin) : topicNames.mirror(keyspace.name, origin);
    return { site, log, topic };
  }

  #otherSources(): Source[] {
    const { keyspace, origin, site } = this.#parts;
    const sites = keyspace.sites.filter(({ name, role }) => role === 'data' && name !== origin && name !== site);
    return sites.map(({ name }) => this.#sourceAt(name)).filter((source) => source !== null);
  }

  /** Begins to copy, in the background. */
  async start(): Promise<void> {
    const checkpoints = await this.#readCheckpoints();
    const copying = this.replicators.map((replicator, partition) => replicator.run(checkpoints[partition] ?? null));
    this.#running = Promise.all([...copying, this.#checkpointing(), this.#keepingAlive()]).catch(this.#parts.onFatal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#filling.settled();
  }

  /**
   * Identity of the topic; empty while it is not sure: a partition has not been read yet, or lost its end, or even its
   * beginning, and has not got its next identity.
   */
  get logId(): string {
    const whole = this.replicators.every(({ tail }) => tail !== null && !hasLost(tail));
    return whole ? this.#newestLogId() : '';
  }

  #newestLogId(): string {
    const known = this.replicators.flatMap((replicator) => replicator.logIds);
    return known.reduce((newest, id) => (newest === '' || isSuccessor(newest, id) ? id : newest), '');
  }

  /** Where each partition ends. @throws {Fault} `unavailable`: one has not been read yet. */
  heads(): Head[] {
    return this.replicators.map(({ tail }, partition) => {
      if (tail === null) throw this.#notRead(partition);
      const { epoch, seq, chain } = tail.logHead;
      return { epoch, seq, chain };
    });
  }

  /** The highest epoch below which all were fenced in some partition; 0 for none. */
  get fencedBelow(): number {
    return Math.max(0, ...this.replicators.map(({ tail }) => tail?.logHead.fencedBelow ?? 0));
  }

  #notRead(partition: number): Fault {
    return new Fault('unavailable', `${this.#topic}/${partition} has not been read yet`, { retryAfterMs: 500 });
  }

  /** Takes in what others have appended to the topic. @throws {Fault} `unavailable`; `corrupt`: it lost its end. */
  async catchUp(): Promise<void> {
    await Promise.all(this.replicators.map((replicator) => this.#catchUp(replicator)));
  }

  async #catchUp(replicator: Replicator): Promise<void> {
    try {
      await replicator.tail?.catchUp();
    } catch (error) {
      if (isGone(error)) this.#isGone = true;
      if (isFault(error, 'corrupt') || isGone(error)) replicator.reopen();
      throw error;
    }
  }

  /**
   * Appends the FENCE to every partition, unless one like it stands there, and resolves once it has been read back.
   * @throws {Fault} `unavailable`: a partition has not been read yet. `corrupt`: one lost its end.
   */
  async fence(fence: Fence): Promise<void> {
    const before = this.#fencing.get(fence.by);
    const fencing =
      before ?? Promise.all(this.replicators.map((replicator, partition) => this.#fence(replicator, partition, fence)));
    this.#fencing.set(fence.by, fencing);
    try {
      await fencing;
    } finally {
      this.#fencing.delete(fence.by);
    }
  }

  async #fence(replicator: Replicator, partition: number, fence: Fence): Promise<void> {
    const { tail } = replicator;
    if (tail === null) throw this.#notRead(partition);
    await this.#catchUp(replicator);
    if (tail.logHead.fencedBelow >= fence.by) return;
    await tail.appendLocal(this.#localRecord(partition, { kind: 'Fence', ...fence }));
  }

  #localRecord(
    partition: number,
    body: { kind: 'Fence'; closes: number; by: number; nonce: string } | { kind: 'Genesis'; logId: string },
  ): Uint8Array {
    const { cluster, keyspace, origin, clock } = this.#parts;
    const local = { epoch: 0, seq: -1, stampMs: clock.nowMs(), stampCounter: 0, writer: 0, committed: -1 };
    return sealRecord({ cluster, keyspace: keyspace.name, origin, partition, ...local, body }, NO_CHAIN).bytes;
  }

  /**
   * It was put back to an older state: others know that it held more. It gets its next identity, so what it promised
   * is void, and its site does not count until it was filled and compared.
   */
  doubt(reason: string): void {
    if (this.logId === '') return;
    this.#parts.logger.error({ topic: this.#topic, reason }, `${this.#topic} is older than it was: ${reason}`);
    this.vouchedBy = null;
    for (const { tail } of this.replicators) tail?.doubt();
    this.changed.notify();
  }

  /** True when every partition holds everything up to the epoch end. */
  holds(epoch: number, epochEnds: readonly EpochEndAt[]): boolean {
    return epochEnds.every(({ seq }, partition) => this.holdsPartition(partition, { epoch, seq }));
  }

  /** True when the partition is stored here up to the position. */
  holdsPartition(partition: number, at: Position): boolean {
    const tail = this.replicators[partition]?.tail ?? null;
    return at.seq < 0 || (tail !== null && comparePositions(tail.logHead, at) >= 0);
  }

  /**
   * Told that a reader which has read the partition to its end could accept nothing beyond `at`: if more than that is
   * believed to be stored, a record in between was damaged, and is copied again from whoever has it.
   */
  unreadableBeyond(partition: number, at: Position): void {
    const replicator = this.replicators[partition];
    if (replicator === undefined || !this.#holdsMore(partition, at)) return;
    this.#parts.logger.error(
      { topic: this.#topic, partition },
      `${unreadableWords(this.#topic, partition, at)}: it is copied again from other sites`,
    );
    replicator.distrust();
  }

  /** As `unreadableBeyond`, once `ledByOther` is told. */
  waitUntilLedByOther(partition: number, at: Position): void {
    if (!this.#holdsMore(partition, at) || !this.unreadable.add(partition, at)) return;
    const words = this.unreadable.words.at(-1)!;
    this.#parts.logger.error({ topic: this.#topic, partition }, words);
  }

  ledByOther(): void {
    for (const [partition, at] of this.unreadable.take()) this.unreadableBeyond(partition, at);
  }

  #holdsMore(partition: number, at: Position): boolean {
    const tail = this.replicators[partition]?.tail ?? null;
    return tail !== null && comparePositions(tail.logHead, at) > 0;
  }

  /**
   * Copies up to the epoch end of a closed term from whichever of the sites has it, in that order; gives up after `timeoutMs`.
   * @returns whether everything up to the epoch end is stored here
   */
  async fill(
    epoch: number,
    epochEnds: readonly EpochEndAt[],
    from: readonly string[],
    timeoutMs: number,
  ): Promise<boolean> {
    const sources = from.map((site) => this.#sourceAt(site)).filter((source) => source !== null);
    const parts = {
      replicators: this.replicators,
      clock: this.#parts.clock,
      holds: (partition: number, at: Position) => this.holdsPartition(partition, at),
      signal: this.#stop.signal,
    };
    using _turn = await this.#filling.lock();
    await fillUpTo(parts, epoch, epochEnds, sources, timeoutMs);
    return this.holds(epoch, epochEnds);
  }

  get #path(): string {
    return `checkpoints/mirror/${this.#parts.keyspace.name}-${this.origin}.json`;
  }

  /** A checkpoint saves time, and tells what was there: one that cannot be read is as good as none. */
  async #readCheckpoints(): Promise<(ReplicatorCheckpoint | null)[]> {
    const { disk, logger } = this.#parts;
    return (await readDerived(disk, this.#path, asWritten<(ReplicatorCheckpoint | null)[]>(), logger)) ?? [];
  }

  /** So that who follows `durable` knows the link is alive though nothing is written. */
  async #keepingAlive(): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(KEEP_ALIVE_MS, this.#stop.signal);
      try {
        await this.#makeAgain();
        await this.#renew();
      } catch (error) {
        logger.warn({ topic: this.#topic, error: messageOf(error) }, 'cannot write the next identity yet');
      }
      this.changed.notify();
    }
  }

  /** A topic that was deleted under this process is made again; it is another one then, and is filled. */
  async #makeAgain(): Promise<void> {
    if (!this.#isGone) return;
    await this.#parts.ensureTopics(this.#parts.keyspace);
    this.#isGone = false;
  }

  /** What lost something gets its next identity, above all that any partition is known to have had. */
  async #renew(): Promise<void> {
    const lost = this.replicators.filter(({ tail }) => tail !== null && hasLost(tail));
    if (lost.length === 0 || this.replicators.some(({ tail }) => tail === null)) return;
    const known = this.#newestLogId();
    const logId = known === '' ? this.#parts.random.id() : successorOf(known);
    const what = lost[0]!.tail!.lost ?? 'beginning';
    const message = `${this.#topic} lost its ${what}: it is ${logId} from now on, and is filled from other sites' copies`;
    this.#parts.logger.error({ topic: this.#topic, logId, partitions: lost.length }, message);
    for (const replicator of lost) {
      const genesis = this.#localRecord(this.replicators.indexOf(replicator), { kind: 'Genesis', logId });
      await replicator.tail?.renew(genesis);
    }
    await this.#writeCheckpoints();
  }

  async #checkpointing(): Promise<void> {
    const { clock, origin, site } = this.#parts;
    let looks = 1;
    do {
      await clock.sleep(CHECKPOINT_MS, this.#stop.signal);
      // Nothing is copied into the own log as a rule: its writer appends to it.
      if (origin === site && !this.#stop.signal.aborted) await this.catchUp().catch(() => {});
      await this.#saveCheckpoints();
      if (looks++ % TRIM_LOOKS === 0 && !this.#stop.signal.aborted) await this.#lookForTrims();
    } while (!this.#stop.signal.aborted);
  }

  /** A checkpoint only saves reading: a disk that is full ends no copying. */
  async #saveCheckpoints(): Promise<void> {
    try {
      await this.#writeCheckpoints();
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error;
      this.#parts.logger.warn({ topic: this.#topic, error: error.message }, 'mirror checkpoint not written');
    }
  }

  /** Nothing here trims: who did is told before the next start, at which the copy would count as lost. */
  async #lookForTrims(): Promise<void> {
    const { logger, site, origin } = this.#parts;
    for (const [partition, replicator] of this.replicators.entries()) {
      const start = await replicator.tail?.trimmedTo().catch(() => null);
      if (start == null) continue;
      const help =
        origin === site ? ' Where this site is the primary, move that before it is restarted: switchover.' : '';
      const place = `${this.#topic}/${partition}`;
      const message = `${place} begins at offset ${start} now: what stood before was trimmed away, by retention or by hand. From the next start on it counts as lost, and is filled from other sites' copies.${help}`;
      if (replicator.trimmed === null) logger.error({ topic: this.#topic, partition, start }, message);
      replicator.trimmed = `${place} was trimmed to offset ${start}`;
    }
  }

  /** Why the copy cannot go on with what follows, as no site has that any more; null while it can. */
  get stranded(): string | null {
    return this.replicators.find(({ detours }) => detours.isStranded)?.detours.trouble ?? null;
  }

  #written = '';
  async #writeCheckpoints(): Promise<void> {
    const checkpoints = this.replicators.map((replicator) => replicator.checkpoint());
    const text = JSON.stringify(checkpoints);
    if (text === this.#written) return;
    this.#written = text;
    try {
      await this.#parts.disk.makeFolder('checkpoints/mirror');
      await writeState(this.#parts.disk, this.#path, checkpoints);
    } catch (error) {
      this.#written = '';
      throw error;
    }
  }
}

/** Whether a partition is not what it was: its end or its beginning is gone, and be it only the GENESIS. */
function hasLost({ lost, logHead }: Tail): boolean {
  return lost !== null || logHead.logId === '';
}
