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
import { fill } from './fill.ts';
import { KeyValues } from './key-values.ts';
import { MemtableHead } from './memtable-head.ts';
import type { RowValues } from './range-wish.ts';
import type { SegmentHead } from './segment-head.ts';

/** A stamp that is there or, with ms −1, is not. */
type Tick = { ms: number; low: number };

/** Makes rows of some columns. */
export class RowOfHeads {
  readonly #columns: readonly Column[];
  readonly #keys: KeyValues;
  /** Of each column whether it is a part of the key. */
  readonly #isOfKey: readonly boolean[];
  readonly #atHand: BlocksAtHand;
  /** A row that is being made, and its number in its block. */
  readonly #one: RowValues[] = [];
  readonly #number: number[] = [];

  constructor(table: Table, columns: readonly Column[], atHand: BlocksAtHand) {
    this.#columns = columns;
    this.#keys = new KeyValues(table, columns);
    this.#isOfKey = columns.map(({ id }) => table.key.includes(id));
    this.#atHand = atHand;
  }

  /** A memtable's row that nothing else has; null when it is not live. */
  ofMemtable(memtable: Memtable, row: number): RowValues | null {
    const { writes } = memtable;
    const put = memtable.putOf(row);
    const tomb = memtable.tombOf(row);
    if (put === 0 || (tomb !== 0 && writes.compare(put, tomb) <= 0)) return null;
    const values = this.#keyValues(memtable, row);
    for (let i = 0; i < values.length; i++) {
      if (this.#isOfKey[i]!) continue;
      const column = memtable.columns.get(this.#columns[i]!.id);
      const slot = column === undefined ? -1 : column.slotOf(row);
      if (slot === -1) continue;
      if (tomb !== 0 && writes.compare(memtable.writeAt(column!, slot, row), tomb) <= 0) continue;
      values[i] = slotValue(column!, slot, this.#columns[i]!);
    }
    return values;
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
    const { cells } = head;
    const values: RowValues = [];
    for (let i = 0; i < this.#columns.length; i++) values.push(null);
    this.#one[0] = values;
    this.#number[0] = head.row;
    for (let i = 0; i < values.length; i++) {
      const column = this.#columns[i]!;
      const own = this.#isOfKey[i]! ? undefined : memtable.columns.get(column.id);
      const slot = own === undefined ? -1 : own.slotOf(row);
      if (slot !== -1) values[i] = slotValue(own!, slot, column);
      else if (cells[i] !== null) fill(this.#one, 0, this.#number, i, cells[i]!.chunk, column, head);
    }
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
    for (let i = 0; i < values.length; i++) {
      if (this.#isOfKey[i]!) continue;
      const column = this.#columns[i]!;
      // Nothing that is not newer than the tombstone counts.
      const best: Tick = { ms: tomb.ms, low: tomb.low };
      for (let m = 0; m < memtables.length; m++) {
        const { memtable } = memtables[m]!;
        const row = memtables[m]!.row();
        const cells = memtable.columns.get(column.id);
        const slot = cells === undefined ? -1 : cells.slotOf(row);
        if (slot === -1) continue;
        const write = memtable.writeAt(cells!, slot, row);
        const [ms, low] = [memtable.writes.msAt(write), memtable.writes.lowAt(write)];
        if (!isNewer(ms, low, best)) continue;
        [best.ms, best.low] = [ms, low];
        values[i] = slotValue(cells!, slot, column);
      }
      for (const head of segments) {
        const value = this.#newerCell(head, i, best, segments.length > 1);
        if (value === undefined) return undefined;
        if (value !== OLDER) values[i] = value;
      }
    }
    return values;
  }

  /** The cell of a segment's row, when it is newer than `best`; then `best` becomes its stamp, where that is asked for. */
  #newerCell(
    head: SegmentHead,
    place: number,
    best: Tick,
    isStampWanted: boolean,
  ): Value | null | undefined | typeof OLDER {
    const stored = head.cells[place] ?? null;
    if (stored === null) return OLDER;
    const { block, row, rowInBlock, segment } = head;
    const state = stateOf(stored.chunk, row);
    if (state === CELL.absent) return OLDER;
    if (best.ms !== -1 || isStampWanted) {
      const max = segment.order.fileOf(this.#columns[place]!.id)?.opened?.block(block)?.stampMax ?? null;
      if (max !== null && !isNewer(max[0], max[1], best)) return OLDER;
      const hasOwn = stored.part.stamps?.has(rowInBlock - stored.part.firstRow) === true;
      const part = hasOwn ? stored.part : segment.order.putStamps(block, rowInBlock, this.#atHand);
      if (part === undefined) return undefined;
      const stamps = part?.stamps ?? null;
      const at = rowInBlock - (part?.firstRow ?? 0);
      const [ms, low] = stamps === null ? [-1, 0] : [stamps.msAt(at), stamps.lowAt(at)];
      if (!isNewer(ms, low, best)) return OLDER;
      [best.ms, best.low] = [ms, low];
    }
    return state === CELL.deleted ? null : valueOfChunk(stored.chunk, row, this.#columns[place]!.type);
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
