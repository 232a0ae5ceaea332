/** What a site opens at its start: its own log to write, the other sites' to read, and every site's heartbeat store. */

import type { HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Log } from '@tidemark/log/log';
import { isFault } from '@tidemark/platform/fault';
import type { SiteWorld } from './site-ports.ts';

/** Logs and heartbeat stores by site, open. */
export type Opened = {
  readonly log: Log;
  readonly remotes: ReadonlyMap<string, Log>;
  readonly boards: ReadonlyMap<string, HeartbeatStore>;
};

/** Logs first, in the order of `sites`; `stack` takes all of them. @throws {Fault} whatever opening the own log does. */
export async function openEngines(
  stack: AsyncDisposableStack,
  world: Pick<SiteWorld, 'openLog' | 'openHeartbeatStore'>,
  own: string,
  sites: readonly string[],
): Promise<Opened> {
  const logs = new Map<string, Log>();
  for (const name of sites) logs.set(name, stack.use(await world.openLog(name)));
  const boards = new Map<string, HeartbeatStore>();
  for (const name of sites) boards.set(name, stack.use(await world.openHeartbeatStore(name)));
  const log = logs.get(own)!;
  logs.delete(own);
  return { log, remotes: logs, boards };
}

/** True when the site's log answers now. */
export async function reachesLog(log: Log | undefined): Promise<boolean> {
  try {
    await log?.topics();
    return log !== undefined;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}
