/** Merges a partition's segments beside its other work; `compact.ts` says which. */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/model/table';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { FailStopMutex } from '@tidemark/platform/sync/fail-stop-mutex';
import { compressionBy, type ZstdChoice } from '../encoding/compression.ts';
import { compareGcWatermarks, type GcWatermark, laterGcWatermark } from '../gc-watermark.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { SegmentSet } from '../segment/segment-set.ts';
import { clearedSince, forgettableRows, pickCompaction, weightOf } from './compact.ts';
import type { CompactionExecutor } from './compaction-executor.ts';
import { markDamaged } from './flush.ts';
import { mayForgetIn } from './tombstone-gc.ts';
import { isWorthCompressing } from './worth-compressing.ts';

/** What a merge writes by: the newest schema, rows in a block, and what is compressed. */
export type MergeRules = {
  readonly table: Table | null;
  readonly blockRows: number;
  readonly zstd: ZstdChoice;
  /** Up to where deletions may be forgotten; null: nowhere. */
  readonly gcWatermark: GcWatermark | null;
};

/** The merges of one partition, one at a time; a merge that fails leaves the segments as they are. */
export class Compactor {
  readonly #durable: SegmentSet;
  readonly #exclusive: FailStopMutex;
  readonly #compactionExecutor: CompactionExecutor;
  readonly #now: () => MergeRules;
  /** Not 0 once it is closed. */
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  #compacting: Promise<void> | null = null;
  #tombstoneGc: GcWatermark | null = null;

  constructor(
    durable: SegmentSet,
    exclusive: FailStopMutex,
    compactionExecutor: CompactionExecutor,
    now: () => MergeRules,
  ) {
    this.#durable = durable;
    this.#compactionExecutor = compactionExecutor;
    this.#exclusive = exclusive;
    this.#now = now;
  }

  /** Merges what is due, then packs what was flushed and not merged since; ends when nothing of either is left. */
  async settle(): Promise<void> {
    await this.#compacting;
    this.#begin(true);
    await this.#compacting;
  }

  /** Gives up what is under way, which leaves nothing behind that counts, and begins no more. */
  async close(): Promise<void> {
    Atomics.store(this.#stop, 0, 1);
    await this.#compacting;
  }

  /** Begins when a merge is due and none is under way. */
  start(): void {
    // What may be forgotten is told by footers, which may have to be read.
    const mayForget = this.#now().gcWatermark !== null;
    const weights = this.#durable.segments.map((one) => weightOf(one));
    if (mayForget || pickCompaction(weights).length > 0) this.#begin(false);
  }

  #begin(packs: boolean): void {
    if (this.#compacting !== null || this.#stop[0] !== 0 || this.#exclusive.hasFailed) return;
    this.#compacting = this.#compactAll(packs)
      .then(() => this.#letGo())
      .catch((error: unknown) => {
        // Neither a full disk nor a stop is a failure: the segments are as they were, and the next flush starts anew.
        if (!isFault(error, 'unavailable')) this.#exclusive.fail(error);
      })
      .finally(() => {
        this.#compacting = null;
      });
  }

  async #compactAll(packs: boolean): Promise<void> {
    for (;;) {
      const before = this.#durable.segments;
      const rules = this.#now();
      const { table } = rules;
      const isWhole = before.every(({ damage }) => damage === null);
      const gcWatermark = isWhole ? rules.gcWatermark : null;
      const forgettable = await forgettableRows(before, gcWatermark);
      // A flush may have come in between; what is merged is what was looked at.
      if (before !== this.#durable.segments) continue;
      const due = pickCompaction(before.map((one, i) => weightOf(one, forgettable[i]))).map((i) => before[i]!);
      if (table === null || (due.length === 0 && !packs)) return;
      try {
        const picked = due.length > 0 ? due : await this.#unpacked(before, table);
        if (picked.length === 0) return;
        await this.#compactThese(picked, { ...rules, table, gcWatermark });
      } catch (error) {
        if (!isFault(error, 'corrupt') || !(await this.#setAside())) throw error;
      }
    }
  }

  /**
   * What was merged away is still named by the manifest before, so that at rest it would take as much room again: one more
   * manifest says the same.
   */
  async #letGo(): Promise<void> {
    if (this.#stop[0] !== 0 || !this.#durable.hasRetired) return;
    await this.#exclusive.run(async () => {
      const { table, positions } = this.#durable.manifest;
      if (this.#durable.hasRetired) await this.#durable.commit({ table, positions, segments: this.#durable.segments });
    });
  }

  /** Deletions with smaller stamps are missing in the segments, or will be when what is being committed is. */
  get forgetting(): GcWatermark | null {
    return this.#tombstoneGc;
  }

  /** Those that are flushed, not merged, and worth it: they become one. */
  async #unpacked(segments: readonly LiveSegment[], table: Table): Promise<LiveSegment[]> {
    const compressionOf = compressionBy(this.#now().zstd, table, true);
    const found: LiveSegment[] = [];
    for (const one of segments) {
      if (one.damage === null && (await isWorthCompressing(one.segment, compressionOf))) found.push(one);
    }
    return found;
  }

  async #compactThese(
    picked: readonly LiveSegment[],
    { table, blockRows, zstd, gcWatermark }: MergeRules & { readonly table: Table },
  ): Promise<void> {
    const others = this.#durable.segments.filter((one) => !picked.includes(one));
    const below = gcWatermark !== null && (await mayForgetIn(picked, gcWatermark)) ? gcWatermark : null;
    const inputs = picked.map(({ segment, live }) => ({ summary: segment.summary, live }));
    // A row that is live in one of them is not live in any other, so that only those with dead rows may hold its older forms.
    const older = others.filter(({ live }) => live !== null).map(({ segment }) => segment.summary);
    const forgets = below === null ? null : { gcWatermark: below, others: older };
    const job = { table, inputs, blockRows, isFiltered: others.length > 0, zstd, forgets, stop: this.#stop };
    const merged = await this.#durable.merge(this.#compactionExecutor, job);
    const isDone = await this.#exclusive.run(async () => {
      // Older rows were applied meanwhile, be it by a replay: what is forgotten might have hidden them.
      const holds = this.#now().gcWatermark;
      if (below !== null && (holds === null || compareGcWatermarks(holds, below) < 0)) return false;
      // From here on what is older may not be applied again, also while the commit is under way.
      this.#tombstoneGc = laterGcWatermark(this.#tombstoneGc, below);
      const now = this.#durable.segments;
      const rest = now.filter(({ segment }) => picked.every((one) => one.segment !== segment));
      const live = merged === null ? null : await clearedSince(picked, now, merged, table, () => setImmediate());
      const added = merged === null ? [] : [{ segment: merged, live, damage: null }];
      const { table: known, positions } = this.#durable.manifest;
      await this.#durable.commit({ table: known, positions, segments: [...rest, ...added], purged: below });
      return true;
    });
    if (isDone) return;
    if (merged !== null) await this.#durable.discard(merged);
    throw new Fault('unavailable', 'older rows were applied while a merge forgot deletions');
  }

  /** Marks segments in which a block is wrong, so that everything but them goes on. False when there is none. */
  #setAside(): Promise<boolean> {
    return this.#exclusive.run(async () => {
      const segments = await markDamaged(this.#durable.segments);
      const { table, positions } = this.#durable.manifest;
      if (segments !== null) await this.#durable.commit({ table, positions, segments });
      return segments !== null;
    });
  }
}
