/** The segments of a partition and the manifest that names them: what is durable, and the only code that changes it. */

import type { Position } from '@tidemark/schema/position';
import type { Table } from '@tidemark/schema/table';
import type { Disk } from '@tidemark/world/disk';
import { isFault } from '@tidemark/world/fault';
import { FORMAT_VERSION } from './column-file.ts';
import { generationOf, type Manifest, manifestName, segmentName, writeManifest } from './manifest.ts';
import { openFiles } from './partition-files.ts';
import { Segment } from './segment.ts';
import { type SegmentPlan, writeSegment } from './segment-writer.ts';

/** What a new manifest is to say. */
export type NextManifest = {
  readonly table: Table | null;
  readonly positions: Record<string, Position>;
  readonly segments: Segment[];
};

export class SegmentSet {
  /** What was found wrong with newer manifests when an older one had to be used; empty when all was well. */
  readonly openNotes: readonly string[];
  readonly #disk: Disk;
  readonly #folder: string;
  #manifest: Manifest;
  #segments: Segment[];
  #generation: number;
  #nextSegment: number;
  /** No longer in the manifest, but perhaps still read. */
  #retired: Segment[] = [];
  /** What the manifest before the current one names: kept, so that it stays a fall-back. */
  #previousNames: readonly string[];

  /** @throws {Fault} as `openFiles`. */
  static async open(disk: Disk, folder: string): Promise<SegmentSet> {
    return new SegmentSet(disk, folder, await openFiles(disk, folder));
  }

  private constructor(disk: Disk, folder: string, files: Awaited<ReturnType<typeof openFiles>>) {
    this.#disk = disk;
    this.#folder = folder;
    this.#manifest = files.manifest;
    this.#segments = files.segments;
    this.#generation = files.generation;
    this.#nextSegment = files.nextSegment;
    this.#previousNames = files.previousNames;
    this.openNotes = files.notes;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The segments there are now; their files stay until `unpin`. */
  pin(): Segment[] {
    const segments = [...this.#segments];
    for (const segment of segments) segment.pins++;
    return segments;
  }

  /** Files nobody reads any more go with the next change of the manifest. */
  unpin(segments: readonly Segment[]): void {
    for (const segment of segments) segment.pins--;
  }

  /** Writes a segment that counts only once a manifest names it. @throws {Fault} `unavailable`: disk full; nothing stays. */
  async write(plan: Omit<SegmentPlan, 'disk' | 'folder' | 'name'>): Promise<Segment> {
    const name = segmentName(this.#nextSegment++);
    try {
      const summary = await writeSegment({ ...plan, disk: this.#disk, folder: this.#folder, name });
      return await Segment.open(this.#disk, this.#folder, summary!, plan.table.key);
    } catch (error) {
      if (isFault(error, 'unavailable')) await this.#disk.remove(`${this.#folder}/${name}`);
      throw error;
    }
  }

  /**
   * One rename makes segments, schema and positions count together. One call at a time.
   * @throws {Fault} `unavailable`: disk full; all is as before and the new segments are gone.
   */
  async commit(next: NextManifest): Promise<void> {
    const generation = ++this.#generation;
    const manifest: Manifest = {
      format: FORMAT_VERSION,
      generation,
      nextSegment: this.#nextSegment,
      table: next.table,
      positions: next.positions,
      segments: next.segments.map((segment) => segment.summary),
    };
    try {
      await writeManifest(this.#disk, this.#folder, manifest);
    } catch (error) {
      if (isFault(error, 'unavailable')) await this.#takeBack(generation, next.segments);
      throw error;
    }
    const previous = this.#manifest;
    this.#retired.push(...this.#segments.filter((segment) => !next.segments.includes(segment)));
    this.#previousNames = previous.segments.map((segment) => segment.name);
    this.#manifest = manifest;
    this.#segments = next.segments;
    await this.#removeOlder(previous.generation);
  }

  /** The rename has not happened, so nothing on disk names these. */
  async #takeBack(generation: number, segments: readonly Segment[]): Promise<void> {
    await this.#disk.remove(`${this.#folder}/${manifestName(generation)}.tmp`);
    for (const segment of segments) {
      if (!this.#segments.includes(segment)) await this.#disk.remove(`${this.#folder}/${segment.summary.name}`);
    }
  }

  /** Manifests before the previous one, then the segments that only they named. */
  async #removeOlder(previous: number): Promise<void> {
    for (const name of await this.#disk.list(this.#folder)) {
      const generation = generationOf(name);
      if (generation !== null && generation < previous) await this.#disk.remove(`${this.#folder}/${name}`);
    }
    const free = this.#retired.filter((s) => s.pins === 0 && !this.#previousNames.includes(s.summary.name));
    this.#retired = this.#retired.filter((segment) => !free.includes(segment));
    for (const segment of free) await this.#disk.remove(`${this.#folder}/${segment.summary.name}`);
  }
}
