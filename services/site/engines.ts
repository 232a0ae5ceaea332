/** The machine's own world, and the one place that knows which engine stands behind an address. */

import { availableParallelism, hostname } from 'node:os';
import { FileHeartbeatStore } from '@tidemark/control/heartbeats/file-heartbeat-store';
import type { HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import { RedisHeartbeatStore } from '@tidemark/control/heartbeats/redis-heartbeat-store';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import type { Log } from '@tidemark/log/log';
import { SqliteLog } from '@tidemark/log/sqlite/sqlite-log';
import type { Clock } from '@tidemark/platform/clock';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { HttpNetwork } from '@tidemark/platform/network';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { type Random, SystemRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { ThreadedCompaction } from '@tidemark/store/merge/threaded-compaction';
import type { HeartbeatStoreAddress, LogAddress } from './config/address.ts';
import type { Config } from './config/config.ts';
import { limitsBy } from './http/connections.ts';
import { listen, listenToPeers } from './http/listen.ts';
import type { SiteWorld } from './site-ports.ts';

/** Merges under way at a time: each takes a core, and memory for a block of each of its segments. */
const MERGES_MAX = 2;

/** What may stand in place of the machine's own logger and clock. */
export type MachineOptions = {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Log lines that were lost on their way. */
  readonly logDropped?: () => number;
};

/**
 * The world of a site on this machine; engines are opened when the site opens them, by the addresses in its
 * configuration.
 */
export function machineWorld(
  config: Config,
  { logger = SILENT, clock = new SystemClock(), logDropped = () => 0 }: MachineOptions = {},
): SiteWorld {
  const { cluster, site, sites, appendTimeoutMs } = config;
  const random = new SystemRandom();
  const disk = new NodeDisk(config.data);
  const parts: EngineParts = { cluster, site, appendTimeoutMs, clock, random, logger };
  return {
    clock,
    random,
    timing: TIMING,
    host: hostname(),
    logger,
    logDropped,
    disk,
    compactionExecutor: compactionExecutorOn(disk),
    network: new HttpNetwork(),
    openLog: (name) => openLog(sites.get(name)!.log, name === site ? 'owner' : 'reader', parts),
    openHeartbeatStore: (name) => openHeartbeatStore(sites.get(name)!.board, name, parts),
    serve: async (app) => {
      const peerUrl = await listenToPeers(app, config.peerListen, logger, limitsBy(config.memoryPlan).peers);
      return { url: await listen(app, config.listen), peerUrl };
    },
  };
}

/** With a core to spare segments are merged on other threads; without one, that would only cost memory. */
function compactionExecutorOn(disk: NodeDisk): ThreadedCompaction | null {
  const spare = availableParallelism() - 1;
  return spare === 0 ? null : ThreadedCompaction.of(disk, Math.min(spare, MERGES_MAX));
}

type EngineParts = {
  readonly cluster: string;
  /** The site this process is. */
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly appendTimeoutMs: number;
};

/**
 * Opens a site's log. Kafka need not be there yet: operations are `unavailable` until it is.
 * @param mode `owner` for this site's own log, `reader` for another's
 * @throws {Fault} as the engine's own opening: a file of another format, or one that is no log.
 */
async function openLog(address: LogAddress, mode: 'owner' | 'reader', parts: EngineParts): Promise<Log> {
  const { clock, random, logger, appendTimeoutMs, cluster, site } = parts;
  if (address.engine === 'sqlite') return SqliteLog.open(address.path, { clock, random, logger, mode });
  const clientId = `tidemark-${cluster}-${site}`;
  return KafkaLog.connect(address.brokers, { clock, logger, clientId, appendTimeoutMs });
}

/** Opens a site's heartbeat store; one that is not there yet is `unavailable` until it is. @param of whose heartbeat store it is */
async function openHeartbeatStore(
  address: HeartbeatStoreAddress,
  of: string,
  parts: EngineParts,
): Promise<HeartbeatStore> {
  const { cluster, clock, logger } = parts;
  if (address.engine === 'file') return FileHeartbeatStore.at(address.path, clock);
  return RedisHeartbeatStore.connect({ url: address.url, cluster, site: of, clock, logger });
}
