/**
 * One column of a memtable. Dense (a slot per row) while a good share of the rows has a cell; sparse (slots in order of
 * arrival, found by hash) while few do, so that memory follows the cells and not rows × columns.
 */

import type { Physical } from '@tidemark/schema/column-type';
import { ColumnVector, roomFor } from '@tidemark/schema/column-vector';

/** Dense once at least one row in so many has a cell. */
const DENSE_SHARE = 8;
const FIRST_SLOTS = 64;

export class MemtableColumn {
  readonly vector: ColumnVector;
  /** Per slot the number of the write that won it; 0: no cell. */
  writeOf = new Uint32Array(FIRST_SLOTS);
  /** Cells held, when sparse; about that many when dense. */
  used = 0;
  #dense = false;
  /** Sparse: row + 1 and slot side by side; 0 where free. */
  #index = new Uint32Array(FIRST_SLOTS * 4);
  /** Sparse: the row of each slot. */
  #rowOf = new Uint32Array(FIRST_SLOTS);

  constructor(kind: Physical) {
    this.vector = new ColumnVector(kind);
  }

  get memoryBytes(): number {
    return this.vector.memoryBytes + this.writeOf.byteLength + this.#index.byteLength + this.#rowOf.byteLength;
  }

  /** Says that `count` cells are coming to a table of `rowCount` rows: the moment to become dense. */
  expect(count: number, rowCount: number): void {
    if (this.#dense) this.used += count;
    else if ((this.used + count) * DENSE_SHARE >= rowCount) this.#becomeDense();
  }

  /** The slot of a row's cell, or −1 when there is none. */
  slotOf(row: number): number {
    if (this.#dense) return row < this.writeOf.length && this.writeOf[row] !== 0 ? row : -1;
    const mask = this.#index.length / 2 - 1;
    for (let at = hashRow(row) & mask; this.#index[at * 2] !== 0; at = (at + 1) & mask) {
      if (this.#index[at * 2] === row + 1) return this.#index[at * 2 + 1]!;
    }
    return -1;
  }

  /** The slot of a row's cell, a new one (with write 0) when there is none. */
  slotFor(row: number): number {
    if (this.#dense) {
      if (row >= this.writeOf.length) this.writeOf = grown(this.writeOf, row + 1);
      return row;
    }
    const found = this.slotOf(row);
    if (found !== -1) return found;
    const slot = this.used++;
    if (slot >= this.writeOf.length) this.#grow();
    this.#rowOf[slot] = row;
    this.#put(row, slot);
    return slot;
  }

  /** True when each of rows 0 … rowCount − 1 has a cell. */
  isFull(rowCount: number): boolean {
    if (!this.#dense) return this.used === rowCount;
    return rowCount <= this.writeOf.length && !this.writeOf.subarray(0, rowCount).includes(0);
  }

  /** Calls for every cell of rows 0 … rowCount − 1. */
  forEach(rowCount: number, call: (row: number, slot: number) => void): void {
    const end = this.#dense ? Math.min(rowCount, this.writeOf.length) : this.used;
    for (let slot = 0; slot < end; slot++) {
      if (this.writeOf[slot] !== 0) call(this.#dense ? slot : this.#rowOf[slot]!, slot);
    }
  }

  #grow(): void {
    // Doubled, as the index has to stay a power of two.
    this.writeOf = grown(this.writeOf, this.writeOf.length * 2);
    this.#rowOf = grown(this.#rowOf, this.writeOf.length);
    this.#index = new Uint32Array(this.writeOf.length * 4);
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
    const writes = this.writeOf;
    for (let slot = 0; slot < used; slot++) old.copyRow(slot, this.vector, slot);
    this.vector.clear(this.vector.presence.length);
    this.writeOf = new Uint32Array(writes.length);
    this.#dense = true;
    for (let slot = 0; slot < used; slot++) {
      const row = this.slotFor(this.#rowOf[slot]!);
      this.vector.copyRow(row, old, slot);
      this.writeOf[row] = writes[slot]!;
    }
    this.#index = new Uint32Array(0);
    this.#rowOf = new Uint32Array(0);
  }
}

function hashRow(row: number): number {
  const mixed = Math.imul(row ^ (row >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 12);
}

function grown(old: Uint32Array<ArrayBuffer>, count: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(roomFor(count, old.length));
  larger.set(old);
  return larger;
}
