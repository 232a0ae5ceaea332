/** What a site stands on: time, chance, files, other sites' HTTP, and the engines behind the addresses it was given. */

import type { HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Log } from '@tidemark/log/log';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import type { Timing } from '@tidemark/platform/timing';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import type { FastifyInstance } from 'fastify';

/** Everything outside a site's own logic, one implementation of each port. */
export type SiteWorld = {
  readonly clock: Clock;
  readonly random: Random;
  readonly timing: Timing;
  /** The machine's name: with it a folder's path names the folder. */
  readonly host: string;
  readonly logger: Logger;
  /** Log lines that were lost on their way. */
  readonly logDropped: () => number;
  /** The site's data folder. */
  readonly disk: Disk;
  /** Merges the segments of column files elsewhere; null: the site's own thread does. */
  readonly compactionExecutor: (CompactionExecutor & AsyncDisposable) | null;
  readonly network: Network;
  /** Opens a site's log: this one's own to write, another's to read. One that is not there yet is `unavailable`. */
  openLog(site: string): Promise<Log>;
  /** Opens a site's heartbeat store; one that is not there yet is `unavailable` until it is. */
  openHeartbeatStore(site: string): Promise<HeartbeatStore>;
  /**
   * Begins to answer requests with `app`, until that is closed.
   * @throws {Fault} `unavailable`: a place is taken.
   */
  serve(app: FastifyInstance): Promise<Listening>;
};

/** The URLs at which a process listens: for clients, and for other sites, which never stand in line behind those. */
export type Listening = { readonly url: string; readonly peerUrl: string };
