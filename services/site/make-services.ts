/** Makes the writer, mirror and applier of a site, those it has roles for, each told of the others what it has to know. */

import { ApplierService } from '@tidemark/applier/applier-service';
import type { Decision } from '@tidemark/control/audit/decision';
import type { RegisterValue, Term } from '@tidemark/control/consensus/register-value';
import type { Birth } from '@tidemark/control/consensus/vouching';
import type { Log } from '@tidemark/log/log';
import type { CheckTied } from '@tidemark/mirror/copies-http';
import { MirrorService } from '@tidemark/mirror/mirror-service';
import { type Position, parsePosition } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import { placeOf } from '@tidemark/peer/place';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import type { WatchdogService } from '@tidemark/watchdog/watchdog-service';
import { WriterService, type WriterServiceParts } from '@tidemark/writer/writer-service';
import type { Config } from './config/config.ts';
import type { Keyspaces } from './keyspaces.ts';
import { Outcomes } from './outcomes.ts';
import type { Services } from './services.ts';
import type { SiteMemory } from './site-memory.ts';
import type { SiteWorld } from './site-ports.ts';

/** How long a site that was elected waits for its applier to be level, before it looks again at everything. */
const APPLIED_MS = 30_000;

const APPLIED_LOOK_MS = 10;

type ServicesParts = {
  readonly config: Config;
  readonly memory: SiteMemory;
  readonly world: Pick<SiteWorld, 'clock' | 'random' | 'timing' | 'logger' | 'disk' | 'compactionExecutor'>;
  readonly log: Log;
  readonly remotes: ReadonlyMap<string, Log>;
  /** On which sites are found by name. */
  readonly network: Network;
  readonly urlOf: (site: string) => string | null;
  /** Made after the services. */
  readonly keyspaces: () => Keyspaces;
  readonly watchdog: () => WatchdogService;
  /** Why no more rows may be stored; null when the disk has room. */
  readonly diskTrouble: () => string | null;
  /** Makes sure of a keyspace's topics. @throws {Fault} `unavailable` while the log cannot be reached */
  readonly ensureTopics: (keyspace: Keyspace) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
};

/** Makes the services that the site's roles ask for, joined but not started; null for the others. */
export function makeServices(parts: ServicesParts): Services {
  const { config, memory, world, log, remotes, network, urlOf, keyspaces, watchdog, ensureTopics, onFatal } = parts;
  const { cluster, site, roles, flushEveryMs, deletionsKeptMs, requestTimeoutMs } = config;
  const { disk, compactionExecutor, clock, random, timing, logger } = world;
  const common = { cluster, site, disk, log, clock, random, logger, onFatal };
  const registerValue = (keyspace: string): RegisterValue | null => watchdog().registers.current(keyspace);
  const terms = (keyspace: string): readonly Term[] | null => registerValue(keyspace)?.terms ?? null;
  const birth = (keyspace: string): Birth | null => watchdog().registers.birth(keyspace);
  const checkTied: CheckTied = (...asked) => watchdog().checkTied(...asked);
  const mirror = roles.includes('mirror')
    ? new MirrorService({ ...common, remotes, terms, birth, ensureTopics, checkTied })
    : null;
  const outcomes = new Outcomes((decision) => watchdog().decisions.record(decision));
  const writerParts: WriterServiceParts = {
    ...common,
    timing,
    remotes,
    network,
    placeOf,
    register: (keyspace) => watchdog().registers.register(keyspace),
    registerValue,
    checkTied,
    clockTrouble: () => watchdog().clockTrouble(),
    diskTrouble: () => parts.diskTrouble(),
    clockDoubt: () => watchdog().clockDoubt(),
    onLost: (keyspace, reason) => mirror?.doubtOwn(keyspace, reason),
    onHole: (keyspace, partition, at) => mirror?.unreadableBeyond(keyspace, site, partition, at),
    logTrouble: (keyspace) => mirror?.mustMove(keyspace) ?? null,
    heard: (value) => watchdog().heard(value),
    onOutcome: (keyspace, campaign, outcome) =>
      outcomes.told({ keyspace, site, campaign, outcome, atMs: clock.nowMs(), id: random.id() }),
    onCommitted: (keyspace, partition, at) => applier?.committed(keyspace, partition, site, at),
    elsewhere: (keyspace) => keyspaces().elsewhere(keyspace),
    ...(roles.includes('applier')
      ? { applied: (value, signal) => level({ applier: applier!, mirror, clock }, value, signal) }
      : {}),
  };
  const writer = roles.includes('writer')
    ? new WriterService(writerParts, { pending: memory.pending, requestTimeoutMs })
    : null;
  const primaryUrl = (name: string): string | null => {
    const primary = keyspaces().primaryOf(name);
    return primary === null ? null : urlOf(primary);
  };
  const applierParts = {
    ...common,
    ...{ compactionExecutor, memory },
    primaryOf: (name: string) => keyspaces().primaryOf(name),
    primaryUrl,
    onStuck: (keyspace: string, origin: string, partition: number, at: Position) =>
      mirror?.unreadableBeyond(keyspace, origin, partition, at),
    membership: {
      network,
      registerValue,
      register: (keyspace: string) => watchdog().registers.register(keyspace),
      record: (decision: Decision) => watchdog().decisions.record(decision),
      termOf: (keyspace: string) => writer?.termOf(keyspace) ?? null,
      committedOf: (keyspace: string) => writer?.facts(keyspace)?.committed.map(parsePosition) ?? null,
    },
    ...(writer === null ? {} : { requestBarrier: (keyspace: string) => writer.requestBarrier(keyspace) }),
  };
  const applier: ApplierService | null = roles.includes('applier')
    ? new ApplierService(applierParts, {
        ...{ flushEveryMs, deletionsKeptMs, readTimeoutMs: requestTimeoutMs },
      })
    : null;
  return { writer, mirror, applier };
}

/** The newest keyspace, once everything up to the closed epoch ends is applied here; null when `signal` aborts before. */
async function level(
  { applier, mirror, clock }: { applier: ApplierService; mirror: MirrorService | null; clock: Clock },
  value: RegisterValue,
  signal: AbortSignal,
): Promise<Keyspace | null> {
  const untilMs = clock.monotonicMs() + APPLIED_MS;
  while (!signal.aborted) {
    if (applier.holds(value)) return applier.keyspace(value.keyspace);
    const unreadable = mirror?.mustMove(value.keyspace) ?? null;
    if (unreadable !== null) throw new Fault('unavailable', `keyspace ${value.keyspace}: ${unreadable}`);
    if (clock.monotonicMs() > untilMs) {
      const message = `keyspace ${value.keyspace}: not everything of the terms before is applied here after ${APPLIED_MS} ms`;
      throw new Fault('unavailable', message);
    }
    await clock.sleep(APPLIED_LOOK_MS, signal);
  }
  return null;
}
