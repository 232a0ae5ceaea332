/** Opening a partition's folder: the newest whole manifest, its segments, and nothing else left lying about. */

import type { Disk } from '@tidemark/platform/disk';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { BlockCache } from './segment/block-cache.ts';
import { readDeletionVector } from './segment/deletion-vector-file.ts';
import type { LiveSegment } from './segment/live-segment.ts';
import { EMPTY_MANIFEST, generationOf, type Manifest, manifestName, readManifest } from './segment/manifest.ts';
import { Segment } from './segment/segment.ts';

type OpenedFiles = {
  readonly manifest: Manifest;
  readonly segments: readonly LiveSegment[];
  /** The manifest before, kept with all it names, so that it stays a fall-back. */
  readonly previous: Manifest | null;
  /** Highest generation and segment number in sight, also of files that did not count. */
  readonly generation: number;
  readonly nextSegment: number;
  /** What was found wrong with newer manifests, when an older one is used. */
  readonly notes: readonly string[];
};

/**
 * Makes the folder where there is none.
 * @throws {Fault} `corrupt`: there are manifests and none is whole. `invalid`: written by a newer version, untouched.
 */
export async function openFiles(disk: Disk, folder: string, cache: BlockCache): Promise<OpenedFiles> {
  await makeDurableFolder(disk, folder);
  const names = await disk.list(folder);
  const generations = names.map(generationOf).filter((g) => g !== null);
  generations.sort((a, b) => b - a);
  const notes: string[] = [];
  let opened: { manifest: Manifest; segments: LiveSegment[] } | null = null;
  let problem: unknown;
  for (const generation of generations) {
    try {
      opened = await openGeneration(disk, folder, generation, cache);
      break;
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
      notes.push(messageOf(error));
      problem = error;
    }
  }
  if (opened === null && problem !== undefined) throw problem;
  const { manifest, segments } = opened ?? { manifest: EMPTY_MANIFEST, segments: [] };
  const previous = await readPrevious(disk, folder, generations, manifest.generation);
  const keep = new Set<string>();
  for (const kept of [manifest, previous]) {
    if (kept === null) continue;
    keep.add(manifestName(kept.generation));
    for (const { name, live } of kept.segments) keep.add(name).add(`${name}/${live?.name}`);
  }
  await removeStrays(disk, folder, names, keep);
  const segmentNumbers = names.map((name) => Number(/^seg-(\d+)$/.exec(name)?.[1] ?? 0));
  return {
    manifest,
    segments,
    previous,
    generation: Math.max(manifest.generation, ...generations),
    nextSegment: Math.max(manifest.nextSegment, ...segmentNumbers.map((number) => number + 1)),
    notes,
  };
}

async function openGeneration(
  disk: Disk,
  folder: string,
  generation: number,
  cache: BlockCache,
): Promise<{ manifest: Manifest; segments: LiveSegment[] }> {
  const manifest = await readManifest(disk, folder, generation);
  const segments: LiveSegment[] = [];
  for (const { live: named, damage, ...summary } of manifest.segments) {
    const segment = await Segment.open(disk, folder, summary, manifest.table?.key ?? [], cache);
    const live = named === null ? null : await readDeletionVector(disk, `${folder}/${summary.name}`, segment, named);
    segments.push({ segment, live, damage });
  }
  return { manifest, segments };
}

async function readPrevious(
  disk: Disk,
  folder: string,
  generations: readonly number[],
  current: number,
): Promise<Manifest | null> {
  const before = generations.find((generation) => generation < current);
  if (before === undefined) return null;
  try {
    return await readManifest(disk, folder, before);
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}

/** Temporary files, segments and deletion vector no kept manifest names, manifests beyond the kept ones. Other names are not ours. */
async function removeStrays(
  disk: Disk,
  folder: string,
  names: readonly string[],
  keep: ReadonlySet<string>,
): Promise<void> {
  const strays = names.filter((name) => /^(manifest\.\d+(\.tmp)?|seg-\d+)$/.test(name) && !keep.has(name));
  for (const name of strays) await disk.remove(`${folder}/${name}`);
  if (strays.length > 0) await disk.syncFolder(folder);
  for (const name of names) {
    if (!name.startsWith('seg-') || !keep.has(name)) continue;
    for (const file of await disk.list(`${folder}/${name}`)) {
      if (/^live-\d+\.col$/.test(file) && !keep.has(`${name}/${file}`)) await disk.remove(`${folder}/${name}/${file}`);
    }
  }
}

/** The folder and its parents exist, also after a power loss. */
async function makeDurableFolder(disk: Disk, folder: string): Promise<void> {
  if (await disk.exists(folder)) return;
  await disk.makeFolder(folder);
  const parts = folder.split('/');
  for (let depth = parts.length; depth >= 0; depth--) {
    await disk.syncFolder(depth === 0 ? '.' : parts.slice(0, depth).join('/'));
  }
}
