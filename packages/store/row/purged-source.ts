/** The rows of a segment without deletions that may be forgotten, as a source for a merge; `purge.ts` says which. */

import { CELL } from '@tidemark/columnar/column-vector';
import { RowCells } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import type { Zone } from '../encoding/zone.ts';
import { type GcWatermark, isBelow } from '../gc-watermark.ts';
import { NO_STAMP, type Rows, type Want } from './rows.ts';
import type { SelectedSource } from './selected-source.ts';
import type { BlockRange, Source } from './source.ts';

/** A view of a segment's rows: nothing is written, and rows that are not marked come through unchanged. */
export class PurgedSource implements Source {
  readonly blocks: readonly BlockRange[];
  readonly kinds: ReadonlyMap<number, Physical>;
  readonly shared: ReadonlyMap<number, number>;
  readonly #rows: SelectedSource;
  readonly #marks: readonly (Uint8Array | null)[];
  readonly #gcWatermark: GcWatermark;

  /**
   * @param marks by block, per row 1 where deletions below the GC watermark are left out; null: nowhere. Rows that are
   *   nothing without them are not in `rows`.
   */
  constructor(rows: SelectedSource, marks: readonly (Uint8Array | null)[], gcWatermark: GcWatermark) {
    this.#rows = rows;
    this.#marks = marks;
    this.#gcWatermark = gcWatermark;
    this.blocks = rows.blocks;
    this.kinds = rows.kinds;
    this.shared = rows.shared;
  }

  zone(block: number, column: number): Promise<Zone | null> {
    return this.#rows.zone(block, column);
  }

  hasDead(block: number): Promise<boolean> {
    return this.#rows.hasDead(block);
  }

  /** The stamps are read whether they are wanted or not: they tell what is left out. */
  async read(block: number, want: Want): Promise<Rows> {
    const rows = await this.#rows.read(block, { ...want, stamps: true });
    const marks = this.#marks[block] ?? null;
    if (marks !== null) strip(rows, marks, this.#gcWatermark);
    return rows;
  }

  readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows> {
    return this.#rows.readKeyColumns(block, columns);
  }
}

function strip(rows: Rows, marks: Uint8Array, gcWatermark: GcWatermark): void {
  stripTombs(rows, marks, gcWatermark);
  if (rows.shared !== null) rows.shared = withoutDeleted(rows.shared, marks, gcWatermark);
  for (const { vector, ms, low } of rows.columns.values()) {
    for (let row = 0; row < rows.rowCount; row++) {
      if (marks[row] === 0 || vector.presence[row] !== CELL.deleted) continue;
      const isGone = isBelow((ms ?? rows.putMs)[row]!, (low ?? rows.putLow)[row]!, gcWatermark);
      if (isGone) vector.presence[row] = CELL.absent;
    }
  }
}

/** The cells without those that say only that they were deleted, in rows that are marked. */
function withoutDeleted(cells: RowCells, marks: Uint8Array, gcWatermark: GcWatermark): RowCells {
  const into = new RowCells();
  for (let row = 0; row < cells.rowCount; row++) {
    for (let cell = cells.starts[row]!; cell < cells.starts[row + 1]!; cell++) {
      const isDeleted = marks[row] === 1 && cells.values.presence[cell] === CELL.deleted;
      if (!isDeleted || !isBelow(cells.ms[cell]!, cells.low[cell]!, gcWatermark)) into.copy(cells, cell);
    }
    into.endRow();
  }
  return into;
}

function stripTombs(rows: Rows, marks: Uint8Array, gcWatermark: GcWatermark): void {
  const { tombMs, tombLow } = rows;
  if (tombMs === null || tombLow === null) return;
  let isLeft = false;
  for (let row = 0; row < rows.rowCount; row++) {
    if (tombMs[row] === NO_STAMP) continue;
    if (marks[row] === 1 && isBelow(tombMs[row]!, tombLow[row]!, gcWatermark)) {
      tombMs[row] = NO_STAMP;
      tombLow[row] = 0;
    } else isLeft = true;
  }
  if (isLeft) return;
  rows.tombMs = null;
  rows.tombLow = null;
}
