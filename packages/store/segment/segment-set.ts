/** The segments of a partition and the manifest that names them: what is durable, and the only code that changes it. */

import type { Position } from '@tidemark/model/position';
import type { Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { isFault } from '@tidemark/platform/fault';
import { type GcWatermark, laterGcWatermark } from '../gc-watermark.ts';
import type { CompactionExecutor, MergeJob } from '../merge/compaction-executor.ts';
import { openFiles } from '../partition-files.ts';
import type { BlockCache } from './block-cache.ts';
import { FORMAT_VERSION } from './column-file.ts';
import { liveName, writeDeletionVector } from './deletion-vector-file.ts';
import type { LiveSegment } from './live-segment.ts';
import {
  generationOf,
  type Manifest,
  manifestName,
  type SegmentEntry,
  type SegmentSummary,
  segmentName,
  writeManifest,
} from './manifest.ts';
import { Segment } from './segment.ts';
import type { SegmentPlan } from './segment-plan.ts';
import { writeSegment } from './write-segment.ts';

/** What a new manifest is to say. */
export type NextManifest = {
  readonly table: Table | null;
  /** The keyspace's version that the table is of; left out, the one before. */
  readonly schema?: number | undefined;
  readonly positions: Record<string, Position>;
  readonly segments: readonly LiveSegment[];
  /** Where deletions up to a GC watermark were left out of the segments; null: where they were not left out before. */
  readonly purged?: GcWatermark | null;
};

/** One partition's durable state, generation by generation; files that a reader still pins outlive their generation. */
export class SegmentSet {
  /** What was found wrong with newer manifests when an older one had to be used; empty when all was well. */
  readonly openNotes: readonly string[];
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #cache: BlockCache;
  #manifest: Manifest;
  #segments: readonly LiveSegment[];
  #bySize: readonly LiveSegment[];
  #generation: number;
  #nextSegment: number;
  /** No longer in the manifest, but perhaps still read. */
  #retired: Segment[] = [];
  /** The manifest before the current one: kept, with all it names, so that it stays a fall-back. */
  #previous: Manifest | null;

  /** @throws {Fault} as `openFiles`. */
  static async open(disk: Disk, folder: string, cache: BlockCache): Promise<SegmentSet> {
    return new SegmentSet(disk, folder, cache, await openFiles(disk, folder, cache));
  }

  private constructor(disk: Disk, folder: string, cache: BlockCache, files: Awaited<ReturnType<typeof openFiles>>) {
    this.#disk = disk;
    this.#folder = folder;
    this.#cache = cache;
    this.#manifest = files.manifest;
    this.#segments = files.segments;
    this.#bySize = bySize(files.segments);
    this.#generation = files.generation;
    this.#nextSegment = files.nextSegment;
    this.#previous = files.previous;
    this.openNotes = files.notes;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** True when segments that no longer count still have files, be it since a process before this one. */
  get hasRetired(): boolean {
    const names = new Set(this.#manifest.segments.map(({ name }) => name));
    return this.#retired.length > 0 || this.#previous?.segments.some(({ name }) => !names.has(name)) === true;
  }

  /** Deletions with smaller stamps may be missing in the segments; null: none is. */
  get purged(): GcWatermark | null {
    return this.#manifest.purged ?? null;
  }

  get segments(): readonly LiveSegment[] {
    return this.#segments;
  }

  /** The same, fewest rows first: the order in which a key is looked for, as it most likely is in the largest. */
  get bySize(): readonly LiveSegment[] {
    return this.#bySize;
  }

  /** The segments there are now; their files stay until `unpin`. */
  pin(): readonly LiveSegment[] {
    const segments = this.#segments;
    for (const { segment } of segments) segment.pins++;
    return segments;
  }

  /** Files nobody reads any more go with the next change of the manifest. */
  unpin(segments: readonly LiveSegment[]): void {
    for (const { segment } of segments) segment.pins--;
  }

  /**
   * Writes a segment that counts only once a manifest names it; null when the sources have no rows.
   * @throws {Fault} `unavailable`: disk full; nothing stays.
   */
  write(plan: Omit<SegmentPlan, 'disk' | 'folder' | 'name'>): Promise<Segment | null> {
    return this.#made(plan.table, (name) => writeSegment({ ...plan, disk: this.#disk, folder: this.#folder, name }));
  }

  /** Has a segment made of some of these, as `write`. @throws {Fault} as `CompactionExecutor.merge`; nothing stays. */
  merge(compactionExecutor: CompactionExecutor, job: Omit<MergeJob, 'folder' | 'name'>): Promise<Segment | null> {
    return this.#made(job.table, (name) => compactionExecutor.merge({ ...job, folder: this.#folder, name }));
  }

  /** Takes back what was written, before a manifest named it. */
  async discard({ summary }: Segment): Promise<void> {
    await this.#disk.remove(`${this.#folder}/${summary.name}`);
  }

  async #made(table: Table, make: (name: string) => Promise<SegmentSummary | null>): Promise<Segment | null> {
    const name = segmentName(this.#nextSegment++);
    try {
      const summary = await make(name);
      if (summary !== null) return await Segment.open(this.#disk, this.#folder, summary, table.key, this.#cache);
      await this.#disk.remove(`${this.#folder}/${name}`);
      return null;
    } catch (error) {
      if (isFault(error)) await this.#disk.remove(`${this.#folder}/${name}`);
      throw error;
    }
  }

  /**
   * One rename makes segments, their deletion vector, schema and positions count together. One call at a time.
   * @throws {Fault} `unavailable`: disk full; all is as before and the new segments are gone.
   */
  async commit(next: NextManifest): Promise<void> {
    const generation = ++this.#generation;
    const { table, positions } = next;
    const schema = next.schema ?? this.#manifest.schema;
    const purged = laterGcWatermark(this.purged, next.purged ?? null);
    const head = { format: FORMAT_VERSION, generation, nextSegment: this.#nextSegment, table, positions };
    let manifest: Manifest;
    try {
      const segments: SegmentEntry[] = [];
      for (const entry of next.segments) segments.push(await this.#entryOf(entry, generation));
      const rest = { ...(schema === undefined ? {} : { schema }), ...(purged === null ? {} : { purged }) };
      manifest = { ...head, segments, ...rest };
      await writeManifest(this.#disk, this.#folder, manifest);
    } catch (error) {
      if (isFault(error, 'unavailable')) await this.#takeBack(generation, next.segments);
      throw error;
    }
    const kept = new Set(next.segments.map(({ segment }) => segment));
    this.#retired.push(...this.#segments.map(({ segment }) => segment).filter((segment) => !kept.has(segment)));
    const unnamed = this.#previous;
    this.#previous = this.#manifest;
    this.#manifest = manifest;
    this.#segments = next.segments;
    this.#bySize = bySize(next.segments);
    await this.#removeOlder(unnamed);
  }

  /** Writes the deletion vector when they are not those that the manifest names already. */
  async #entryOf({ segment, live, damage }: LiveSegment, generation: number): Promise<SegmentEntry> {
    const { summary } = segment;
    if (live === null) return { ...summary, live: null, damage };
    const isKnown = this.#segments.some((known) => known.segment === segment && known.live === live);
    const named = isKnown ? this.#manifest.segments.find(({ name }) => name === summary.name)?.live : undefined;
    const path = `${this.#folder}/${summary.name}/${liveName(generation)}`;
    return { ...summary, live: named ?? (await writeDeletionVector(this.#disk, path, segment, live)), damage };
  }

  /** The rename has not happened, so nothing on disk names these. */
  async #takeBack(generation: number, segments: readonly LiveSegment[]): Promise<void> {
    await this.#disk.remove(`${this.#folder}/${manifestName(generation)}.tmp`);
    const known = new Set(this.#segments.map(({ segment }) => segment));
    for (const { segment } of segments) {
      const path = `${this.#folder}/${segment.summary.name}`;
      await this.#disk.remove(known.has(segment) ? `${path}/${liveName(generation)}` : path);
    }
  }

  /** Manifests before the previous one, then the segments and deletion vector that only they named. */
  async #removeOlder(unnamed: Manifest | null): Promise<void> {
    const kept = [this.#manifest, this.#previous!];
    for (const name of await this.#disk.list(this.#folder)) {
      const generation = generationOf(name);
      if (generation !== null && generation < this.#previous!.generation)
        await this.#disk.remove(`${this.#folder}/${name}`);
    }
    const names = new Set(kept.flatMap(({ segments }) => segments.map(({ name }) => name)));
    const free = this.#retired.filter((segment) => segment.pins === 0 && !names.has(segment.summary.name));
    this.#retired = this.#retired.filter((segment) => !free.includes(segment));
    const waiting = new Set(this.#retired.map((segment) => segment.summary.name));
    // Those that a process before this one merged away stand in its manifest only.
    const known = (unnamed?.segments ?? []).map(({ name }) => name).filter((name) => !names.has(name));
    const gone = new Set([...free.map((segment) => segment.summary.name), ...known]);
    for (const name of gone) if (!waiting.has(name)) await this.#disk.remove(`${this.#folder}/${name}`);
    const bits = new Set(kept.flatMap((manifest) => liveFilesOf(manifest)));
    for (const path of unnamed === null ? [] : liveFilesOf(unnamed)) {
      if (!bits.has(path)) await this.#disk.remove(`${this.#folder}/${path}`);
    }
  }
}

function bySize(segments: readonly LiveSegment[]): readonly LiveSegment[] {
  return segments.toSorted((a, b) => a.segment.summary.rows - b.segment.summary.rows);
}

/** Files of deletion vector that a manifest names, from the partition's folder. */
export function liveFilesOf({ segments }: Manifest): string[] {
  return segments.flatMap(({ name, live }) => (live === null ? [] : [`${name}/${live.name}`]));
}
