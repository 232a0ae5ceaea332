/**
 * Which segments to merge: size-tiered. Segments whose sizes are within a factor of four form a tier; a tier with four
 * becomes one segment of the next. So there are at most three a tier at rest, O(log n) in all, and each byte is written
 * about once a tier. Merging is a join, so any set of segments may be merged, whatever their age.
 */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/model/table';
import type { GcWatermark } from '../gc-watermark.ts';
import type { Want } from '../row/rows.ts';
import { type DeletionVector, withoutRows } from '../segment/deletion-vector.ts';
import { KeyToFind } from '../segment/key-to-find.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { Segment } from '../segment/segment.ts';

const TIER_FACTOR = 4;
const TIER_SEGMENTS = 4;
/** Everything below counts as the lowest tier: of smaller flushes it is written again at every third. */
export const TIER_BYTES_MIN = 256 * 1024;

/** What matters of a segment. */
export type Weight = {
  readonly bytes: number;
  readonly rows: number;
  /** Rows that are not live. */
  readonly dead: number;
  /** Rows that are live, and only tombstones that may be forgotten. */
  readonly forgettable: number;
  readonly isDamaged: boolean;
};

/** What choosing needs of a live segment: bytes, rows, and how many of them a merge would drop. */
export function weightOf({ segment, live, damage }: LiveSegment, forgettable = 0): Weight {
  const { rows } = segment.summary;
  return { bytes: segment.bytes, rows, dead: live?.deadCount ?? 0, forgettable, isDamaged: damage !== null };
}

/**
 * By segment, how many of the live rows are only tombstones below the GC watermark. Footers tell how many there are at most;
 * where these might make a merge due, they are counted. Null: none may be forgotten.
 */
export async function forgettableRows(all: readonly LiveSegment[], gcWatermark: GcWatermark | null): Promise<number[]> {
  const none = all.map(() => 0);
  if (gcWatermark === null) return none;
  const most = await Promise.all(all.map((one) => sumOfBlocks(one, gcWatermark, (rows) => rows)));
  const weights = all.map((one, i) => weightOf(one, most[i]));
  if (!isForgetful(weights)) return none;
  return Promise.all(
    all.map((one) =>
      sumOfBlocks(one, gcWatermark, (rows, block) => (one.live === null ? rows : liveTombs(one, block))),
    ),
  );
}

/** Over the blocks in which rows are only tombstones below the GC watermark, all of them. */
async function sumOfBlocks(
  { segment }: LiveSegment,
  gcWatermark: GcWatermark,
  countIn: (rows: number, block: number) => number | Promise<number>,
): Promise<number> {
  let sum = 0;
  for (const block of segment.blocks.keys()) {
    const rows = await segment.forgettable(block, gcWatermark);
    if (rows > 0) sum += await countIn(rows, block);
  }
  return sum;
}

/** Live rows of a block that have no put. */
async function liveTombs({ segment, live }: LiveSegment, block: number): Promise<number> {
  const puts = await segment.puts(block);
  const from = segment.firstRows[block]!;
  let count = 0;
  puts?.forEach((put, row) => {
    if (put === 0 && live!.isLive(from + row)) count++;
  });
  await setImmediate();
  return count;
}

/**
 * Indexes of the segments to merge next: those of the lowest tier that is full; else the dead-heaviest while dead rows
 * are more than a share of all; else, when dead rows and tombstones that may be forgotten are together, all that hold
 * any: no dead row is left elsewhere then that a tombstone would have to hide, so all of them go. Empty when all is well.
 */
export function pickCompaction(segments: readonly Weight[]): number[] {
  const tiers = new Map<number, number[]>();
  segments.forEach(({ bytes, isDamaged }, index) => {
    if (isDamaged) return;
    const tier = tierOf(bytes);
    tiers.set(tier, [...(tiers.get(tier) ?? []), index]);
  });
  const full = [...tiers.entries()].filter(([, members]) => members.length >= TIER_SEGMENTS);
  if (full.length === 0) return deadHeaviest(segments);
  return full.reduce((lowest, entry) => (entry[0] < lowest[0] ? entry : lowest))[1];
}

/** Dead rows may be this share of all rows: then what is stored is at most 1.5 times what is live. */
const DEAD_SHARE_MAX = 1 / 3;

function deadHeaviest(segments: readonly Weight[]): number[] {
  const whole = segments.filter(({ isDamaged }) => !isDamaged);
  const rows = whole.reduce((sum, segment) => sum + segment.rows, 0);
  const dead = whole.reduce((sum, segment) => sum + segment.dead, 0);
  if (dead <= rows * DEAD_SHARE_MAX) return forgetful(segments, whole);
  // At least one of them has at least that share, so the write frees at least half of what it writes.
  const worst = whole.reduce((most, one) => (one.dead * most.rows > most.dead * one.rows ? one : most));
  return [segments.indexOf(worst)];
}

function isForgetful(whole: readonly Weight[]): boolean {
  const forgettable = whole.reduce((sum, segment) => sum + segment.forgettable, 0);
  const gain = whole.reduce((sum, segment) => sum + segment.dead, forgettable);
  const rows = whole.reduce((sum, segment) => sum + segment.rows, 0);
  return forgettable > 0 && gain > rows * DEAD_SHARE_MAX;
}

function forgetful(all: readonly Weight[], whole: readonly Weight[]): number[] {
  if (!isForgetful(whole)) return [];
  return whole.filter((one) => one.dead + one.forgettable > 0).map((one) => all.indexOf(one));
}

/** Keys looked for between two turns of others. */
const KEYS_PER_TURN = 1_024;

/**
 * The deletion vector of a merged segment: rows whose bits were cleared in what it was made of since it was begun are not live
 * in it either. Null: all are. @param turn called so that others have theirs
 */
export async function clearedSince(
  inputs: readonly LiveSegment[],
  now: readonly LiveSegment[],
  merged: Segment,
  table: Table,
  turn: () => Promise<void>,
): Promise<DeletionVector | null> {
  const rows: number[] = [];
  let looked = 0;
  for (const { segment, live: then } of inputs) {
    const live = now.find((one) => one.segment === segment)!.live;
    if (live === null || live === then) continue;
    for (const [block, { rowCount }] of segment.blocks.entries()) {
      const from = segment.firstRows[block]!;
      if (!live.clearedSince(then, from, from + rowCount)) continue;
      await turn();
      const keys = (await segment.read(block, KEYS_ONLY)).keys;
      for (let row = 0; row < rowCount; row++) {
        if (live.isLive(from + row) || then?.isLive(from + row) === false) continue;
        const found = await merged.keys.find(new KeyToFind(table, new Uint8Array(keys.bytesAt(row))));
        if (found !== -1) rows.push(found);
        if (++looked % KEYS_PER_TURN === 0) await turn();
      }
    }
  }
  return withoutRows(null, merged.summary.rows, Uint32Array.from(rows));
}

const KEYS_ONLY: Want = { columns: new Map(), keys: true, stamps: false };

/** The tier a segment of that size belongs to, 0 the lowest. */
export function tierOf(bytes: number): number {
  return bytes <= TIER_BYTES_MIN ? 0 : Math.floor(Math.log(bytes / TIER_BYTES_MIN) / Math.log(TIER_FACTOR)) + 1;
}
