/** Memtables become a segment, and what they hold anew is no longer live in the older ones. */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/model/table';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { CompressionOf } from '../encoding/compression.ts';
import { superseded } from '../key/row-locator.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { MemtableSource } from '../memtable/memtable-source.ts';
import type { Source } from '../row/source.ts';
import { withoutRows } from '../segment/deletion-vector.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { SegmentSet } from '../segment/segment-set.ts';

/** How a flush writes: rows in a block, and what it compresses. */
export type FlushRules = { readonly blockRows: number; readonly compressionOf: CompressionOf };

/**
 * Writes memtables as a segment, each row joined with its older form, whose bit is cleared: a row is live in one segment
 * only, and whole there. Segments that turn out to be damaged are marked and left out of it.
 * @returns what the next manifest is to name
 * @throws {Fault} `corrupt`: two different writes with one stamp. `unavailable`: disk full; nothing stays.
 */
export async function resolve(
  durable: SegmentSet,
  table: Table,
  memtables: readonly Memtable[],
  rules: FlushRules,
): Promise<readonly LiveSegment[]> {
  const opened = await Promise.all(memtables.map((memtable) => MemtableSource.open(memtable, rules.blockRows)));
  let known = durable.segments;
  for (;;) {
    try {
      return await resolveOnce(durable, table, opened, known, rules);
    } catch (error) {
      const marked = isFault(error, 'corrupt') ? await markDamaged(known) : null;
      if (marked === null) throw error;
      known = marked;
    }
  }
}

async function resolveOnce(
  durable: SegmentSet,
  table: Table,
  memtables: readonly MemtableSource[],
  known: readonly LiveSegment[],
  { blockRows, compressionOf }: FlushRules,
): Promise<readonly LiveSegment[]> {
  const sources: Source[] = [...memtables];
  const segments: LiveSegment[] = [];
  for (const one of known) {
    const { segment, live, damage } = one;
    const found = damage === null ? await superseded(one, memtables, table, known.length) : null;
    if (found === null) segments.push(one);
    else {
      sources.push(found.source);
      segments.push({ segment, live: withoutRows(live, segment.summary.rows, found.rows), damage });
    }
  }
  const isFiltered = segments.length > 0;
  const pause = (): Promise<void> => setImmediate();
  const written = await durable.write({ table, sources, blockRows, isFiltered, compressionOf, pause });
  return [...segments, { segment: written!, live: null, damage: null }];
}

/** The segments, with those marked that have a block whose bytes are wrong; null when no more have than are marked. */
export async function markDamaged(segments: readonly LiveSegment[]): Promise<LiveSegment[] | null> {
  let isNew = false;
  const marked: LiveSegment[] = [];
  for (const one of segments) {
    const damage = one.damage ?? (await damageOf(one));
    isNew ||= damage !== one.damage;
    marked.push({ ...one, damage });
  }
  return isNew ? marked : null;
}

async function damageOf({ segment }: LiveSegment): Promise<string | null> {
  try {
    await segment.verify();
    return null;
  } catch (error) {
    if (isFault(error, 'corrupt')) return messageOf(error);
    throw error;
  }
}
