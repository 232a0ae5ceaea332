/** Writes a segment, as many columns at a time as may be open together. */

import { type Physical, physicalOf } from '@tidemark/model/column-type';
import { BLOCK_ROWS_MAX } from '../encoding/block-encoding.ts';
import type { Want } from '../row/rows.ts';
import type { SegmentSummary } from './manifest.ts';
import { reblocked } from './reblocked.ts';
import type { SegmentPlan } from './segment-plan.ts';
import { SegmentWriter } from './segment-writer.ts';

/** A dynamic column whose cells take fewer bytes than this in a segment shares a file with others. */
const SHARED_BYTES_MAX = 1024 * 1024;
/** Only tests write blocks of fewer rows: columns grow out of the shared file in the same proportion. */
const BLOCK_ROWS_MIN = 256;
/** Columns written in one pass over the sources: bounds open files and memory when there are thousands. */
const COLUMNS_PER_PASS = 128;

/**
 * Merges the sources into a segment; every byte of it and its folder's names are durable on return. Null when the
 * sources have no rows. What was written so far stays behind when it throws; the caller removes the folder.
 */
export async function writeSegment(plan: SegmentPlan): Promise<SegmentSummary | null> {
  const { disk, folder, name } = plan;
  const path = `${folder}/${name}`;
  const { kinds, shared } = placedColumns(plan);
  await disk.makeFolder(path);
  const writer = new SegmentWriter(plan, path, shared);
  const ids = [...kinds.keys()];
  try {
    for (let first = 0; first === 0 || first < ids.length; first += COLUMNS_PER_PASS) {
      const columns = new Map(ids.slice(first, first + COLUMNS_PER_PASS).map((id) => [id, kinds.get(id)!]));
      const want: Want = { columns, ...(first === 0 ? { shared } : {}), keys: true, stamps: true };
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

type Kinds = ReadonlyMap<number, Physical>;

/** Columns that get a file of their own, and those that share one. A column that has grown beyond that stays by itself. */
function placedColumns({ table, sources, blockRows }: SegmentPlan): { readonly kinds: Kinds; readonly shared: Kinds } {
  const kinds = new Map<number, Physical>();
  const shared = new Map<number, Physical>();
  const bytesMax = SHARED_BYTES_MAX * (blockRows < BLOCK_ROWS_MIN ? blockRows / BLOCK_ROWS_MAX : 1);
  for (const { id, type, dropped, dynamic } of table.columns) {
    const holding = sources.filter((source) => source.kinds.has(id));
    if (holding.length === 0 || dropped || table.key.includes(id)) continue;
    const isShared = dynamic === true && holding.every((source) => source.shared.has(id));
    const bytes = holding.reduce((sum, source) => sum + (source.shared.get(id) ?? 0), 0);
    (isShared && bytes < bytesMax ? shared : kinds).set(id, physicalOf(type));
  }
  return { kinds, shared };
}
