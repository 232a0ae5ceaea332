/** Whose data folder this is: written once, checked at every start, and held by one process at a time. */

import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';

const FILE = 'site.json';
/** Of the folder's layout as a whole; what is inside has formats of its own. */
const FORMAT = 2;

/** The cluster and site a data folder belongs to for good. */
export type Identity = { readonly cluster: string; readonly site: string };

/** A folder that this process holds until it is disposed. */
export type TakenFolder = AsyncDisposable & {
  /** True while it bears no name. */
  readonly isNew: boolean;
  /** Writes the site's name into a new one. */
  name(): Promise<void>;
};

/**
 * Takes the folder for this process. A damaged name is set aside and written anew: each log says itself whose it is.
 * @throws {Fault} `unavailable`: another process has it. `invalid`: it is of another site, cluster or format (both named).
 */
export async function takeDataFolder(
  disk: Disk,
  place: string,
  identity: Identity,
  logger: Logger,
): Promise<TakenFolder> {
  await disk.makeFolder('.');
  const lock = await disk.lock('.');
  try {
    const found = await readDerived(disk, FILE, asWritten<Record<string, unknown>>(), logger);
    if (found !== null) check(place, identity, found);
    const isNew = found === null;
    return {
      isNew,
      name: async () => (isNew ? writeState(disk, FILE, { format: FORMAT, ...identity }) : undefined),
      [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
    };
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
