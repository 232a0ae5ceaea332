/** Opening a partition's folder: the newest whole manifest, its segments, and nothing else left lying about. */

import type { Disk } from '@tidemark/world/disk';
import { isFault, messageOf } from '@tidemark/world/fault';
import { EMPTY_MANIFEST, generationOf, type Manifest, manifestName, readManifest } from './manifest.ts';
import { Segment } from './segment.ts';

export type OpenedFiles = {
  readonly manifest: Manifest;
  readonly segments: Segment[];
  /** Segments of the manifest before, kept so that it stays a fall-back. */
  readonly previousNames: readonly string[];
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
export async function openFiles(disk: Disk, folder: string): Promise<OpenedFiles> {
  await makeDurableFolder(disk, folder);
  const names = await disk.list(folder);
  const generations = names.map(generationOf).filter((g) => g !== null);
  generations.sort((a, b) => b - a);
  const notes: string[] = [];
  let opened: { manifest: Manifest; segments: Segment[] } | null = null;
  let problem: unknown;
  for (const generation of generations) {
    try {
      opened = await openGeneration(disk, folder, generation);
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
  const previousNames = previous === null ? [] : previous.segments.map((segment) => segment.name);
  const keep = new Set([...segments.map((segment) => segment.summary.name), ...previousNames]);
  for (const kept of [manifest, previous]) if (kept !== null) keep.add(manifestName(kept.generation));
  await removeStrays(disk, folder, names, keep);
  const segmentNumbers = names.map((name) => Number(/^seg-(\d+)$/.exec(name)?.[1] ?? 0));
  return {
    manifest,
    segments,
    previousNames,
    generation: Math.max(manifest.generation, ...generations),
    nextSegment: Math.max(manifest.nextSegment, ...segmentNumbers.map((number) => number + 1)),
    notes,
  };
}

async function openGeneration(
  disk: Disk,
  folder: string,
  generation: number,
): Promise<{ manifest: Manifest; segments: Segment[] }> {
  const manifest = await readManifest(disk, folder, generation);
  const segments: Segment[] = [];
  for (const summary of manifest.segments) {
    segments.push(await Segment.open(disk, folder, summary, manifest.table?.key ?? []));
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

/** Temporary files, segments no kept manifest names, manifests beyond the kept ones. Other names are not ours. */
async function removeStrays(
  disk: Disk,
  folder: string,
  names: readonly string[],
  keep: ReadonlySet<string>,
): Promise<void> {
  const strays = names.filter((name) => /^(manifest\.\d+(\.tmp)?|seg-\d+)$/.test(name) && !keep.has(name));
  for (const name of strays) await disk.remove(`${folder}/${name}`);
  if (strays.length > 0) await disk.syncFolder(folder);
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
