/** Cells of many columns as a block of `cells.col`: units of some rows, each with its rows' cells one behind the other. */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { RowCells } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import { encodeBlock } from '../encoding/block-encoder.ts';
import { unitRowsFor } from '../encoding/cut-section.ts';
import { type StampBounds, StampCodec, stampBounds } from '../encoding/stamp-codec.ts';
import type { Rows } from '../row/rows.ts';
import type { BlockParts } from '../segment/column-file-writer.ts';

/** What a cell takes beside its value: its length, and about two bytes of its column. */
const CELL_BYTES = 6;

/** A column that shares the file, and what its cells take there. */
export type SharedColumn = { readonly id: number; readonly kind: Physical; bytes: number };

/** A block, and what its footer says. */
export type CellsBlock = {
  readonly parts: BlockParts;
  readonly values: number;
  readonly deleted: number;
  readonly bounds: StampBounds;
};

/** Encodes block after block with the same memory. */
export class CellsWriter {
  readonly columns: ReadonlyMap<number, SharedColumn>;
  readonly #blockRows: number;
  readonly #stamps = new StampCodec();
  readonly #counts = new ColumnVector('i32');
  readonly #ids = new ColumnVector('i32');

  /** @param kinds of the columns that share the file @param blockRows rows that the segment's blocks have at most */
  constructor(kinds: ReadonlyMap<number, Physical>, blockRows: number) {
    this.columns = new Map([...kinds].map(([id, kind]) => [id, { id, kind, bytes: 0 }]));
    this.#blockRows = blockRows;
  }

  /** Rows `from … to`, which have cells; null when none of them has any. */
  block(rows: Rows, cells: RowCells, from: number, to: number): CellsBlock | null {
    const [first, end] = [cells.starts[from]!, cells.starts[to]!];
    if (first === end) return null;
    const { lengths, presence } = cells.values;
    let [values, bytes] = [0, 0];
    for (let cell = first; cell < end; cell++) {
      const isValue = presence[cell] === CELL.value;
      const own = (isValue ? lengths[cell]! : 0) + CELL_BYTES;
      if (isValue) values++;
      bytes += own;
      this.columns.get(cells.columns[cell]!)!.bytes += own;
    }
    const unitRows = Math.min(unitRowsFor(bytes, to - from, 'bytes', this.#blockRows), to - from);
    const units: Uint8Array[][][] = [];
    for (let row = from; row < to; row += unitRows)
      units.push(this.#unit(rows, cells, row, Math.min(row + unitRows, to)));
    const parts = { unitRows, dictionary: null, units, separators: [] };
    const bounds = stampBounds(cells.ms, cells.low, first, end, null);
    return { parts, values, deleted: end - first - values, bounds };
  }

  /** The sections of a unit; none when no row of it has a cell. */
  #unit(rows: Rows, cells: RowCells, from: number, to: number): Uint8Array[][] {
    const [first, end] = [cells.starts[from]!, cells.starts[to]!];
    if (first === end) return [];
    const counts = this.#counts;
    const ids = this.#ids;
    // Which cells have a stamp that is not their row's.
    const isOwn = new Uint8Array(end - first);
    for (let row = from; row < to; row++) {
      const stop = cells.starts[row + 1]!;
      counts.setNumber(row - from, stop - cells.starts[row]!);
      const [putMs, putLow] = [rows.putMs[row]!, rows.putLow[row]!];
      for (let cell = cells.starts[row]!; cell < stop; cell++) {
        ids.setNumber(cell - first, cells.columns[cell]!);
        if (cells.ms[cell] !== putMs || cells.low[cell] !== putLow) isOwn[cell - first] = 1;
      }
    }
    const stamps = isOwn.includes(1)
      ? this.#stamps.encode(cells.ms, cells.low, first, end, (cell) => isOwn[cell - first] === 1)
      : null;
    const sections = [encodeBlock(counts, 0, to - from), encodeBlock(ids, 0, end - first)];
    return [...sections, encodeBlock(cells.values, first, end), ...(stamps ?? [])].map((section) => [section]);
  }
}
