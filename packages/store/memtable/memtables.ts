/** The memtables of a partition: one takes writes; frozen ones are read, merged while they are small, and flushed. */

import type { RowBatch } from '@tidemark/columnar/row-batch';
import type { Stamp } from '@tidemark/model/stamp';
import type { Table } from '@tidemark/model/table';
import type { Rows } from '../row/rows.ts';
import { Memtable } from './memtable.ts';
import { rowOf } from './memtable-source.ts';

/** Frozen memtables of up to this many rows are merged in memory as more are frozen. */
const ABSORB_ROWS_MAX = 16_384;

/** The active memtable and the frozen ones; freezing is instant, and what is being flushed stays readable. */
export class Memtables {
  readonly #bytesMax: number;
  #active: Memtable;
  /** Oldest first; the first `#flushing` of them are being written. */
  readonly #frozen: Memtable[] = [];
  #flushing = 0;

  /** `bytesMax`: a flush is due once they hold so much memory. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#active = new Memtable(bytesMax);
  }

  /** Oldest first. */
  get frozen(): readonly Memtable[] {
    return [...this.#frozen];
  }

  /** All that hold rows, which may change with the next write. */
  get all(): readonly Memtable[] {
    return this.#active.rowCount === 0 ? this.#frozen : [this.#active, ...this.#frozen];
  }

  /** `frozen`, for a reader that may keep them for as long as it likes. */
  lend(): readonly Memtable[] {
    for (const memtable of this.#frozen) memtable.isLent = true;
    return this.frozen;
  }

  /** Memory held by what is not in segments yet. */
  get memoryBytes(): number {
    return this.#frozen.reduce((sum, memtable) => sum + memtable.memoryBytes, this.#active.memoryBytes);
  }

  /** @throws {Fault} `corrupt`: two different writes with one stamp. */
  apply(batch: RowBatch, stamp: Stamp): void {
    this.#active.apply(batch, stamp);
  }

  /** True when there is no row in memory that is not in segments. */
  get isEmpty(): boolean {
    return this.#active.rowCount === 0 && this.#frozen.length === 0;
  }

  /** What they hold of a key, one row each. */
  find(key: Uint8Array, table: Table): Rows[] {
    const found: Rows[] = [];
    if (this.isEmpty) return found;
    for (const memtable of [this.#active, ...this.#frozen]) {
      const rows = rowOf(memtable, key, table);
      if (rows !== null) found.push(rows);
    }
    return found;
  }

  /** Starts a new memtable; small frozen ones are merged like the digits of a counter, so few are left. */
  freeze(absorb = true): void {
    if (this.#active.rowCount === 0) return;
    this.#frozen.push(this.#active);
    this.#active = new Memtable(this.#bytesMax);
    while (absorb && this.#frozen.length - this.#flushing >= 2) {
      const [before, last] = this.#frozen.slice(-2) as [Memtable, Memtable];
      if (before.rowCount > ABSORB_ROWS_MAX || last.rowCount * 2 < before.rowCount) return;
      if (!before.isOfKindsOf(last)) return;
      const both = new Memtable();
      both.absorb(before);
      both.absorb(last);
      this.#frozen.splice(-2, 2, both);
    }
  }

  /** Makes those that are frozen durable and lets go of them; more may be frozen meanwhile. They stay when `write` throws. */
  async flush(write: (memtables: readonly Memtable[]) => Promise<void>): Promise<void> {
    const memtables = this.frozen;
    this.#flushing = memtables.length;
    try {
      await write(memtables);
      this.#frozen.splice(0, memtables.length);
      for (const memtable of memtables) if (!memtable.isLent) memtable.giveBack();
    } finally {
      this.#flushing = 0;
    }
  }
}
