/** Row numbers in the order of their keys: a radix sort on the most significant byte first, in slices. */

import { setImmediate } from 'node:timers/promises';
import type { ColumnVector } from '@tidemark/schema/column-vector';
import { compareRanges } from './bytes.ts';

/** Below this, insertion. */
const SMALL = 24;
/** Row moves between two turns of the event loop: about 5 ms. */
const SLICE = 250_000;
/** One bucket for "the key ends here", then one for each byte. */
const BUCKETS = 257;

/**
 * Rows 0 … rowCount − 1 in ascending order of key. The vector must not change meanwhile.
 * Cost: linear in the bytes that tell keys apart. Yields to the event loop every few ms.
 */
export async function sortKeys(keys: ColumnVector, rowCount: number): Promise<Uint32Array> {
  const rows = new Uint32Array(rowCount);
  for (let i = 0; i < rowCount; i++) rows[i] = i;
  const spare = new Uint32Array(rowCount);
  const counts = new Uint32Array(BUCKETS);
  /** Ranges still to sort: from, to, and how many leading bytes they share. */
  const pending: number[] = [0, rowCount, 0];
  let moved = 0;
  while (pending.length > 0) {
    const depth = pending.pop()!;
    const to = pending.pop()!;
    const from = pending.pop()!;
    if (to - from <= SMALL) insert(keys, rows, from, to, depth);
    else split(keys, rows, spare, counts, from, to, depth, pending);
    moved += to - from;
    if (moved < SLICE) continue;
    moved = 0;
    await setImmediate();
  }
  return rows;
}

/** The rows' first `depth` bytes are the same. */
function insert(keys: ColumnVector, rows: Uint32Array, from: number, to: number, depth: number): void {
  const { arena, starts, lengths } = keys;
  for (let i = from + 1; i < to; i++) {
    const row = rows[i]!;
    const start = starts[row]! + depth;
    const length = lengths[row]! - depth;
    let at = i;
    for (; at > from; at--) {
      const other = rows[at - 1]!;
      if (compareRanges(arena, starts[other]! + depth, lengths[other]! - depth, arena, start, length) <= 0) break;
      rows[at] = other;
    }
    rows[at] = row;
  }
}

/** How many leading bytes all of the rows share, at least `depth`. */
function sharedBytes(keys: ColumnVector, rows: Uint32Array, from: number, to: number, depth: number): number {
  const { arena, starts, lengths } = keys;
  const first = starts[rows[from]!]!;
  let shared = lengths[rows[from]!]!;
  for (let i = from + 1; i < to && shared > depth; i++) {
    const start = starts[rows[i]!]!;
    const length = lengths[rows[i]!]!;
    if (length < shared) shared = length;
    let at = depth;
    while (at < shared && arena[first + at] === arena[start + at]) at++;
    shared = at;
  }
  return shared;
}

function split(
  keys: ColumnVector,
  rows: Uint32Array,
  spare: Uint32Array,
  counts: Uint32Array,
  from: number,
  to: number,
  depth: number,
  pending: number[],
): void {
  const { arena, starts, lengths } = keys;
  counts.fill(0);
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    counts[depth < lengths[row]! ? arena[starts[row]! + depth]! + 1 : 0]!++;
  }
  const one = counts.indexOf(to - from);
  if (one !== -1) {
    // All share this byte (or all end here, and are equal).
    if (one !== 0) pending.push(from, to, sharedBytes(keys, rows, from, to, depth + 1));
    return;
  }
  let at = from;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket]!;
    if (count > 1 && bucket !== 0) pending.push(at, at + count, depth + 1);
    counts[bucket] = at;
    at += count;
  }
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    spare[counts[depth < lengths[row]! ? arena[starts[row]! + depth]! + 1 : 0]!++] = row;
  }
  rows.set(spare.subarray(from, to), from);
}
