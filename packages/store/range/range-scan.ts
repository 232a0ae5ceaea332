/**
 * A scan of rows that is a range: its filter fixes the partition key, and it wants them in key order, either way, or a few
 * of them in any. It is read as ranges are; conditions that say more than which keys are asked row by row.
 */

import type { Value } from '@tidemark/model/column-type';
import { filterColumns } from '@tidemark/model/filter';
import { partitionOf } from '@tidemark/model/hash';
import type { ScanPlan } from '@tidemark/model/query';
import type { Column } from '@tidemark/model/table';
import { keyOrderOf, rangeBehind } from '../key/key-order.ts';
import type { KeyRange } from '../key/key-range.ts';
import type { Partition } from '../partition.ts';
import { SLICE_LIMITS } from '../query/result-slice.ts';
import type { RangePage, RangeWish, RowValues } from './range-wish.ts';
import { rowFilter } from './row-filter.ts';
import { formatCursor, readCursor } from './scan-cursor.ts';

/** A scan of so many rows at most is one page. */
const PAGE_ROWS_MAX = 1_024;
/** And of no more texts and bytes, when it is to be held whole. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/** Result column → value; null where there is none. */
type ResultRow = Record<string, Value | null>;

/** What is known of a scan once all its rows are given. */
export type ScanEnd = {
  /** Rows given. */
  readonly rows: number;
  /** Live and dead rows looked at; those of blocks that were passed over do not count. */
  readonly scanned: number;
  /** Goes on behind the last row; null when there is no more, or when rows were grouped or ordered otherwise than by key. */
  readonly cursor: string | null;
};

/** All rows of a scan, values in the order of its columns. */
export type ScanPage = { readonly rows: readonly RowValues[]; readonly end: ScanEnd };

/** How one range answers a scan. */
export class RangeScan {
  /** True when it is one only while it gives so few rows: more in no order are read faster otherwise. */
  readonly isGuess: boolean;
  readonly #plan: ScanPlan;
  readonly #partition: Partition;
  readonly #wish: RangeWish;
  /** What cursors have as their partition. */
  readonly #run: number;
  /** Of each result column its place among those that are read. */
  readonly #places: readonly number[];

  /** Null when the scan is not to be read as a range. @throws {Fault} `invalid`: its cursor is of another range */
  static of(plan: ScanPlan, range: KeyRange, partitions: readonly Partition[]): RangeScan | null {
    const { table, orderBy, outputs, limit, cursor } = plan;
    if (plan.groupBy !== null || range.partitionKey === null) return null;
    const isOrdered = orderBy.length > 0;
    const direction = isOrdered ? keyOrderOf(table, orderBy, outputs, range.equal) : 'ascending';
    const isGuess = !isOrdered && limit === null && cursor === null;
    // Of many rows in no order the conditions are asked block by block, which is faster.
    if (direction === null || (isGuess && range.left !== null)) return null;
    const number = partitionOf(range.partitionKey, partitions.length);
    const run = isOrdered ? 0 : number;
    const after = readCursor(cursor, range);
    const bounds = { ...rangeBehind(range, direction, after?.key ?? null), direction };
    const columns = new Map<number, Column>();
    for (const { column } of outputs) columns.set(column!.id, column!);
    const { left } = range;
    if (left !== null) for (const column of filterColumns(left).values()) columns.set(column.id, column);
    const asked = [...columns.values()];
    const passes = left === null ? null : rowFilter(left, asked);
    const wish = {
      bounds,
      columns: asked,
      limit: limit ?? (isGuess ? PAGE_ROWS_MAX : Number.POSITIVE_INFINITY),
      bytesMax: SLICE_LIMITS.bytesMax,
      passes,
    };
    return new RangeScan(plan, partitions[number]!, wish, run, isGuess);
  }

  private constructor(plan: ScanPlan, partition: Partition, wish: RangeWish, run: number, isGuess: boolean) {
    this.isGuess = isGuess;
    this.#plan = plan;
    this.#partition = partition;
    this.#wish = wish;
    this.#run = run;
    this.#places = plan.outputs.map(({ column }) => wish.columns.findIndex(({ id }) => id === column!.id));
  }

  /** True when it gives so few rows that they can be read at once. */
  get isShort(): boolean {
    return this.#wish.limit <= PAGE_ROWS_MAX;
  }

  /** All of it; null when it is more than a page. Throws as `Partition.range`. */
  async wholePage(): Promise<ScanPage | null> {
    const read = this.#partition.range({ ...this.#wish, bytesMax: PAGE_BYTES_MAX });
    const page = read instanceof Promise ? await read : read;
    const { scanned, rows } = page;
    if (page.after !== null && (this.isGuess || rows.length < this.#wish.limit)) return null;
    const places = this.#places;
    const isSame = places.length === this.#wish.columns.length && places.every((place, i) => place === i);
    const shown = isSame ? rows : rows.map((values) => places.map((place) => values[place]!));
    return { rows: shown, end: { rows: rows.length, scanned, cursor: this.cursorBehind(page) } };
  }

  /** Its rows, as of one moment. Throws as `Partition.range`. */
  async *pages(): AsyncGenerator<RangePage> {
    if (!this.isShort) {
      yield* this.#partition.rangePages(this.#wish);
      return;
    }
    yield await this.#partition.range({ ...this.#wish, bytesMax: Number.POSITIVE_INFINITY });
  }

  /** As results are named. */
  rows({ rows }: RangePage): ResultRow[] {
    return this.named(rows.map((values) => this.#places.map((place) => values[place]!)));
  }

  /** Rows of `wholePage` as results are named. */
  named(rows: readonly RowValues[]): ResultRow[] {
    const { outputs } = this.#plan;
    return rows.map((values) => {
      const row: ResultRow = {};
      for (let i = 0; i < outputs.length; i++) row[outputs[i]!.name] = values[i]!;
      return row;
    });
  }

  /** Where the scan goes on behind a page; null when there is no more of it. */
  cursorBehind({ after }: RangePage): string | null {
    return after === null ? null : formatCursor({ run: this.#run, key: after });
  }
}
