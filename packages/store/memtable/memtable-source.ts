/** A frozen memtable, read like a segment: sorted once when first asked for, gathered block by block. */

import { setCellBytes } from '@tidemark/columnar/cell-bytes';
import { RowCells, type SharedWant } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import { xxh32 } from '@tidemark/model/hash';
import { cellKinds, type Table } from '@tidemark/model/table';
import type { Zone } from '../encoding/zone.ts';
import { sortKeys } from '../key/sort-keys.ts';
import { gatherFull, gatherRows, shareFull } from '../row/gather.ts';
import { areAllValues } from '../row/presence.ts';
import { type Cells, Rows, type Want, widened } from '../row/rows.ts';
import type { BlockRange, Source } from '../row/source.ts';
import type { Memtable } from './memtable.ts';
import type { MemtableColumn } from './memtable-column.ts';

/** From so many rows on it pays to look at what all rows have in common. Only frozen memtables are asked for as many. */
const TOGETHER_ROWS = 64;

const sorted = new WeakMap<Memtable, Promise<Uint32Array>>();
const hashed = new WeakMap<Memtable, Uint32Array>();
const full = new WeakMap<MemtableColumn, boolean>();

/** Rows of a memtable that no longer changes, in key order; sorted once however often it is asked. */
function orderOf(memtable: Memtable): Promise<Uint32Array> {
  let order = sorted.get(memtable);
  if (order === undefined) {
    order = sortKeys(memtable.keys, memtable.rowCount);
    sorted.set(memtable, order);
  }
  return order;
}

/** The blocks of one frozen memtable in key order; reading them changes nothing. */
export class MemtableSource implements Source {
  readonly blocks: readonly BlockRange[];
  readonly kinds: ReadonlyMap<number, Physical>;
  readonly shared: ReadonlyMap<number, number>;
  readonly #memtable: Memtable;
  readonly #order: Uint32Array;
  readonly #blockRows: number;

  /** The memtable must be frozen: nothing may be applied to it from now on. */
  static async open(memtable: Memtable, blockRows: number): Promise<MemtableSource> {
    return new MemtableSource(memtable, await orderOf(memtable), blockRows);
  }

  private constructor(memtable: Memtable, order: Uint32Array, blockRows: number) {
    this.#memtable = memtable;
    this.#order = order;
    this.#blockRows = blockRows;
    this.kinds = new Map([...memtable.columns].map(([id, column]) => [id, column.vector.kind]));
    this.shared = new Map([...memtable.columns].map(([id, { valueBytes }]) => [id, valueBytes]));
    const blocks: BlockRange[] = [];
    for (let from = 0; from < order.length; from += blockRows) {
      const to = Math.min(from + blockRows, order.length);
      const first = memtable.keys.bytesAt(order[from]!);
      blocks.push({ first, last: memtable.keys.bytesAt(order[to - 1]!), rowCount: to - from });
    }
    this.blocks = blocks;
  }

  get rowCount(): number {
    return this.#order.length;
  }

  get memtable(): Memtable {
    return this.#memtable;
  }

  /** The row of the memtable that is number `i` in key order. */
  rowAt(i: number): number {
    return this.#order[i]!;
  }

  /** By place in key order, what filters know a key by. */
  get keyHashes(): Uint32Array {
    const known = hashed.get(this.#memtable);
    if (known !== undefined) return known;
    const { arena, starts, lengths } = this.#memtable.keys;
    const hashes = new Uint32Array(this.rowCount);
    for (let i = 0; i < hashes.length; i++) {
      const start = starts[this.#order[i]!]!;
      hashes[i] = xxh32(arena, start, start + lengths[this.#order[i]!]!);
    }
    hashed.set(this.#memtable, hashes);
    return hashes;
  }

  async zone(): Promise<Zone | null> {
    return null;
  }

  async hasDead(): Promise<boolean> {
    return true;
  }

  async readKeyColumns(): Promise<Rows | null> {
    return null;
  }

  async read(block: number, want: Want, spare: Rows | null = null): Promise<Rows> {
    const from = block * this.#blockRows;
    return gather(this.#memtable, this.#order.subarray(from, from + this.#blockRows), want, spare);
  }
}

/** Those rows of a memtable, in that order, canonical. */
export function gather(memtable: Memtable, rowNumbers: Uint32Array, want: Want, spare: Rows | null = null): Rows {
  const rows = spare?.renewed(rowNumbers.length) ?? new Rows(rowNumbers.length);
  // A memtable only ever adds keys, one behind the other.
  if (want.keys) {
    if (rowNumbers.length >= TOGETHER_ROWS) shareFull(rows.keys, memtable.keys, memtable.rowCount, rowNumbers);
    else gatherFull(rows.keys, memtable.keys, new Int32Array(rowNumbers));
  }
  gatherStamps(memtable, rowNumbers, rows);
  for (const [id, kind] of want.columns) {
    const column = memtable.columns.get(id);
    if (column !== undefined) rows.columns.set(id, gatherCells(memtable, id, column, rowNumbers, rows, kind));
  }
  if (want.shared !== undefined && want.shared.size > 0) gatherShared(memtable, rowNumbers, rows, want.shared);
  return rows;
}

/** Row by row, the cells of wanted columns that the row's tombstone does not hide. */
function gatherShared(memtable: Memtable, rowNumbers: Uint32Array, rows: Rows, want: SharedWant): void {
  const { writes } = memtable;
  const into = new RowCells();
  for (let i = 0; i < rowNumbers.length; i++) {
    const row = rowNumbers[i]!;
    const tomb = memtable.tombOf(row);
    const put = memtable.putOf(row);
    const { count, columns, slots } = memtable.cellsOf(row);
    for (let at = 0; at < count; at++) {
      const column = columns[at]!;
      const kind = want.get(column.id);
      if (kind === undefined) continue;
      const write = memtable.writeAt(column, slots[at]!, row);
      if (tomb !== 0 && writes.compare(write, tomb) <= 0) continue;
      const isOfPut = write === put;
      const ms = isOfPut ? rows.putMs[i]! : writes.msAt(write);
      const cell = into.add(column.id, ms, isOfPut ? rows.putLow[i]! : writes.lowAt(write));
      setCellBytes(into.values, cell, column.vector, slots[at]!, kind);
    }
    into.endRow();
  }
  rows.shared = into;
}

function gatherCells(
  memtable: Memtable,
  id: number,
  column: MemtableColumn,
  rowNumbers: Uint32Array,
  rows: Rows,
  kind: Physical,
): Cells {
  const held = rows.vectorFor(id, column.vector.kind);
  const cells: Cells = { vector: held, ms: null, low: null };
  if (column.isOfPuts && memtable.hasNoTombs) {
    // A cell of every row stands in the row's own slot, and its stamp is the row's.
    column.vector.reserveRows(memtable.rowCount);
    const slots = new Int32Array(rowNumbers.buffer, rowNumbers.byteOffset, rowNumbers.length);
    if (rowNumbers.length >= TOGETHER_ROWS && hasAllValues(column, memtable.rowCount)) {
      gatherFull(held, column.vector, slots);
    } else gatherRows(held, column.vector, slots);
  } else {
    const slots = new Int32Array(rowNumbers.length);
    findSlots(memtable, column, rowNumbers, slots, rows, cells);
    gatherRows(held, column.vector, slots);
  }
  return { ...cells, vector: widened(held, kind, rowNumbers.length, `a column of kind ${column.vector.kind}`) };
}

/** Where each row's cell stands, −1 where there is none; notes the stamps of those that are not their rows'. */
function findSlots(
  memtable: Memtable,
  column: MemtableColumn,
  rowNumbers: Uint32Array,
  slots: Int32Array,
  rows: Rows,
  cells: Cells,
): void {
  const { writes } = memtable;
  for (let i = 0; i < rowNumbers.length; i++) {
    const row = rowNumbers[i]!;
    const slot = column.slotOf(row);
    slots[i] = -1;
    if (slot === -1) continue;
    const write = memtable.writeAt(column, slot, row);
    // A cell older than its row's tombstone is gone.
    const tomb = memtable.tombOf(row);
    if (tomb !== 0 && writes.compare(write, tomb) <= 0) continue;
    slots[i] = slot;
    if (write !== memtable.putOf(row)) rows.setCellStamp(cells, i, writes.msAt(write), writes.lowAt(write));
  }
}

/** Whether every row of a frozen memtable has a value in the column; looked at once. */
function hasAllValues(column: MemtableColumn, rowCount: number): boolean {
  let isFull = full.get(column);
  if (isFull === undefined) {
    isFull = areAllValues(column.vector.presence, 0, rowCount);
    full.set(column, isFull);
  }
  return isFull;
}

function gatherStamps(memtable: Memtable, rowNumbers: Uint32Array, rows: Rows): void {
  const { writes } = memtable;
  if (memtable.hasNoTombs && rowNumbers.length >= TOGETHER_ROWS) {
    memtable.putStampsOf(rowNumbers, rows.putMs, rows.putLow);
    return;
  }
  for (let i = 0; i < rowNumbers.length; i++) {
    const put = memtable.putOf(rowNumbers[i]!);
    const tomb = memtable.tombOf(rowNumbers[i]!);
    if (put !== 0 && (tomb === 0 || writes.compare(put, tomb) > 0)) {
      rows.putMs[i] = writes.msAt(put);
      rows.putLow[i] = writes.lowAt(put);
    }
    if (tomb !== 0) rows.setTomb(i, writes.msAt(tomb), writes.lowAt(tomb));
  }
}

/** One row of a memtable that may still change, as it is now, with its cells row by row; null when it has none with that key. */
export function rowOf(memtable: Memtable, key: Uint8Array, table: Table): Rows | null {
  const row = memtable.find(key);
  if (row === -1) return null;
  return gather(memtable, Uint32Array.of(row), { ...KEY_ALONE, shared: cellKinds(table) });
}

const KEY_ALONE: Want = { columns: new Map(), keys: true, stamps: true };
