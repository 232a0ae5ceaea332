/** One site in a test: a log in memory, a disk, and an applier over both. */

import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { formatPosition } from '@tidemark/model/position';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type ApplierMemory, type ApplierRules, KeyspaceApplier, type KeyspaceApplierParts } from '../applier.ts';
import type { EpochEnd } from '../follow/known-epoch-ends.ts';
import { ToldAsOf } from '../keyspace/told-as-of.ts';
import { Replay } from '../replay/replay.ts';
import { Replays } from '../replay/replays.ts';
import { RunningKeyspace } from '../running.ts';
import { CLUSTER, PartitionMaker, sampleKeyspace } from './log-maker.ts';

export const LOCAL = sampleKeyspace();
export const SYNC = sampleKeyspace({ ack: { name: 'sync', k: 1 } });
export const RULES: ApplierRules = { flushEveryMs: 1e9, heldBytesMax: 1 << 20 };
/** Enough for any test. */
export function ampleMemory(): ApplierMemory {
  return { memtables: new SharedMemory(64 << 20), uncommitted: new SharedMemory(64 << 20) };
}
/** The site's own log. */
export const LOG = topicNames.log('ks', 'paris');

/** One site, by default `paris`. What was fatal and what was alarmed is kept. */
export class TestSite {
  readonly site: string;
  readonly store = new SimLogStore(new SimClock());
  readonly log = new SimLog(this.store);
  disk: Disk = new SimDisk();
  /** By partition: cuts that are known when an applier starts. */
  known: readonly (readonly EpochEnd[])[] = [];
  readonly fatal: unknown[] = [];
  readonly alarms: object[] = [];
  readonly warnings: string[] = [];

  constructor(site = 'paris') {
    this.site = site;
  }

  /** The topic of this site that holds an origin's records. */
  topicOf(origin: string): string {
    return origin === this.site ? topicNames.log('ks', origin) : topicNames.mirror('ks', origin);
  }

  async append(topic: string, partition: number, values: readonly Buffer[]): Promise<void> {
    await this.log.ensureTopic({ name: topic, partitions: 2, genesis: null, flushed: true });
    for (const value of values) await this.log.append(topic, partition, [{ value }]);
  }

  /** What an applier here is made of. */
  parts(clock: Clock = new SystemClock()): KeyspaceApplierParts {
    const logger: Logger = {
      ...SILENT,
      warn: (_fields, message) => this.warnings.push(message),
      error: (fields) => this.alarms.push(fields),
    };
    const { site, log, disk } = this;
    const onFatal = (error: unknown): number => this.fatal.push(error);
    return { cluster: CLUSTER, site, log, disk, memory: ampleMemory(), clock, logger, onFatal };
  }

  /** One that begins again by itself when it has to, with the epoch ends that it is told of. */
  async run(
    keyspace: Keyspace,
    epochEnds: () => readonly (readonly EpochEnd[])[] = () => [],
  ): Promise<RunningKeyspace> {
    const parts = this.parts();
    const { cluster, site, log, disk, clock, logger, onFatal, onStuck } = parts;
    const replaying = { cluster, site, log, clock, onStuck };
    const running = new RunningKeyspace(
      {
        begin: (known) => KeyspaceApplier.start(parts, keyspace, RULES, known),
        openTold: () => ToldAsOf.open({ disk, clock, logger }, keyspace.name),
        replays: new Replays({ disk, logger, replay: (...asked) => new Replay(replaying, ...asked) }),
        epochEnds,
        onFatal,
      },
      keyspace,
    );
    await running.start();
    return running;
  }

  async start(keyspace: Keyspace, change: Partial<ApplierRules> & { clock?: Clock } = {}): Promise<KeyspaceApplier> {
    const { clock, ...rules } = change;
    const own = this.topicOf(this.site);
    await this.log.ensureTopic({ name: own, partitions: keyspace.partitions, genesis: null, flushed: true });
    return KeyspaceApplier.start(this.parts(clock), keyspace, { ...RULES, ...rules }, { epochEnds: this.known });
  }
}

/** Waits until the origin's partition was applied up to there. @throws when it was not in 5 s; names both positions. */
export async function reaches(
  applier: KeyspaceApplier,
  position: string,
  partition = 0,
  origin = 'paris',
): Promise<void> {
  const there = (): boolean => formatPosition(applier.origins.applied(origin, partition)) === position;
  if (await applier.progress.until(there, 5_000)) return;
  throw new Error(`at ${formatPosition(applier.origins.applied(origin, partition))}, expected ${position}`);
}

/** Waits until something holds that nobody tells of. @throws when it does not within 5 s. */
export async function eventually(holds: () => boolean): Promise<void> {
  const clock = new SystemClock();
  for (let turn = 0; turn < 1_000 && !holds(); turn++) await clock.sleep(5);
  if (!holds()) throw new Error(`it never came true: ${holds}`);
}

/** Everything in the log has been looked at, whether it was applied or not. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Hashes of table `t`'s partitions. */
export async function digest(applier: KeyspaceApplier): Promise<string> {
  const { partitions } = applier.stores.tableStore(1)!;
  return (await Promise.all(partitions.map((store) => store.digest()))).map(({ hash }) => hash).join();
}

export const row = (k: number, v: number): { k: string; v: number } => ({ k: `k${k}`, v });

/** GENESIS, EPOCH_START, then `batches` MUTATEs over few keys, every fifth with a delete. */
export function sampleLog(
  batches: number,
  keyspace: Keyspace = LOCAL,
  partition = 0,
): { maker: PartitionMaker; values: Buffer[] } {
  const maker = new PartitionMaker(keyspace, 'paris', partition);
  const values = [maker.genesis(), maker.start(1)];
  for (let i = 0; i < batches; i++) {
    values.push(maker.rows([i % 5 === 4 ? { k: `k${i % 3}`, $delete: true } : row(i % 3, i), row((i * 7) % 4, -i)]));
  }
  return { maker, values };
}
