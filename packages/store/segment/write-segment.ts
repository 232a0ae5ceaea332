/** Writes a segment, as many columns at a time as may be open together. */

import { type Physical, physicalOf } from '@tidemark/model/column-type';
import type { Want } from '../row/rows.ts';
import type { SegmentSummary } from './manifest.ts';
import { reblocked } from './reblocked.ts';
import type { SegmentPlan } from './segment-plan.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Columns written in one pass over the sources: bounds open files and memory when there are thousands. */
const COLUMNS_PER_PASS = 128;

/**
 * Merges the sources into a segment; every byte of it and its folder's names are durable on return. Null when the
 * sources have no rows. What was written so far stays behind when it throws; the caller removes the folder.
 */
export async function writeSegment(plan: SegmentPlan): Promise<SegmentSummary | null> {
  const { disk, folder, name, table } = plan;
  const path = `${folder}/${name}`;
  const kinds = new Map<number, Physical>();
  for (const column of table.columns) {
    const isHeld = plan.sources.some((source) => source.kinds.has(column.id));
    if (isHeld && !column.dropped && !table.key.includes(column.id)) kinds.set(column.id, physicalOf(column.type));
  }
  await disk.makeFolder(path);
  const writer = new SegmentWriter(plan, path);
  const ids = [...kinds.keys()];
  try {
    for (let first = 0; first === 0 || first < ids.length; first += COLUMNS_PER_PASS) {
      const columns = new Map(ids.slice(first, first + COLUMNS_PER_PASS).map((id) => [id, kinds.get(id)!]));
      const want: Want = { columns, keys: true, stamps: true };
      await writer.beginPass(columns, first === 0);
      for await (const [rows, from, to] of reblocked(plan, want)) {
        await writer.write(rows, from, to, plan.pause);
      }
      await writer.endPass();
    }
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  if (writer.summary === null) return null;
  await disk.syncFolder(path);
  await disk.syncFolder(folder);
  return { name, ...writer.summary };
}
