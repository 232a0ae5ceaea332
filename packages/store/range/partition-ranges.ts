/**
 * Ranges of a partition. A page of few rows is read of what there is at the moment it is answered, without a snapshot and
 * at once where all is in memory. More rows are read page by page, of one moment: segments stay pinned and memtables
 * frozen until the reader is through.
 */

import type { Table } from '@tidemark/model/table';
import { rangeBehind } from '../key/key-order.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { Memtables } from '../memtable/memtables.ts';
import { Turn } from '../row/turn.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { SegmentSet } from '../segment/segment-set.ts';
import { BlocksAtHand } from './blocks-at-hand.ts';
import { rangePage } from './range-read.ts';
import type { RangePage, RangeWish, RowValues } from './range-wish.ts';

/** Rows that are given at once at most, and looked at for them. */
const AT_ONCE_ROWS = 1_024;
const SCANNED_MAX = 4_096;
/** Tries of one page; each but the last missed something that was read then. */
const TRIES_MAX = 100_000;
/** What a row costs, in rows looked at by a comparison each. */
const ROW_COST = 16;

/** Reads of the ranges of one partition. */
export class PartitionRanges {
  readonly #durable: SegmentSet;
  readonly #memtables: Memtables;

  constructor(durable: SegmentSet, memtables: Memtables) {
    this.#durable = durable;
    this.#memtables = memtables;
  }

  /**
   * A page of a range, as of one moment. At once when all of it is in memory.
   * @throws {Fault} `corrupt`: stored bytes are wrong; names file and block
   */
  page(table: Table, wish: RangeWish): RangePage | Promise<RangePage> {
    if (wish.limit > AT_ONCE_ROWS) return this.#together(table, wish);
    const atHand = new BlocksAtHand();
    const page = this.#look(table, wish, atHand);
    if (page === undefined) return this.#reading(table, wish, atHand);
    return page.isUnfinished ? this.#together(table, wish) : page;
  }

  /** The range in pages, all of one moment; the limit is that of all of them. Throws as `page`. */
  async *pages(table: Table, wish: RangeWish): AsyncGenerator<RangePage> {
    const moment = new Moment(this.#durable, this.#memtables, table);
    const turn = new Turn();
    let { bounds, limit } = wish;
    try {
      for (;;) {
        const page = await moment.page({ ...wish, bounds, limit: Math.min(limit, AT_ONCE_ROWS) });
        limit -= page.rows.length;
        yield page;
        if (page.after === null || limit === 0) return;
        bounds = { ...rangeBehind(bounds, bounds.direction, page.after), direction: bounds.direction };
        await turn.pass(page.scanned * ROW_COST);
      }
    } finally {
      moment.release();
    }
  }

  /** Of what there is now; undefined after a miss. */
  #look(table: Table, wish: RangeWish, atHand: BlocksAtHand): RangePage | undefined {
    const memtables = this.#memtables.all;
    if (!areSorted(memtables)) return undefined;
    return rangePage({ table, segments: this.#durable.segments, memtables }, wish, SCANNED_MAX, atHand);
  }

  /** After a miss: reads what is missing and looks again, at what there is then. */
  async #reading(table: Table, wish: RangeWish, atHand: BlocksAtHand): Promise<RangePage> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const segments = this.#durable.pin();
      try {
        await atHand.read();
        await sort(this.#memtables.all);
      } finally {
        this.#durable.unpin(segments);
      }
      const page = this.#look(table, wish, atHand);
      if (page !== undefined) return page.isUnfinished ? this.#together(table, wish) : page;
    }
    throw new Error(`a range that misses blocks ${TRIES_MAX} times`);
  }

  /** As one page what is too much to be read at once. */
  async #together(table: Table, wish: RangeWish): Promise<RangePage> {
    const moment = new Moment(this.#durable, this.#memtables, table);
    const turn = new Turn();
    const rows: RowValues[] = [];
    let { bounds } = wish;
    let scanned = 0;
    let bytes = 0;
    try {
      for (;;) {
        const limit = Math.min(wish.limit - rows.length, AT_ONCE_ROWS);
        const page = await moment.page({ ...wish, bounds, limit, bytesMax: wish.bytesMax - bytes });
        rows.push(...page.rows);
        scanned += page.scanned;
        bytes += page.bytes;
        const { after } = page;
        const isFull = rows.length === wish.limit || bytes >= wish.bytesMax;
        if (after === null || isFull) return { rows, after, scanned, bytes, isUnfinished: false };
        bounds = { ...rangeBehind(bounds, bounds.direction, after), direction: bounds.direction };
        await turn.pass(page.scanned * ROW_COST);
      }
    } finally {
      moment.release();
    }
  }
}

/** A partition as it was at one moment, for ranges. To be released. */
class Moment {
  readonly #durable: SegmentSet;
  readonly #table: Table;
  readonly #segments: readonly LiveSegment[];
  readonly #memtables: readonly Memtable[];

  constructor(durable: SegmentSet, memtables: Memtables, table: Table) {
    this.#durable = durable;
    this.#table = table;
    memtables.freeze();
    this.#memtables = memtables.lend();
    this.#segments = durable.pin();
  }

  async page(wish: RangeWish): Promise<RangePage> {
    if (!areSorted(this.#memtables)) await sort(this.#memtables);
    const sources = { table: this.#table, segments: this.#segments, memtables: this.#memtables };
    const atHand = new BlocksAtHand();
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const page = rangePage(sources, wish, SCANNED_MAX, atHand);
      if (page !== undefined) return page;
      await atHand.read();
    }
    throw new Error(`a range that misses blocks ${TRIES_MAX} times`);
  }

  release(): void {
    this.#durable.unpin(this.#segments);
  }
}

/** True when the rows of all of them can be had in order at once. */
function areSorted(memtables: readonly Memtable[]): boolean {
  return memtables.every(({ runs, rowCount }) => runs.of(rowCount) !== null);
}

/** Has them so. Of one that takes writes meanwhile very many may have come: then it is sorted once more. */
async function sort(memtables: readonly Memtable[]): Promise<void> {
  for (const memtable of memtables) {
    while (memtable.runs.of(memtable.rowCount) === null) await memtable.runs.sort(memtable.rowCount);
  }
}
