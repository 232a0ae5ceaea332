/** Whose data folder this is: written once, checked at every start, and held by one process at a time. */

import { type Disk, replaceFile } from '@tidemark/world/disk';
import { Fault } from '@tidemark/world/fault';

const FILE = 'site.json';
/** Of the folder's layout as a whole; what is inside has formats of its own. */
const FORMAT = 1;

export type Identity = { readonly cluster: string; readonly site: string };

/**
 * Takes the folder for this process and for this site, writing the site's name into a new one.
 * @returns gives the folder back when disposed
 * @throws {Fault} `unavailable`: another process has it. `invalid`: it is of another site, cluster or format (both
 *   named). `corrupt`: what it says of itself cannot be read.
 */
export async function takeDataFolder(disk: Disk, place: string, identity: Identity): Promise<AsyncDisposable> {
  await disk.makeFolder('.');
  const lock = await disk.lock('.');
  try {
    if (await disk.exists(FILE)) check(place, identity, decoded(place, await disk.read(FILE)));
    else await replaceFile(disk, FILE, Buffer.from(`${JSON.stringify({ format: FORMAT, ...identity })}\n`));
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

function decoded(place: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
  } catch (error) {
    throw new Fault('corrupt', `data folder ${place}: ${FILE} is not JSON`, { cause: error });
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
