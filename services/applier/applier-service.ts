/** The applier service of a site: the local log and local mirrors in, column files out, reads served. */

import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { JobKinds } from '@tidemark/jobs/jobs-http';
import type { Log } from '@tidemark/log/log';
import { comparePositions, type Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { type Random, SystemRandom } from '@tidemark/platform/random';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import type { FastifyInstance } from 'fastify';
import { type ApplierMemory, type ApplierRules, KeyspaceApplier, type Known } from './applier.ts';
import { BackgroundTasks } from './background-tasks.ts';
import { type ApplierFacts, factsOf } from './facts.ts';
import type { EpochEnd } from './follow/known-epoch-ends.ts';
import { registerApplierRoutes } from './http.ts';
import { ToldAsOf } from './keyspace/told-as-of.ts';
import type { Membership } from './membership.ts';
import { Freshness } from './read/freshness.ts';
import { Replay } from './replay/replay.ts';
import { Replays } from './replay/replays.ts';
import { RunningKeyspace } from './running.ts';

/** What the applier of a site is given to run with. */
export type ApplierParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own. */
  readonly log: Log;
  /** The site's data folder. */
  readonly disk: Disk;
  /** Merges the segments of column files elsewhere; left out or null, this thread does. */
  readonly compactionExecutor?: CompactionExecutor | null;
  readonly memory: ApplierMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names comparisons; chance from the machine when it is left out. */
  readonly random?: Random;
  /** A write or fsync failed, or two records stand under one position: the process must end. */
  readonly onFatal: (error: unknown) => void;
  /**
   * Asks this site's writer to append a BARRIER now. Resolves once it is committed, and that has been told to
   * `committed` before.
   */
  readonly requestBarrier?: (keyspace: string) => Promise<unknown>;
  /** The site that writes a keyspace now, as the register has it; left out, the one it was created with. */
  readonly primaryOf?: (keyspace: string) => string | null;
  /** URL of the site that writes a keyspace; null when it is not known. */
  readonly primaryUrl?: (keyspace: string) => string | null;
  /** This site's copy of an origin's partition cannot be read beyond `at`, though there is more in it. */
  readonly onStuck?: (keyspace: string, origin: string, partition: number, at: Position) => void;
  /** The rest of the site and the other sites; without it sites are neither compared nor taken back. */
  readonly membership?: Membership;
};

type ApplierOptions = Partial<ApplierRules> & {
  /** Longest wait of a read for what it asks for, when the request names none. */
  readonly readTimeoutMs?: number;
  /** Deletions are kept for so long at least, however little they are needed. */
  readonly deletionsKeptMs?: number;
};

const MEBIBYTE = 1024 * 1024;
/** Most bytes of records that wait to be committed, for each origin's partition. */
const HELD_BYTES_MAX = 8 * MEBIBYTE;
const DEFAULTS = {
  flushEveryMs: 10_000,
  heldBytesMax: HELD_BYTES_MAX,
  readTimeoutMs: 10_000,
  deletionsKeptMs: 86_400_000,
} as const;

/**
 * The appliers of all keyspaces of a site, with the tasks and jobs beside them; disposing it flushes and closes their
 * stores.
 */
export class ApplierService implements AsyncDisposable {
  readonly #parts: ApplierParts;
  readonly #options: Required<ApplierOptions>;
  readonly #running = new Map<string, RunningKeyspace>();
  /** By keyspace and partition: the epoch ends that the register told of. */
  readonly #epochEnds = new Map<string, EpochEnd[][]>();
  readonly #replays: Replays;
  readonly #backgroundTasks: BackgroundTasks | null;

  constructor(parts: ApplierParts, options: ApplierOptions = {}) {
    this.#parts = parts;
    this.#options = { ...DEFAULTS, ...options };
    const {
      cluster,
      site,
      log,
      disk,
      clock,
      logger,
      membership,
      random = new SystemRandom(),
      onFatal,
      onStuck,
    } = parts;
    const replaying = { cluster, site, log, clock, onStuck };
    this.#replays = new Replays({ disk, logger, replay: (...asked) => new Replay(replaying, ...asked) });
    const running = this.#running;
    const { deletionsKeptMs } = this.#options;
    const tasks = { cluster, site, log, disk, clock, random, logger, onFatal, running, deletionsKeptMs };
    this.#backgroundTasks = membership === undefined ? null : new BackgroundTasks({ ...tasks, membership });
  }

  /**
   * Opens the keyspace's column files; returns then, and reading goes on.
   * @throws {Fault} `corrupt`: stored bytes are wrong, or another cluster's. `unavailable`: disk full.
   */
  async start(keyspace: Keyspace): Promise<void> {
    const { name } = keyspace;
    const {
      cluster,
      site,
      log,
      disk,
      compactionExecutor = null,
      memory,
      clock,
      logger,
      onFatal,
      onStuck,
    } = this.#parts;
    const applying = { cluster, site, log, disk, compactionExecutor, memory, clock, logger, onFatal, onStuck };
    const parts = {
      begin: (known: Known) => KeyspaceApplier.start(applying, keyspace, this.#options, known),
      openTold: () => ToldAsOf.open({ disk, clock, logger }, name),
      replays: this.#replays,
      epochEnds: () => this.#epochEnds.get(name) ?? [],
      onFatal,
    };
    const running = new RunningKeyspace(parts, keyspace);
    this.#running.set(name, running);
    await running.start();
    this.#backgroundTasks?.begin();
  }

  /** Told by this site's writer, if it has one: everything of the origin's partition up to `at` is committed. */
  committed(keyspace: string, partition: number, origin: string, at: Position): void {
    this.#running.get(keyspace)?.applier?.committed(partition, origin, at);
  }

  /**
   * Told of every term that the register says has ended: of the origin's partition, records of the epoch up to
   * `at.seq` count (−1: none) and those beyond never do. Safe to repeat, and before the keyspace is started.
   */
  closed(keyspace: string, partition: number, origin: string, at: Position): void {
    const all = this.#epochEnds.get(keyspace) ?? [];
    const epochEnds = all[partition] ?? [];
    all[partition] = epochEnds;
    this.#epochEnds.set(keyspace, all);
    if (!epochEnds.some((epochEnd) => epochEnd.epoch === at.epoch))
      epochEnds.push({ origin, epoch: at.epoch, seq: at.seq });
    const applier = this.#running.get(keyspace)?.applier ?? null;
    if (applier !== null && partition < applier.stores.keyspace.partitions) applier.closed(partition, origin, at);
  }

  /** True when everything of the terms that are closed is applied here. */
  holds({ keyspace, terms }: RegisterValue): boolean {
    const applier = this.#running.get(keyspace)?.applier ?? null;
    if (applier === null) return false;
    return terms.every(({ site, epoch, epochEnds }) =>
      (epochEnds ?? []).every(({ seq }, partition) => {
        return seq < 0 || comparePositions(applier.origins.applied(site, partition), { epoch, seq }) >= 0;
      }),
    );
  }

  register(app: FastifyInstance): void {
    const { site, clock, logger, requestBarrier, primaryOf, primaryUrl } = this.#parts;
    const { readTimeoutMs } = this.#options;
    const freshness = new Freshness({ site, clock, readTimeoutMs, requestBarrier, primaryOf, primaryUrl });
    registerApplierRoutes(app, {
      ...{ site, clock, logger, replays: this.#replays, freshness },
      applierOf: (keyspace) => this.#applierOf(keyspace),
      anyApplierOf: (keyspace) => this.#runningOf(keyspace).opened,
    });
    this.#backgroundTasks?.register(app, (keyspace) => this.#runningOf(keyspace).opened);
  }

  /** What of this service runs as a job. */
  jobKinds(): JobKinds {
    const replay: JobKinds[string] = (body) => this.#replays.work(body, (keyspace) => this.#applierOf(keyspace));
    return { replay, ...this.#backgroundTasks?.jobKinds((keyspace) => this.#runningOf(keyspace)) };
  }

  #applierOf(keyspace: string): KeyspaceApplier {
    return this.#runningOf(keyspace).readable;
  }

  #runningOf(keyspace: string): RunningKeyspace {
    const running = this.#running.get(keyspace);
    if (running !== undefined) return running;
    const expected = [...this.#running.keys()].join(', ');
    throw new Fault('notFound', `no keyspace "${keyspace}" at site ${this.#parts.site}; there are: ${expected}`, {
      got: keyspace,
      expected,
    });
  }

  /** The newest version applied here, or as it was started; null when it was not. */
  keyspace(name: string): Keyspace | null {
    return this.#running.get(name)?.applier?.stores.keyspace ?? null;
  }

  /** Why keyspaces cannot be read here now, in words. */
  refusals(): string[] {
    return [...this.#running.values()].flatMap(({ refusal }) => refusal ?? []);
  }

  /** Null while it is not open. */
  facts(keyspace: string): ApplierFacts | null {
    const applier = this.#running.get(keyspace)?.applier ?? null;
    return applier === null ? null : factsOf(applier);
  }

  /** Writes everything applied so far to disk. */
  async flush(): Promise<void> {
    for (const { applier } of this.#running.values()) await applier?.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backgroundTasks?.[Symbol.asyncDispose]();
    await this.#replays[Symbol.asyncDispose]();
    for (const running of this.#running.values()) await running[Symbol.asyncDispose]();
  }
}
