/** Some rows of a segment, as a source for a merge. */

import { ColumnVector } from '@tidemark/columnar/column-vector';
import { RowCells } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import type { Zone } from '../encoding/zone.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { Segment } from '../segment/segment.ts';
import { gatherRows } from './gather.ts';
import { Rows, type Want } from './rows.ts';
import type { BlockRange, Source } from './source.ts';

/** Rows of a block, ascending; null: all of them. The keys are those of the first and the last. */
export type SelectedBlock = {
  readonly block: number;
  readonly rows: Uint32Array | null;
  readonly first: Uint8Array;
  readonly last: Uint8Array;
};

const KEYS_ONLY: Want = { columns: new Map(), keys: true, stamps: false };

/** A view of a segment without the rows that are not selected; its blocks are those of the segment that keep any. */
export class SelectedSource implements Source {
  readonly blocks: readonly BlockRange[];
  readonly kinds: ReadonlyMap<number, Physical>;
  readonly shared: ReadonlyMap<number, number>;
  readonly #segment: Segment;
  readonly #selected: readonly SelectedBlock[];

  /** Blocks in ascending order, none of them empty. */
  constructor(segment: Segment, selected: readonly SelectedBlock[]) {
    this.#segment = segment;
    this.#selected = selected;
    this.kinds = segment.kinds;
    const kept = selected.reduce((sum, { block, rows }) => sum + (rows?.length ?? segment.blocks[block]!.rowCount), 0);
    const share = kept / segment.summary.rows;
    this.shared = new Map([...segment.shared].map(([id, bytes]) => [id, bytes * share]));
    this.blocks = selected.map(({ block, rows, first, last }) => {
      return { first, last, rowCount: rows?.length ?? segment.blocks[block]!.rowCount };
    });
  }

  /** The live rows of a segment. Reads the keys of blocks in which some are not. */
  static async live({ segment, live }: LiveSegment): Promise<Source> {
    if (live === null) return segment;
    const selected: SelectedBlock[] = [];
    for (const [block, { first, last, rowCount }] of segment.blocks.entries()) {
      const from = segment.firstRows[block]!;
      const rows = live.allLive(from, from + rowCount) ? null : live.rows(from, from + rowCount);
      if (rows === null) selected.push({ block, rows, first, last });
      if (rows === null || rows.length === 0) continue;
      const { keys } = await segment.read(block, KEYS_ONLY);
      const keyOf = (row: number): Uint8Array => new Uint8Array(keys.bytesAt(row));
      selected.push({ block, rows, first: keyOf(rows[0]!), last: keyOf(rows.at(-1)!) });
    }
    return new SelectedSource(segment, selected);
  }

  zone(block: number, column: number): Promise<Zone | null> {
    return this.#segment.zone(this.#selected[block]!.block, column);
  }

  hasDead(block: number): Promise<boolean> {
    return this.#segment.hasDead(this.#selected[block]!.block);
  }

  async read(block: number, want: Want): Promise<Rows> {
    const { block: number, rows } = this.#selected[block]!;
    const all = await this.#segment.read(number, want);
    return rows === null ? all : picked(all, rows, want);
  }

  readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows> {
    return this.read(block, { columns, keys: false, stamps: false });
  }
}

function picked(all: Rows, rowNumbers: Uint32Array, want: Want): Rows {
  const rows = new Rows(rowNumbers.length);
  const slots = Int32Array.from(rowNumbers);
  if (want.keys) gatherRows(rows.keys, all.keys, slots);
  pick(rows.putMs, all.putMs, rowNumbers);
  pick(rows.putLow, all.putLow, rowNumbers);
  if (all.tombMs !== null) {
    rows.tombMs = pick(new Float64Array(rowNumbers.length), all.tombMs, rowNumbers);
    rows.tombLow = pick(new Float64Array(rowNumbers.length), all.tombLow!, rowNumbers);
  }
  for (const [id, { vector, ms, low }] of all.columns) {
    const into = new ColumnVector(vector.kind);
    gatherRows(into, vector, slots);
    const own = (stamps: Float64Array | null): Float64Array | null =>
      stamps === null ? null : pick(new Float64Array(rowNumbers.length), stamps, rowNumbers);
    rows.columns.set(id, { vector: into, ms: own(ms), low: own(low) });
  }
  if (all.shared !== null) {
    rows.shared = new RowCells();
    for (let i = 0; i < rowNumbers.length; i++) rows.shared.copyRow(all.shared, rowNumbers[i]!);
  }
  return rows;
}

function pick(into: Float64Array, from: Float64Array, rowNumbers: Uint32Array): Float64Array {
  for (let i = 0; i < rowNumbers.length; i++) into[i] = from[rowNumbers[i]!]!;
  return into;
}
