/**
 * One column of a memtable. Dense (a slot per row) while a good share of the rows has a cell; sparse (slots in order of
 * arrival, found by hash) while few do, so that memory follows the cells and not rows × columns.
 */

import { CELL, ColumnVector, type Room, roomFor } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { scatterRows } from '../row/scatter.ts';
import type { RowChains } from './row-chains.ts';

/** Dense once at least one row in so many has a cell. */
const DENSE_SHARE = 8;
/** Of thousands of columns most have few cells. A power of two. */
const FIRST_SLOTS = 16;
/** Cells of a column that is dense among many. */
const DENSE_CELLS_MIN = 64;
/** Of a memtable of more columns than this a column is dense only once it has some cells: most of them will have few. */
const MANY_COLUMNS = 128;
const VALUE_BYTES: Record<Physical, number> = { u8: 1, i32: 4, f64: 8, whole: 8, i64: 8, bytes: 8 };

/** The cells of one column by row, each with the number of the write that won it. */
export class MemtableColumn {
  readonly id: number;
  readonly vector: ColumnVector;
  /** Cells held, when sparse; about that many when dense. */
  used = 0;
  /**
   * Per slot the number of the write that won it; 0: no cell. Null while dense and every cell is of its row's newest
   * upsert, so that there is nothing to note.
   */
  #writeOf: Uint32Array | null = new Uint32Array(FIRST_SLOTS);
  #dense = false;
  /** Sparse: row + 1 and slot side by side; 0 where free. */
  #index = new Uint32Array(FIRST_SLOTS * 4);
  /** Sparse: the row of each slot. */
  #rowOf = new Uint32Array(FIRST_SLOTS);

  readonly #chains: RowChains<MemtableColumn>;
  /** What the chains know it by. */
  readonly #place: number;

  constructor(id: number, kind: Physical, chains: RowChains<MemtableColumn>) {
    this.id = id;
    this.vector = new ColumnVector(kind, FIRST_SLOTS);
    this.#chains = chains;
    this.#place = chains.enter(this);
  }

  /** True once it has a slot for every row: then it is in no row's chain. */
  get isDense(): boolean {
    return this.#dense;
  }

  /** Bytes of memory it uses when the memtable has so many rows. */
  memoryBytes(rowCount: number): number {
    const slots = this.#dense ? rowCount : this.used;
    const noted = this.#writeOf === null ? 0 : 4;
    return slots * (VALUE_BYTES[this.vector.kind] + 1 + noted) + this.vector.arenaUsed + this.#index.byteLength;
  }

  /** About the bytes that its cells' values take. */
  get valueBytes(): number {
    const { kind, arenaUsed } = this.vector;
    return this.used * 4 + (kind === 'bytes' ? arenaUsed : this.used * VALUE_BYTES[kind]);
  }

  /** True while every cell is of its row's newest upsert. */
  get isOfPuts(): boolean {
    return this.#writeOf === null;
  }

  /** Says that `count` cells are coming to a table of `rowCount` rows and so many columns: the moment to become dense. */
  expect(count: number, rowCount: number, columnCount: number): void {
    const cells = this.used + count;
    if (this.#dense) this.used = cells;
    else if (cells * DENSE_SHARE >= rowCount && (columnCount <= MANY_COLUMNS || cells >= DENSE_CELLS_MIN)) {
      this.#becomeDense();
    }
  }

  /** Says that the table is about to have so many rows. */
  expectRows(rowCount: number, room: Room): void {
    if (this.#dense) this.vector.reserveRows(rowCount, room);
  }

  /** Says that from now on cells may be of other writes than their rows' newest upserts, which are these. */
  leavePuts(putOf: Uint32Array): void {
    if (this.#writeOf !== null) return;
    const { presence } = this.vector;
    const writes = new Uint32Array(presence.length);
    for (let row = 0; row < presence.length; row++) if (presence[row] !== CELL.absent) writes[row] = putOf[row]!;
    this.#writeOf = writes;
  }

  /** The number of the write that won a slot, which is of that row; 0: none. */
  writeAt(slot: number, row: number, putOf: Uint32Array): number {
    if (this.#writeOf !== null) return this.#writeOf[slot]!;
    return this.vector.presence[slot] === CELL.absent ? 0 : putOf[row]!;
  }

  /** Notes the write that wins a slot. Not while `isOfPuts`. */
  setWrite(slot: number, write: number): void {
    this.#writeOf![slot] = write;
  }

  /**
   * Takes rows 0 … count − 1 of a vector of its kind that are there, all newer than what it holds: row i becomes row
   * `rowOf[i]`, write `first` + i. Rows may repeat; the last counts.
   */
  takeNewest(source: ColumnVector, rowOf: Uint32Array, count: number, rowCount: number, first: number): void {
    if (!this.#dense) {
      for (let i = 0; i < count; i++) {
        if (source.presence[i] === CELL.absent) continue;
        const slot = this.slotFor(rowOf[i]!);
        this.#writeOf![slot] = first + i;
        this.vector.copyRow(slot, source, i);
      }
      return;
    }
    this.vector.reserveRows(rowCount);
    scatterRows(this.vector, source, rowOf, count);
    if (this.#writeOf === null) return;
    if (rowCount > this.#writeOf.length) this.#writeOf = grown(this.#writeOf, rowCount);
    const writes = this.#writeOf;
    for (let i = 0; i < count; i++) if (source.presence[i] !== CELL.absent) writes[rowOf[i]!] = first + i;
  }

  /** The slot of a row's cell, or −1 when there is none. */
  slotOf(row: number): number {
    const { presence } = this.vector;
    if (this.#dense) return row < presence.length && presence[row] !== CELL.absent ? row : -1;
    const mask = this.#index.length / 2 - 1;
    for (let at = hashRow(row) & mask; this.#index[at * 2] !== 0; at = (at + 1) & mask) {
      if (this.#index[at * 2] === row + 1) return this.#index[at * 2 + 1]!;
    }
    return -1;
  }

  /** The slot of a row's cell, a new one (with write 0) when there is none. */
  slotFor(row: number): number {
    if (this.#dense) {
      this.vector.reserveRows(row + 1);
      if (this.#writeOf !== null && row >= this.#writeOf.length) this.#writeOf = grown(this.#writeOf, row + 1);
      return row;
    }
    const found = this.slotOf(row);
    if (found !== -1) return found;
    const slot = this.used++;
    if (slot >= this.#writeOf!.length) this.#grow(this.#writeOf!);
    this.#rowOf[slot] = row;
    this.#put(row, slot);
    this.#chains.add(row, this.#place, slot);
    return slot;
  }

  /** True when each of rows 0 … rowCount − 1 has a cell. */
  isFull(rowCount: number): boolean {
    if (!this.#dense) return this.used === rowCount;
    const { presence } = this.vector;
    return rowCount <= presence.length && !presence.subarray(0, rowCount).includes(CELL.absent);
  }

  /** Calls for every cell of rows 0 … rowCount − 1. */
  forEach(rowCount: number, call: (row: number, slot: number) => void): void {
    const { presence } = this.vector;
    const end = this.#dense ? Math.min(rowCount, presence.length) : this.used;
    for (let slot = 0; slot < end; slot++) {
      if (!this.#dense) call(this.#rowOf[slot]!, slot);
      else if (presence[slot] !== CELL.absent) call(slot, slot);
    }
  }

  #grow(writes: Uint32Array): void {
    // Doubled, as the index has to stay a power of two.
    const larger = grown(writes, writes.length * 2);
    this.#writeOf = larger;
    this.#rowOf = grown(this.#rowOf, larger.length);
    this.#index = new Uint32Array(larger.length * 4);
    for (let slot = 0; slot < this.used - 1; slot++) this.#put(this.#rowOf[slot]!, slot);
  }

  #put(row: number, slot: number): void {
    const mask = this.#index.length / 2 - 1;
    let at = hashRow(row) & mask;
    while (this.#index[at * 2] !== 0) at = (at + 1) & mask;
    this.#index[at * 2] = row + 1;
    this.#index[at * 2 + 1] = slot;
  }

  /** Moves each cell from its slot to its row, in a vector of the same object (others hold no reference to it). */
  #becomeDense(): void {
    const { used } = this;
    const old = new ColumnVector(this.vector.kind);
    const writes = this.#writeOf!;
    for (let slot = 0; slot < used; slot++) old.copyRow(slot, this.vector, slot);
    this.vector.clear(this.vector.presence.length);
    this.#dense = true;
    this.#chains.dense.push(this);
    this.#writeOf = used === 0 ? null : new Uint32Array(writes.length);
    for (let slot = 0; slot < used; slot++) {
      const row = this.slotFor(this.#rowOf[slot]!);
      this.vector.copyRow(row, old, slot);
      this.setWrite(row, writes[slot]!);
    }
    this.#index = new Uint32Array(0);
    this.#rowOf = new Uint32Array(0);
  }
}

function hashRow(row: number): number {
  const mixed = Math.imul(row ^ (row >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 12);
}

function grown(old: Uint32Array, count: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(roomFor(count, old.length));
  larger.set(old);
  return larger;
}
