/** Fetches what a checked-in POM lists, through the machine's own Maven, into the cache. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { cached, cachedEntry } from '../cache.ts';
import { findProgram } from '../programs.ts';

const FETCH_TIMEOUT_MS = 300_000;

/** A POM of this folder and the goal that brings its dependencies. */
export type MavenSet = { readonly pom: string; readonly goal: string; readonly options?: readonly string[] };

/** Key of the set's cache entry: another POM is another entry. */
function keyOf(set: MavenSet): string {
  const text = JSON.stringify([readFileSync(pathOf(set), 'utf8'), set.goal, set.options ?? []]);
  return `${set.pom.replace(/\.?pom\.xml$/, '')}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** True when the set can be had: it is in the cache, or there is a Maven to fetch it. */
export function isWithinReach(set: MavenSet): boolean {
  return cachedEntry(keyOf(set)) !== null || findProgram('mvn') !== null;
}

/**
 * The folder with everything the set lists; fetched the first time.
 *
 * @throws {Fault} `unavailable`: there is no Maven, or it could not fetch; the message holds Maven's own words.
 */
export function mavenFolder(set: MavenSet): Promise<string> {
  return cached(keyOf(set), async (folder) => {
    const maven = findProgram('mvn');
    if (maven === null)
      throw new Fault('unavailable', `Maven is missing and ${set.pom} was never fetched: install Maven (mvn), once`);
    // Maven works beside the POM, so it gets a copy: a source tree may be read-only, and stays clean.
    const pom = join(folder, 'pom.xml');
    await copyFile(pathOf(set), pom);
    const args = ['-B', '-q', '-f', pom, set.goal, `-DoutputDirectory=${folder}`, ...(set.options ?? [])];
    await promisify(execFile)(maven, args, { timeout: FETCH_TIMEOUT_MS }).catch((error: { stdout?: string }) => {
      const words = (error.stdout ?? '').trim().slice(0, 2_000) || messageOf(error);
      throw new Fault('unavailable', `Maven could not fetch ${set.pom}: ${words}`, { cause: error });
    });
    await rm(join(folder, 'target'), { recursive: true, force: true });
    if ((await readdir(folder)).length === 1) throw new Fault('unavailable', `Maven brought nothing for ${set.pom}`);
  });
}

function pathOf(set: MavenSet): string {
  return fileURLToPath(new URL(set.pom, import.meta.url));
}
