/**
 * Scans a table: filter, projection, aggregates, groups, order, limit, over all of its partitions. Each partition is
 * seen as it was when the scan began. Memory is bounded: a block of each segment, and what an order or a group holds.
 */

import { type ColumnType, LIMITS, type Value } from '@tidemark/model/column-type';
import type { ScanPlan } from '@tidemark/model/query';
import type { Column } from '@tidemark/model/table';
import { type KeyBounds, type KeyOrder, keyOrderOf, rangeBehind, stretchesBackwards } from '../key/key-order.ts';
import { blocksWithin, type KeyRange, keyRangeOf, mayBeIn } from '../key/key-range.ts';
import { mergeSources } from '../merge/merge.ts';
import type { Partition } from '../partition.ts';
import { RangeScan, type ScanEnd, type ScanPage } from '../range/range-scan.ts';
import { formatCursor, readCursor } from '../range/scan-cursor.ts';
import { GroupStretch } from '../row/group-stretch.ts';
import type { Source } from '../row/source.ts';
import { nextTurn, Turn } from '../row/turn.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Aggregate } from './aggregate.ts';
import { costOf } from './filter.ts';
import { Groups, groupRow, heldByGroups } from './groups.ts';
import { makeAggregate } from './make-aggregate.ts';
import { MaskedGroups } from './masked-groups.ts';
import { prepareMembers } from './members.ts';
import { FirstRows, orderedBytes } from './order.ts';
import { sliceAt, sliceRows } from './result-slice.ts';
import {
  isOutOfReach,
  kindsOf,
  openPiece,
  openStored,
  type ScanBlock,
  type ScanNeeds,
  scanNeeds,
  valuesOf,
} from './scan-block.ts';
import { ScanBudget } from './scan-budget.ts';
import { partsOf } from './scan-part.ts';

/** Result column → value; null where there is none. */
export type ResultRow = Record<string, Value | null>;

/** With more conditions and results than this the mask kernels would take too long for one block. */
const MASKED_MAX = 64;
/** What it costs to make a value of a row by itself, to be held, in rows looked at. */
const KEPT_COST = 32;
/** So many bytes of a result cost as much as one row that is looked at. */
const BYTES_A_ROW = 4;

/** One scan, run once: its rows by blocks, then how it ended. It gives the thread up between blocks. */
export class Scan {
  /** The result's columns in order. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly #partitions: readonly Partition[];
  readonly #plan: ScanPlan;
  readonly #needs: ScanNeeds;
  readonly #range: KeyRange;
  /** How it is read when it is a range; null when it is not. */
  readonly #ranged: RangeScan | null;
  #scanned = 0;
  #given = 0;
  #cursor: string | null = null;
  #isDone = false;
  readonly #turn = new Turn();

  /** `partitions` are all of the table's, in the order of their numbers. */
  constructor(partitions: readonly Partition[], plan: ScanPlan) {
    this.#partitions = partitions;
    this.#plan = plan;
    this.columns = plan.outputs.map(({ name, type }) => ({ name, type }));
    const columns = [...plan.outputs.map((output) => output.column), ...(plan.groupBy ?? [])];
    columns.push(...plan.orderBy.map((ordering) => ordering.column));
    this.#needs = scanNeeds(
      plan.table,
      plan.filter,
      columns.filter((column) => column !== null),
    );
    this.#range = keyRangeOf(plan.table, plan.filter);
    this.#ranged = RangeScan.of(plan, this.#range, partitions);
  }

  /** True when it gives few rows of one partition key: then the answer may be held whole, and nobody has to be admitted. */
  get isShort(): boolean {
    return this.#ranged?.isShort === true;
  }

  /** All of a scan that `isShort`, values by column; null when it is more than a page. Throws as `rows`. */
  shortPage(): Promise<ScanPage | null> {
    return this.#ranged!.wholePage();
  }

  /** True when it adds up: a sum may be larger than its column's type has room for. */
  get hasSums(): boolean {
    return this.#plan.outputs.some(({ kind }) => kind === 'sum');
  }

  /** How it ended; null before. */
  get end(): ScanEnd | null {
    return this.#isDone ? { rows: this.#given, scanned: this.#scanned, cursor: this.#cursor } : null;
  }

  /**
   * The rows, in blocks; once. Stops early when the caller leaves the loop.
   * @throws {Fault} `corrupt`: stored bytes are wrong. `invalid`: too many groups, or rows to order; a foreign cursor.
   * @throws the signal's reason once it aborts
   */
  async *rows(signal?: AbortSignal): AsyncGenerator<ResultRow[]> {
    const ranged = this.#ranged;
    if (ranged !== null && !ranged.isGuess) {
      yield* this.#rowsOf(ranged, signal);
      return;
    }
    const page = await ranged?.wholePage();
    if (page !== undefined && page !== null) {
      this.#scanned = page.end.scanned;
      this.#given = page.rows.length;
      this.#isDone = true;
      if (page.rows.length > 0) yield ranged!.named(page.rows);
      return;
    }
    await prepareMembers(this.#plan.filter);
    const snapshots = await Promise.all(
      this.#partitions.map((partition, number) =>
        mayBeIn(this.#range, number, this.#partitions.length) ? partition.snapshot() : null,
      ),
    );
    using budget = new ScanBudget();
    try {
      for await (const rows of this.#results(snapshots, budget, signal)) {
        this.#given += rows.length;
        if (rows.length === 0) continue;
        yield rows;
        // However many scans are read from at once, one goes on at a time.
        await nextTurn();
        signal?.throwIfAborted();
      }
      this.#isDone = true;
    } finally {
      for (const snapshot of snapshots) snapshot?.release();
    }
  }

  async *#rowsOf(ranged: RangeScan, signal?: AbortSignal): AsyncGenerator<ResultRow[]> {
    for await (const page of ranged.pages()) {
      signal?.throwIfAborted();
      this.#scanned += page.scanned;
      this.#given += page.rows.length;
      this.#cursor = ranged.cursorBehind(page);
      if (page.rows.length > 0) yield ranged.rows(page);
    }
    this.#isDone = true;
  }

  #results(
    snapshots: readonly (Snapshot | null)[],
    budget: ScanBudget,
    signal?: AbortSignal,
  ): AsyncGenerator<ResultRow[]> {
    if (this.#plan.groupBy !== null) return this.#grouped(snapshots, this.#plan.groupBy, budget, signal);
    const { table, orderBy, outputs } = this.#plan;
    const direction = keyOrderOf(table, orderBy, outputs, this.#range.equal);
    if (orderBy.length > 0 && direction === null) return this.#ordered(snapshots, budget, signal);
    return this.#streamed(snapshots, direction, signal);
  }

  /** Rows as they come: partition by partition, or, in key order, all partitions merged. */
  async *#streamed(
    snapshots: readonly (Snapshot | null)[],
    direction: KeyOrder | null,
    signal?: AbortSignal,
  ): AsyncGenerator<ResultRow[]> {
    const cursor = readCursor(this.#plan.cursor, this.#range);
    const limit = this.#plan.limit ?? Number.POSITIVE_INFINITY;
    const runs = direction !== null ? [snapshots] : snapshots.map((snapshot) => [snapshot]);
    let left = limit;
    for (const [number, run] of runs.entries()) {
      if (cursor !== null && number < cursor.run) continue;
      const after = cursor?.run === number ? cursor.key : null;
      // Where it may have to be gone on with, key order is needed; else each part is read as it lies.
      const blocks =
        direction !== null || after !== null || Number.isFinite(limit)
          ? this.#merged(run, direction ?? 'ascending', after, signal)
          : this.#inParts(run, signal);
      for await (const block of blocks) {
        const rows = block.rows.subarray(0, left);
        for (const slice of this.#slices(block, rows, this.#resultColumns)) {
          yield this.#project(block, slice.rows);
        }
        left -= rows.length;
        if (left > 0) continue;
        this.#cursor = formatCursor({ run: number, key: await block.keyAt(rows.at(-1)!) });
        return;
      }
    }
  }

  async *#ordered(
    snapshots: readonly (Snapshot | null)[],
    budget: ScanBudget,
    signal?: AbortSignal,
  ): AsyncGenerator<ResultRow[]> {
    const { orderBy, limit, outputs } = this.#plan;
    const first = new FirstRows<ResultRow>(
      orderBy.map((ordering) => ordering.isDescending),
      limit,
    );
    const columns = orderBy.map(
      ({ name, column }) => column ?? outputs.find((output) => output.name === name)!.column!,
    );
    for await (const block of this.#inParts(snapshots, signal)) {
      for (const { rows, bytes } of this.#slices(block, block.rows, [...this.#resultColumns, ...columns])) {
        const byColumn = columns.map((column) => valuesOf(block, rows, column));
        for (let i = 0; i < rows.length; i++) {
          const keys = byColumn.map((values) => values[i]!);
          if (!first.admits(keys)) continue;
          const row = this.#project(block, rows.subarray(i, i + 1))[0]!;
          first.add(keys, row, orderedBytes(keys, row));
        }
        budget.hold(first.heldBytes, 'rows to order');
        await this.#turn.pass(rows.length * (outputs.length + 1) * KEPT_COST + bytes / BYTES_A_ROW);
        signal?.throwIfAborted();
      }
      await first.settle();
    }
    yield* inBlocks(await first.take(), outputs.length);
  }

  async *#grouped(
    snapshots: readonly (Snapshot | null)[],
    groupBy: readonly Column[],
    budget: ScanBudget,
    signal?: AbortSignal,
  ): AsyncGenerator<ResultRow[]> {
    const { outputs, orderBy, limit } = this.#plan;
    const groups = new Groups(groupBy);
    const aggregates = outputs.map((output) => (output.kind === 'column' ? null : makeAggregate(output)));
    const isMaskable = costOf(this.#plan.filter) + outputs.length <= MASKED_MAX;
    const masked = isMaskable ? new MaskedGroups(this.#plan.filter, groups, outputs, aggregates) : null;
    const cost = aggregates.reduce((sum, aggregate) => sum + (aggregate?.rowCost ?? 1), groupBy.length);
    const stretch = new GroupStretch(
      cost,
      aggregates.reduce((sum, aggregate) => sum + (aggregate?.groupCost ?? 0), 0),
    );
    for await (const block of this.#inParts(snapshots, signal, masked)) {
      for (let from = 0; from < block.rows.length; ) {
        const rows = block.rows.subarray(from, from + stretch.rows);
        from += rows.length;
        const before = groups.count;
        const numbers = groups.number(rows, block.column);
        aggregates.forEach((aggregate, i) => {
          const column = outputs[i]!.column;
          aggregate?.add(rows, numbers, column === null ? undefined : block.column(column.id));
        });
        holdGroups(budget, groups, aggregates);
        await this.#turn.pass(stretch.took(rows.length, groups.count - before));
        signal?.throwIfAborted();
      }
    }
    holdGroups(budget, groups, aggregates);
    const made = this.#groupRows(groups, groupBy, aggregates, orderBy.length > 0 ? null : limit, signal);
    if (orderBy.length === 0) {
      yield* made;
      return;
    }
    const first = new FirstRows<ResultRow>(
      orderBy.map((ordering) => ordering.isDescending),
      limit,
    );
    const ofGroups = heldByGroups(groups, aggregates);
    for await (const rows of made) {
      for (const row of rows) {
        const keys = orderBy.map(({ name }) => row[name] ?? null);
        first.add(keys, row, orderedBytes(keys, row));
      }
      budget.hold(ofGroups + first.heldBytes, 'groups to order');
      await first.settle();
      await this.#turn.pass(rows.length * (outputs.length + 1) * KEPT_COST);
    }
    yield* inBlocks(await first.take(), outputs.length);
  }

  /** Of each group a row, in blocks. Turns are taken only for results that take work. */
  async *#groupRows(
    groups: Groups,
    groupBy: readonly Column[],
    aggregates: readonly (Aggregate | null)[],
    limit: number | null,
    signal?: AbortSignal,
  ): AsyncGenerator<ResultRow[]> {
    const { outputs } = this.#plan;
    const settling = aggregates.filter((aggregate) => aggregate?.settle !== undefined);
    const rowsMax = Math.min(limit ?? groups.count, groups.count);
    const step = sliceRows(outputs.length);
    for (let from = 0; from < rowsMax; from += step) {
      const rows: ResultRow[] = [];
      for (let group = from; group < Math.min(from + step, rowsMax); group++) {
        for (const aggregate of settling) await aggregate?.settle?.(group, this.#turn);
        rows.push(groupRow(outputs, groupBy, groups.valuesOf(group), aggregates, group));
      }
      signal?.throwIfAborted();
      yield rows;
    }
  }

  /**
   * Selected rows of some partitions, part by part: no part has a key of another, so nothing is merged. Without those that
   * `masked` takes.
   */
  async *#inParts(
    snapshots: readonly (Snapshot | null)[],
    signal?: AbortSignal,
    masked: MaskedGroups | null = null,
  ): AsyncGenerator<ScanBlock> {
    const turn = this.#turn;
    for (const snapshot of snapshots) {
      if (snapshot === null) continue;
      const { filterColumns, resultColumns } = this.#needs;
      for (const part of await partsOf(snapshot, [...filterColumns.keys(), ...resultColumns.keys()])) {
        if (part.kind === 'merged') yield* this.#pieces(part.sources, snapshot.blockRows, this.#range, signal);
        else {
          const { segment, live } = part;
          const [from, to] = blocksWithin(segment.blocks, this.#range);
          for (let block = from; block < to; block++) {
            signal?.throwIfAborted();
            const opened = await openStored(this.#needs, segment, block, live, masked);
            if (opened !== null) this.#scanned += segment.blocks[block]!.rowCount;
            if (opened !== null && opened !== 'added') yield opened;
            // What the mask kernels took costs little.
            await turn.pass(segment.blocks[block]!.rowCount / (opened === 'added' || opened === null ? 4 : 1));
          }
        }
      }
    }
  }

  /** Selected rows of some partitions, merged in key order or the other way round, behind the key `after`. */
  async *#merged(
    snapshots: readonly (Snapshot | null)[],
    direction: KeyOrder,
    after: Uint8Array | null,
    signal?: AbortSignal,
  ): AsyncGenerator<ScanBlock> {
    const sources = snapshots.flatMap((snapshot) => snapshot?.sources ?? []);
    const blockRows = snapshots.find((snapshot) => snapshot !== null)?.blockRows ?? LIMITS.batchRowsMax;
    const range = rangeBehind(this.#range, direction, after);
    if (direction === 'ascending') yield* this.#pieces(sources, blockRows, range, signal);
    else {
      for (const stretch of stretchesBackwards(sources, range)) {
        const blocks: ScanBlock[] = [];
        for await (const block of this.#pieces(sources, blockRows, stretch, signal)) blocks.push(block);
        for (const block of blocks.reverse()) yield { ...block, rows: block.rows.toReversed() };
      }
    }
  }

  async *#pieces(
    sources: readonly Source[],
    blockRows: number,
    { from, to }: KeyBounds,
    signal?: AbortSignal,
  ): AsyncGenerator<ScanBlock> {
    const needs = this.#needs;
    const columns = kindsOf(needs.table, [...needs.filterColumns.values(), ...needs.resultColumns.values()], false);
    const pieces = mergeSources(sources, {
      want: { columns, keys: true, stamps: true },
      blockRows,
      from,
      to,
      skip: (source, block) => isOutOfReach(needs, source, block),
    });
    const turn = this.#turn;
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      const rowCount = piece.kind === 'block' ? piece.rowCount : piece.to - piece.from;
      this.#scanned += rowCount;
      const block = await openPiece(needs, piece);
      if (block !== null) yield block;
      await turn.pass(rowCount * 4);
    }
  }

  get #resultColumns(): Column[] {
    return this.#plan.outputs.flatMap(({ column }) => column ?? []);
  }

  /** Rows of a block, so many at a time as are made into results at once. */
  *#slices(block: ScanBlock, rows: Uint32Array, columns: readonly Column[]) {
    const chunks = columns.map(({ id }) => block.column(id));
    for (let from = 0; from < rows.length; ) {
      const { end, bytes } = sliceAt(rows, from, chunks);
      yield { rows: rows.subarray(from, end), bytes };
      from = end;
    }
  }

  #project(block: ScanBlock, rows: Uint32Array): ResultRow[] {
    const results: ResultRow[] = Array.from(rows, () => ({}));
    for (const { name, column } of this.#plan.outputs) {
      const values = valuesOf(block, rows, column!);
      for (let i = 0; i < results.length; i++) results[i]![name] = values[i]!;
    }
    return results;
  }
}

function holdGroups(budget: ScanBudget, groups: Groups, aggregates: readonly (Aggregate | null)[]): void {
  budget.hold(heldByGroups(groups, aggregates), 'groups and their values');
}

function* inBlocks(rows: readonly ResultRow[], columnCount: number): Generator<ResultRow[]> {
  const step = sliceRows(columnCount);
  for (let from = 0; from < rows.length; from += step) yield rows.slice(from, from + step);
}
