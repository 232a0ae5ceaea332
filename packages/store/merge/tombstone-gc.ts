/**
 * Forgetting deletions while segments are merged (protocol rule 18): a row's tombstone, and cells that say only that
 * they were deleted, when their stamp is below the GC watermark and no other segment holds an older form of the row.
 *
 * Why that is enough: what a deletion hides has a smaller stamp. It is in no memtable, as the GC watermark is below all that
 * they hold; in no other segment, dead rows included, as the key is looked for in each that has any (a row that is live
 * here is live nowhere else, so others can only have it dead); not in this merge, which drops dead rows; and it does not
 * arrive, as every member has applied everything below the GC watermark.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import type { RowCells } from '@tidemark/columnar/row-cells';
import { cellKinds, type Table } from '@tidemark/model/table';
import { type GcWatermark, isBelow } from '../gc-watermark.ts';
import { PurgedSource } from '../row/purged-source.ts';
import type { Rows } from '../row/rows.ts';
import { NO_STAMP } from '../row/rows.ts';
import { type SelectedBlock, SelectedSource } from '../row/selected-source.ts';
import type { Source } from '../row/source.ts';
import { KeyToFind } from '../segment/key-to-find.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { Segment } from '../segment/segment.ts';

type PurgePlan = {
  /** The newest schema. */
  readonly table: Table;
  readonly gcWatermark: GcWatermark;
  /** The segments that stay and have dead rows. None of any is damaged, as nobody knows what stands in one that is. */
  readonly others: readonly Segment[];
  /** Lets others have their turn; throws to give up. */
  readonly pause: () => Promise<void>;
};

/** False when footers tell that there is nothing to forget in these segments. */
export async function mayForgetIn(segments: readonly LiveSegment[], gcWatermark: GcWatermark): Promise<boolean> {
  for (const { segment } of segments) {
    for (const block of segment.blocks.keys()) if ((await segment.deletions(block, gcWatermark)) !== null) return true;
  }
  return false;
}

/** The live rows of the segments, without the deletions that may be forgotten. */
export async function withoutForgotten(picked: readonly LiveSegment[], plan: PurgePlan): Promise<Source[]> {
  const isElsewhere = async (key: Uint8Array): Promise<boolean> => {
    const wanted = new KeyToFind(plan.table, key);
    for (const segment of plan.others) if ((await segment.keys.find(wanted)) !== -1) return true;
    return false;
  };
  const sources: Source[] = [];
  for (const one of picked) {
    sources.push((await withoutDeletions(one, plan, isElsewhere)) ?? (await SelectedSource.live(one)));
  }
  return sources;
}

/** Null when there is nothing to forget in it. */
async function withoutDeletions(
  { segment, live }: LiveSegment,
  { table, gcWatermark, pause }: PurgePlan,
  isElsewhere: (key: Uint8Array) => Promise<boolean>,
): Promise<Source | null> {
  const kinds = cellKinds(table);
  const selected: SelectedBlock[] = [];
  const marks: (Uint8Array | null)[] = [];
  let isAny = false;
  for (const [block, { first, last, rowCount }] of segment.blocks.entries()) {
    const from = segment.firstRows[block]!;
    const isWhole = live === null || live.allLive(from, from + rowCount);
    const deletions = await segment.deletions(block, gcWatermark);
    if (isWhole && deletions === null) {
      selected.push({ block, rows: null, first, last });
      marks.push(null);
      continue;
    }
    await pause();
    const asked = new Set(deletions ?? []);
    const wanted = [...kinds].filter(([id]) => asked.has(id));
    const columns = new Map(wanted.filter(([id]) => !segment.shared.has(id)));
    const shared = new Map(wanted.filter(([id]) => segment.shared.has(id)));
    const rows = await segment.read(block, { columns, shared, keys: true, stamps: deletions !== null });
    const kept: number[] = [];
    const marked: number[] = [];
    for (let row = 0; row < rowCount; row++) {
      if (!isWhole && !live.isLive(from + row)) continue;
      const isMarked =
        deletions !== null && hasDeletion(rows, row, gcWatermark) && !(await isElsewhere(keyAt(rows, row)));
      isAny ||= isMarked;
      if (isMarked && !rows.isLive(row)) continue;
      kept.push(row);
      marked.push(isMarked ? 1 : 0);
    }
    if (kept.length === 0) continue;
    const ends = { first: keyAt(rows, kept[0]!), last: keyAt(rows, kept.at(-1)!) };
    selected.push({ block, rows: kept.length === rowCount ? null : Uint32Array.from(kept), ...ends });
    marks.push(marked.includes(1) ? Uint8Array.from(marked) : null);
  }
  return isAny ? new PurgedSource(new SelectedSource(segment, selected), marks, gcWatermark) : null;
}

/** True when the row has a tombstone, or a deleted cell, below the GC watermark. A tombstone that hides a row is its newest write. */
function hasDeletion(rows: Rows, row: number, gcWatermark: GcWatermark): boolean {
  const tombMs = rows.tombMs?.[row] ?? NO_STAMP;
  if (tombMs !== NO_STAMP && isBelow(tombMs, rows.tombLow![row]!, gcWatermark)) return true;
  for (const { vector, ms, low } of rows.columns.values()) {
    if (vector.presence[row] !== CELL.deleted) continue;
    if (isBelow((ms ?? rows.putMs)[row]!, (low ?? rows.putLow)[row]!, gcWatermark)) return true;
  }
  return rows.shared !== null && hasDeletedCell(rows.shared, row, gcWatermark);
}

function hasDeletedCell({ starts, values, ms, low }: RowCells, row: number, gcWatermark: GcWatermark): boolean {
  for (let cell = starts[row]!; cell < starts[row + 1]!; cell++) {
    if (values.presence[cell] === CELL.deleted && isBelow(ms[cell]!, low[cell]!, gcWatermark)) return true;
  }
  return false;
}

function keyAt(rows: Rows, row: number): Uint8Array {
  return new Uint8Array(rows.keys.bytesAt(row));
}
