/** A folder of things that are costly to fetch, shared by every checkout on this machine. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFault } from '@tidemark/platform/fault';
import { NodeDisk } from '@tidemark/platform/node-disk';

/** `TIDEMARK_CACHE`, by default `~/.cache/tidemark`. */
export function cacheFolder(): string {
  return process.env.TIDEMARK_CACHE ?? join(homedir(), '.cache', 'tidemark');
}

/** The folder of a finished entry, or null when it has to be made first. */
export function cachedEntry(key: string): string | null {
  const folder = join(cacheFolder(), key);
  return existsSync(folder) ? folder : null;
}

/**
 * The folder `key`, made by `make` where it does not exist yet. It appears in one rename, so one that was half made
 * when a process died is never taken for whole; of several processes that want it, one makes it and the others wait.
 */
export async function cached(key: string, make: (folder: string) => Promise<void>): Promise<string> {
  const ready = cachedEntry(key);
  if (ready !== null) return ready;
  await mkdir(cacheFolder(), { recursive: true });
  const folder = join(cacheFolder(), key);
  const lock = await lockWhenFree(`${key}.lock`);
  try {
    if (existsSync(folder)) return folder;
    await removeUnfinished(key);
    // A name of its own: a fetcher that outlived its owner goes on writing into its own folder, never into this one.
    const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`;
    await mkdir(temporary);
    await make(temporary);
    await rename(temporary, folder);
    return folder;
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function removeUnfinished(key: string): Promise<void> {
  for (const name of await readdir(cacheFolder()))
    if (name.startsWith(`${key}.`) && name.endsWith('.tmp'))
      await rm(join(cacheFolder(), name), { recursive: true, force: true });
}

async function lockWhenFree(name: string): Promise<AsyncDisposable> {
  const disk = new NodeDisk(cacheFolder());
  for (;;) {
    try {
      return await disk.lock(name);
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error;
      await sleep(200);
    }
  }
}
