/**
 * One row of a range that a memtable has, alone or beside segments and other memtables: cell by cell the newest stamp wins,
 * and what a tombstone hides is gone. A segment's stamps are read only where its footer does not tell that they are older.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import { physicalOf, type Value } from '@tidemark/model/column-type';
import type { Column, Table } from '@tidemark/model/table';
import { rawOfChunk, stateOf } from '../encoding/chunk.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { MemtableColumn } from '../memtable/memtable-column.ts';
import { valueOfChunk } from '../row/raw-value.ts';
import { valueAt } from '../row/row-value.ts';
import type { BlocksAtHand } from './blocks-at-hand.ts';
import { emptyRow, fill, fillShared, wantedOf } from './fill.ts';
import { KeyValues } from './key-values.ts';
import { MemtableHead } from './memtable-head.ts';
import type { RowValues } from './range-wish.ts';
import type { HeadCells, SegmentHead } from './segment-head.ts';

/** A stamp that is there or, with ms −1, is not. */
type Tick = { ms: number; low: number };

/** By the columns' places the stamps of the newest cells so far. */
type Best = { readonly ms: Float64Array; readonly low: Float64Array };

/** Makes rows of some columns. */
export class RowOfHeads {
  readonly #columns: readonly Column[];
  readonly #keys: KeyValues;
  /** Of each column whether it is a part of the key. */
  readonly #isOfKey: readonly boolean[];
  readonly #atHand: BlocksAtHand;
  readonly #places: ReadonlyMap<number, number>;
  #best: Best | null = null;
  /** A row that is being made, and its number in its block. */
  readonly #one: RowValues[] = [];
  readonly #number: number[] = [];

  constructor(table: Table, columns: readonly Column[], atHand: BlocksAtHand) {
    this.#columns = columns;
    this.#keys = new KeyValues(table, columns);
    this.#isOfKey = columns.map(({ id }) => table.key.includes(id));
    this.#atHand = atHand;
    this.#places = wantedOf(columns).places;
  }

  /** A memtable's row that nothing else has; null when it is not live. */
  ofMemtable(memtable: Memtable, row: number): RowValues | null {
    const { writes } = memtable;
    const put = memtable.putOf(row);
    const tomb = memtable.tombOf(row);
    if (put === 0 || (tomb !== 0 && writes.compare(put, tomb) <= 0)) return null;
    const values = this.#keyValues(memtable, row);
    this.#fillFrom(memtable, row, tomb, values);
    return values;
  }

  /** Sets the values of a memtable's cells that its tombstone, by the number of its write, does not hide. */
  #fillFrom(memtable: Memtable, row: number, tomb: number, values: RowValues): void {
    const { count, columns, slots } = memtable.cellsOf(row);
    for (let i = 0; i < count; i++) {
      const column = columns[i]!;
      const place = this.#places.get(column.id);
      if (place === undefined) continue;
      if (tomb !== 0 && memtable.writes.compare(memtable.writeAt(column, slots[i]!, row), tomb) <= 0) continue;
      values[place] = slotValue(column, slots[i]!, this.#columns[place]!);
    }
  }

  /** The row of heads that are at one key; null when it is not live; undefined after a miss. */
  of(heads: readonly (MemtableHead | SegmentHead)[]): RowValues | null | undefined {
    if (heads.length === 2) {
      const [a, b] = heads as [MemtableHead | SegmentHead, MemtableHead | SegmentHead];
      const memtable = a instanceof MemtableHead ? a : b instanceof MemtableHead ? b : null;
      const segment = a instanceof MemtableHead ? b : a;
      if (memtable !== null && !(segment instanceof MemtableHead)) {
        const isOlder = segment.isOlderThan(memtable.memtable);
        if (isOlder === undefined) return undefined;
        if (isOlder) return this.#newerOver(memtable.memtable, memtable.row(), segment);
      }
    }
    return this.#ofMany(heads);
  }

  /** A memtable's row over a segment's, of which it is known that it is older in all it has: no stamp has to be read. */
  #newerOver(memtable: Memtable, row: number, head: SegmentHead): RowValues | null {
    // What a tombstone of the memtable leaves is the memtable's alone.
    if (memtable.tombOf(row) !== 0) return this.ofMemtable(memtable, row);
    const values = emptyRow(this.#columns.length);
    this.#one[0] = values;
    this.#number[0] = head.row;
    for (const { place, chunk } of head.cells)
      fill(this.#one, 0, this.#number, place, chunk, this.#columns[place]!, head);
    if (head.shared !== null) fillShared(this.#one, 0, this.#number, this.#columns, head);
    this.#fillFrom(memtable, row, 0, values);
    return values;
  }

  #ofMany(heads: readonly (MemtableHead | SegmentHead)[]): RowValues | null | undefined {
    const put = none();
    const tomb = none();
    const segments: SegmentHead[] = [];
    const memtables: MemtableHead[] = [];
    for (const head of heads) {
      if (!(head instanceof MemtableHead)) {
        segments.push(head);
        continue;
      }
      memtables.push(head);
      const { memtable } = head;
      const { writes } = memtable;
      const row = head.row();
      raise(put, writes.msAt(memtable.putOf(row)), writes.lowAt(memtable.putOf(row)));
      raise(tomb, writes.msAt(memtable.tombOf(row)), writes.lowAt(memtable.tombOf(row)));
    }
    if (!this.#takeTombs(segments, tomb)) return undefined;
    if (!isNewer(put.ms, put.low, tomb)) {
      const isLive = this.#hasPut(segments, tomb);
      if (isLive !== true) return isLive === undefined ? undefined : null;
    }
    return this.#joined(memtables, segments, tomb);
  }

  #joined(
    memtables: readonly MemtableHead[],
    segments: readonly SegmentHead[],
    tomb: Tick,
  ): RowValues | null | undefined {
    const values = this.#keysOf(memtables, segments);
    this.#best ??= { ms: new Float64Array(values.length), low: new Float64Array(values.length) };
    const best = this.#best;
    // Nothing that is not newer than the tombstone counts.
    best.ms.fill(tomb.ms);
    best.low.fill(tomb.low);
    for (const head of memtables) {
      const { memtable } = head;
      const row = head.row();
      const { count, columns, slots } = memtable.cellsOf(row);
      for (let i = 0; i < count; i++) {
        const place = this.#places.get(columns[i]!.id);
        if (place === undefined) continue;
        const write = memtable.writeAt(columns[i]!, slots[i]!, row);
        if (!takeNewer(best, place, memtable.writes.msAt(write), memtable.writes.lowAt(write))) continue;
        values[place] = slotValue(columns[i]!, slots[i]!, this.#columns[place]!);
      }
    }
    for (const head of segments) {
      for (const cells of head.cells) {
        if (this.#isOfKey[cells.place]!) continue;
        const value = this.#newerCell(head, cells, best, segments.length > 1);
        if (value === undefined) return undefined;
        if (value !== OLDER) values[cells.place] = value;
      }
      if (head.shared !== null && !this.#takeShared(head, best, values)) return undefined;
    }
    return values;
  }

  /** The cell of a segment's row, when it is newer than `best`; then `best` becomes its stamp, where that is asked for. */
  #newerCell(
    { block, row, rowInBlock, segment }: SegmentHead,
    { place, file, chunk, part }: HeadCells,
    best: Best,
    isStampWanted: boolean,
  ): Value | null | undefined | typeof OLDER {
    const state = stateOf(chunk, row);
    if (state === CELL.absent) return OLDER;
    if (best.ms[place] !== -1 || isStampWanted) {
      const max = file.opened?.block(block)?.stampMax ?? null;
      if (max !== null && !isNewer(max[0], max[1], { ms: best.ms[place]!, low: best.low[place]! })) return OLDER;
      const hasOwn = part.stamps?.has(rowInBlock - part.firstRow) === true;
      const stamped = hasOwn ? part : segment.order.putStamps(block, rowInBlock, this.#atHand);
      if (stamped === undefined) return undefined;
      const stamps = stamped?.stamps ?? null;
      const at = rowInBlock - (stamped?.firstRow ?? 0);
      if (!takeNewer(best, place, stamps?.msAt(at) ?? -1, stamps?.lowAt(at) ?? 0)) return OLDER;
    }
    return state === CELL.deleted ? null : valueOfChunk(chunk, row, this.#columns[place]!.type);
  }

  /** The cells of a segment's row in columns that share a file, those that are newer than `best`. False after a miss. */
  #takeShared(head: SegmentHead, best: Best, values: RowValues): boolean {
    const shared = head.shared!;
    const puts = head.segment.order.putStamps(head.block, head.rowInBlock, this.#atHand);
    if (puts === undefined) return false;
    const put = head.rowInBlock - (puts?.firstRow ?? 0);
    const [putMs, putLow] = [puts?.stamps?.msAt(put) ?? -1, puts?.stamps?.lowAt(put) ?? 0];
    const row = head.sharedRow(head.row);
    for (let cell = shared.starts[row]!; cell < shared.starts[row + 1]!; cell++) {
      const place = this.#places.get(shared.columns[cell]!);
      if (place === undefined) continue;
      const isOwn = shared.stamps?.has(cell) === true;
      const ms = isOwn ? shared.stamps!.msAt(cell) : putMs;
      if (!takeNewer(best, place, ms, isOwn ? shared.stamps!.lowAt(cell) : putLow)) continue;
      values[place] = shared.valueOf(cell, this.#columns[place]!);
    }
    return true;
  }

  /** Raises `tomb` to the newest tombstone of the segments' rows. False after a miss. */
  #takeTombs(segments: readonly SegmentHead[], tomb: Tick): boolean {
    for (const { segment, block, rowInBlock } of segments) {
      const part = segment.order.tombs(block, rowInBlock, this.#atHand);
      if (part === undefined) return false;
      const tombs = part?.stamps ?? null;
      const at = rowInBlock - (part?.firstRow ?? 0);
      if (tombs?.has(at) === true) raise(tomb, tombs.msAt(at), tombs.lowAt(at));
    }
    return true;
  }

  /** Whether one of the segments' rows has a put that is newer than the tombstone. */
  #hasPut(segments: readonly SegmentHead[], tomb: Tick): boolean | undefined {
    for (const head of segments) {
      const { segment, block, row, rowInBlock, puts } = head;
      if (puts !== null && (Number(rawOfChunk(puts, row)) & 1) === 0) continue;
      if (tomb.ms === -1) return true;
      const max = segment.order.putStampMax(block);
      if (max !== null && !isNewer(max[0], max[1], tomb)) continue;
      const part = segment.order.putStamps(block, rowInBlock, this.#atHand);
      if (part === undefined) return undefined;
      const stamps = part?.stamps ?? null;
      const at = rowInBlock - (part?.firstRow ?? 0);
      if (stamps?.has(at) === true && isNewer(stamps.msAt(at), stamps.lowAt(at), tomb)) return true;
    }
    return false;
  }

  /** The parts of the key that are wanted, and null for every other column. */
  #keysOf(memtables: readonly MemtableHead[], segments: readonly SegmentHead[]): RowValues {
    const { bytes, start, length } = (memtables[0] ?? segments[0]!).key;
    return this.#keys.of(bytes, start, length);
  }

  #keyValues({ keys }: Memtable, row: number): RowValues {
    return this.#keys.of(keys.arena, keys.starts[row]!, keys.lengths[row]!);
  }
}

/** Of a cell that something newer hides. */
const OLDER = Symbol('older');

function none(): Tick {
  return { ms: -1, low: 0 };
}

function isNewer(ms: number, low: number, than: Tick): boolean {
  return ms > than.ms || (ms === than.ms && low > than.low);
}

/** Raises a place's stamp to this one when it is newer; false when it is not. */
function takeNewer({ ms: bestMs, low: bestLow }: Best, place: number, ms: number, low: number): boolean {
  if (ms < bestMs[place]! || (ms === bestMs[place] && low <= bestLow[place]!)) return false;
  bestMs[place] = ms;
  bestLow[place] = low;
  return true;
}

function raise(tick: Tick, ms: number, low: number): void {
  if (!isNewer(ms, low, tick)) return;
  tick.ms = ms;
  tick.low = low;
}

/** What a slot of a memtable's column holds, as the column has it now: an int may have become a long since. */
function slotValue({ vector }: MemtableColumn, slot: number, { type }: Column): Value | null {
  if (vector.presence[slot] !== CELL.value) return null;
  const kind = physicalOf(type);
  if (vector.kind === 'i32' && kind === 'i64') return BigInt(vector.i32[slot]!);
  // Or the one who asks knows it as the int that it was.
  if (vector.kind === 'i64' && kind === 'i32') return Number(vector.i64[slot]!);
  return valueAt(vector, slot, type);
}
