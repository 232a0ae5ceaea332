/** Whose data folder this is: written once, checked at every start, and held by one process at a time. */

import type { Disk } from '@tidemark/world/disk';
import { Fault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import { asWritten, readDerived, writeState } from '@tidemark/world/state-file';

const FILE = 'site.json';
/** Of the folder's layout as a whole; what is inside has formats of its own. */
const FORMAT = 2;

export type Identity = { readonly cluster: string; readonly site: string };

/**
 * Takes the folder for this process and for this site, writing the site's name into a new one. A damaged name is set
 * aside and written anew: each log says itself whose it is.
 * @returns gives the folder back when disposed
 * @throws {Fault} `unavailable`: another process has it. `invalid`: it is of another site, cluster or format (both named).
 */
export async function takeDataFolder(
  disk: Disk,
  place: string,
  identity: Identity,
  logger: Logger,
): Promise<AsyncDisposable> {
  await disk.makeFolder('.');
  const lock = await disk.lock('.');
  try {
    const found = await readDerived(disk, FILE, asWritten<Record<string, unknown>>(), logger);
    if (found !== null) check(place, identity, found);
    else await writeState(disk, FILE, { format: FORMAT, ...identity });
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

function check(place: string, identity: Identity, found: Record<string, unknown>): void {
  const expected: Record<string, unknown> = { format: FORMAT, ...identity };
  for (const field of ['format', 'cluster', 'site']) {
    if (found[field] === expected[field]) continue;
    const message = `data folder ${place} is of ${field} ${found[field]}, this process of ${field} ${expected[field]}`;
    throw new Fault('invalid', message, { got: found[field], expected: expected[field] });
  }
}
