/**
 * A snapshot in parts that hold each key once: every segment's live rows without those that memtables have anew, and the
 * memtables' rows, each joined with its older form. So a scan reads part by part and never merges segments.
 */

import { type LiveBits, withoutRows } from './live-bits.ts';
import { superseded } from './locate.ts';
import type { Segment } from './segment.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';

export type ScanPart =
  | { readonly kind: 'segment'; readonly segment: Segment; readonly live: LiveBits | null }
  /** To be merged in key order; its keys are in no other part. */
  | { readonly kind: 'merged'; readonly sources: readonly Source[] };

/** @throws {Fault} `corrupt`: stored keys are wrong. */
export async function partsOf({ table, segments, memtables, sources }: Snapshot): Promise<ScanPart[]> {
  // The bits of others do not know of a damaged segment's rows.
  if (segments.some(({ damage }) => damage !== null)) return [{ kind: 'merged', sources }];
  if (table === null || memtables.length === 0) {
    return segments.map(({ segment, live }) => ({ kind: 'segment', segment, live }));
  }
  const merged: Source[] = [...memtables];
  const parts: ScanPart[] = [];
  for (const known of segments) {
    const { segment, live } = known;
    const found = await superseded(known, memtables, table);
    if (found !== null) merged.push(found.source);
    parts.push({
      kind: 'segment',
      segment,
      live: found === null ? live : withoutRows(live, segment.summary.rows, found.rows),
    });
  }
  return [...parts, { kind: 'merged', sources: merged }];
}
