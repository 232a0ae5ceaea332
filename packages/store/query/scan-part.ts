/**
 * A snapshot in parts that hold each key once: every segment's live rows without those that memtables have anew, and the
 * memtables' rows, each joined with its older form where that can matter. So a scan reads part by part and never merges segments.
 */

import { superseded } from '../key/row-locator.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { MemtableSource } from '../memtable/memtable-source.ts';
import type { Source } from '../row/source.ts';
import { type DeletionVector, withoutRows } from '../segment/deletion-vector.ts';
import type { Segment } from '../segment/segment.ts';
import type { Snapshot } from '../snapshot.ts';

type ScanPart =
  | { readonly kind: 'segment'; readonly segment: Segment; readonly live: DeletionVector | null }
  /** To be merged in key order; its keys are in no other part. */
  | { readonly kind: 'merged'; readonly sources: readonly Source[] };

/**
 * @param columns ids of the columns that will be read of the parts, key columns too; null: any
 * @throws {Fault} `corrupt`: stored keys are wrong.
 */
export async function partsOf(snapshot: Snapshot, columns: Iterable<number> | null): Promise<ScanPart[]> {
  const { table, segments, memtables, sources } = snapshot;
  // The bits of others do not know of a damaged segment's rows.
  if (segments.some(({ damage }) => damage !== null)) return [{ kind: 'merged', sources }];
  if (table === null || memtables.length === 0) {
    return segments.map(({ segment, live }) => ({ kind: 'segment', segment, live }));
  }
  const cells = columns === null ? null : [...columns].filter((id) => !table.key.includes(id));
  const isWhole = cells !== null && memtables.every(({ memtable }) => hasAll(memtable, cells));
  const merged: Source[] = [...memtables];
  const parts: ScanPart[] = [];
  for (const known of segments) {
    const { segment, live } = known;
    const found = await superseded(known, memtables, table, segments.length);
    const left = found === null ? live : withoutRows(live, segment.summary.rows, found.rows);
    if (found !== null && !(isWhole && (await areNewer(memtables, segment)))) merged.push(found.source);
    parts.push({ kind: 'segment', segment, live: left });
  }
  return [...parts, { kind: 'merged', sources: merged }];
}

/** True when every row of the memtable has a cell in each of these columns. */
function hasAll(memtable: Memtable, cells: readonly number[]): boolean {
  return cells.every((id) => memtable.columns.get(id)?.isFull(memtable.rowCount) === true);
}

/** True when no write of the segment is as new as any of the memtables': then none of its cells can win. */
async function areNewer(memtables: readonly MemtableSource[], segment: Segment): Promise<boolean> {
  const max = await segment.stampMax();
  return memtables.every(({ memtable }) => {
    const { min } = memtable.writes;
    return min === null || max === null || min[0] > max[0] || (min[0] === max[0] && min[1] > max[1]);
  });
}
