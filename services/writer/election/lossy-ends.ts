/**
 * What a term costs that is cut without all its records, and where (protocol E5, E11): counted from this site's copy of
 * it and from what was last heard of its writer. The whole term is looked through, by halving.
 */

import type { Heard, LossRule, Mark } from '@tidemark/control/consensus/loss-rule';
import type { EpochEndAt } from '@tidemark/control/consensus/register-value';
import {
  farthest,
  isWhole,
  type Loss,
  type LossChoices,
  lossOf,
  markOf,
  type ReceivedBarrier,
  UNKNOWN_ROWS,
  unheardRowsAfter,
} from '@tidemark/control/failover/loss';
import { type TermPlace, TermReader } from './term-reader.ts';

/** The rate of the last seconds counts. */
const RATE_MS = 5_000;

/** The term whose loss is counted, in this site's copy. */
export type LossPlace = TermPlace & {
  /** More records than that are not counted one by one: a barrier further back says how many rows there are at least. */
  readonly countedMax: number;
};

type LossCount = LossChoices & {
  /** By partition: the seqs of the epoch end back at the newest barrier received whole; null where there is none. */
  readonly consistentSeqs: readonly number[] | null;
};

/**
 * What may be lost at most.
 * @param received by partition, the longest head among the answers; this copy may hold less
 * @throws {Fault} as `Log.read`
 */
export async function countLoss(
  place: LossPlace,
  received: readonly EpochEndAt[],
  heard: Heard | null,
): Promise<LossCount> {
  const reader = new TermReader(place);
  const newest = await reader.newestBarrier(() => true);
  const isAll = newest !== null && isWhole(newest, received);
  const whole = isAll ? newest : await reader.newestBarrier((barrier) => isWhole(barrier, received));
  const kept = await keptMark(place, reader, newest, heard);
  const marks = [kept, newest === null ? null : markOf(newest), heard].filter((mark) => mark !== null);
  const written = farthest(marks);
  const unheardRows = heard?.unheardRows ?? (await unheard(reader, newest));
  const consistentMark = whole === null ? null : markOf(whole);
  return {
    received: lossOf(kept, written, unheardRows),
    consistent: consistentMark === null ? null : lossOf(consistentMark, written, unheardRows),
    consistentSeqs: consistentMark?.heads ?? null,
  };
}

/** Nobody here heard the primary: how fast it wrote is told by its barriers. */
async function unheard(reader: TermReader, newest: ReceivedBarrier | null): Promise<number> {
  if (newest === null) return UNKNOWN_ROWS;
  const sinceMs = newest.stampMs - RATE_MS;
  return unheardRowsAfter(newest, await reader.newestBarrier(({ stampMs }) => stampMs <= sinceMs));
}

/** What this copy holds, with its rows: from the newest mark in each partition on, counted record by record. */
async function keptMark(
  place: LossPlace,
  reader: TermReader,
  newest: ReceivedBarrier | null,
  heard: Heard | null,
): Promise<Mark> {
  const heads = place.held.map(({ seq }) => seq);
  const rows: number[] = [];
  for (const [partition, head] of heads.entries()) {
    const isBelow = (mark: Mark): boolean => mark.heads[partition]! <= head;
    const barrier = newest === null || isBelow(newest) ? newest : await reader.newestBarrier(isBelow);
    const marks: readonly Mark[] = [...(barrier === null ? [] : [barrier]), ...(heard === null ? [] : [heard])];
    const from = marks
      .filter(isBelow)
      .map((mark) => ({ head: mark.heads[partition]!, rows: mark.rows[partition]! }))
      .reduce((a, b) => (b.head > a.head ? b : a), { head: -1, rows: 0 });
    const isMuch = head - from.head > place.countedMax;
    rows.push(from.rows + (isMuch ? 0 : ((await reader.rowsFrom(partition, from.head + 1)) ?? 0)));
  }
  return { heads, rows };
}

/** The epoch ends at these seqs; null: this copy does not show what stands there. @throws {Fault} as `Log.read` */
export async function epochEndsAt(place: TermPlace, seqs: readonly number[]): Promise<readonly EpochEndAt[] | null> {
  const reader = new TermReader(place);
  const epochEnds: EpochEndAt[] = [];
  for (const [partition, seq] of seqs.entries()) {
    const chain = seq < 0 ? '' : await reader.chainAt(partition, seq);
    if (chain === null) return null;
    epochEnds.push({ seq, chain });
  }
  return epochEnds;
}

/** Where the term is cut, and what that costs; or why it must not be: each way loses more than was accepted. */
export type LossyEnd =
  | { readonly mode: LossRule['mode']; readonly epochEnds: readonly EpochEndAt[]; readonly loss: Loss }
  | { readonly tooMuch: LossChoices };
