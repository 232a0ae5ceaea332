/** Merges a partition's segments beside its other work; `compact.ts` says which. */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';
import { clearedSince, pickCompaction, weightOf } from './compact.ts';
import type { Exclusive } from './exclusive.ts';
import { markDamaged } from './flush.ts';
import type { LiveSegment } from './live-segment.ts';
import type { SegmentSet } from './segment-set.ts';
import { SelectedSource } from './selected-source.ts';

/** What a merge writes by: the newest schema, and rows in a block. */
export type MergeRules = { readonly table: Table | null; readonly blockRows: number };

export class Compactor {
  readonly #durable: SegmentSet;
  readonly #exclusive: Exclusive;
  readonly #now: () => MergeRules;
  #compacting: Promise<void> | null = null;
  #closed = false;

  constructor(durable: SegmentSet, exclusive: Exclusive, now: () => MergeRules) {
    this.#durable = durable;
    this.#exclusive = exclusive;
    this.#now = now;
  }

  /** Waits for the merge that is under way. */
  async settled(): Promise<void> {
    await this.#compacting;
  }

  /** Gives up what is under way, which leaves nothing behind that counts, and begins no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#compacting;
  }

  /** Begins when a merge is due and none is under way. */
  start(): void {
    if (this.#compacting !== null || this.#closed || this.#exclusive.hasFailed) return;
    if (pickCompaction(this.#durable.segments.map(weightOf)).length === 0) return;
    this.#compacting = this.#compactAll()
      .catch((error: unknown) => {
        // A full disk is no failure: the segments are as they were, and the next flush starts anew.
        if (!isFault(error, 'unavailable') && error !== GIVEN_UP) this.#exclusive.fail(error);
      })
      .finally(() => {
        this.#compacting = null;
      });
  }

  async #compactAll(): Promise<void> {
    for (;;) {
      const before = this.#durable.segments;
      const picked = pickCompaction(before.map(weightOf)).map((i) => before[i]!);
      const { table } = this.#now();
      if (picked.length === 0 || table === null) return;
      try {
        await this.#compactThese(picked, table);
      } catch (error) {
        if (!isFault(error, 'corrupt') || !(await this.#setAside())) throw error;
      }
    }
  }

  async #compactThese(picked: readonly LiveSegment[], table: Table): Promise<void> {
    const pause = async (): Promise<void> => {
      await setImmediate();
      if (this.#closed) throw GIVEN_UP;
    };
    const { blockRows } = this.#now();
    const sources = await Promise.all(picked.map((one) => SelectedSource.live(one)));
    const isFiltered = picked.length < this.#durable.segments.length;
    const merged = await this.#durable.write({ table, sources, blockRows, isFiltered, pause });
    await this.#exclusive.run(async () => {
      const now = this.#durable.segments;
      const others = now.filter(({ segment }) => picked.every((one) => one.segment !== segment));
      const live = merged === null ? null : await clearedSince(picked, now, merged, table);
      const added = merged === null ? [] : [{ segment: merged, live, damage: null }];
      const { table: known, positions } = this.#durable.manifest;
      await this.#durable.commit({ table: known, positions, segments: [...others, ...added] });
    });
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

/** Thrown through a compaction that is given up because the partition closes. */
const GIVEN_UP = new Error('given up: the partition closes');
