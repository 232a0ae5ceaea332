/**
 * Where a term may end when an operator accepts a loss, and how large the loss is (protocol E5, E11). Pure. What cannot
 * be known is counted as lost: who is asked to accept a loss is never told less than it may be.
 */

import type { LossRule, Mark } from '../consensus/loss-rule.ts';
import type { EpochEndAt } from '../consensus/register-value.ts';

/** A BARRIER of the closing term that was received, in partition 0; its head there is that of the record before it. */
export type ReceivedBarrier = Mark & { readonly seq: number; readonly stampMs: number };

/** A writer of a local keyspace goes on for so long at most after it was cut off (protocol rule 15), ms. */
export const UNHEARD_MS_MAX = 16_000;
/** What is told where no site heard how far a primary had written, neither by a heartbeat nor by a barrier: not known, and no few. */
export const UNKNOWN_ROWS = 1_000_000_000;
/** A rate is taken over at least so long. */
const RATE_MS_MIN = 1_000;

/** Rows that may have been written behind the newest barrier, where no heartbeat told of any, at the rate since an earlier one. */
export function unheardRowsAfter(newest: ReceivedBarrier, earlier: ReceivedBarrier | null): number {
  // Of its first moments alone nobody can tell how it went on.
  if (earlier === null) return UNKNOWN_ROWS;
  const total = (rows: readonly number[]): number => rows.reduce((sum, one) => sum + one, 0);
  const rows = total(newest.rows) - total(earlier.rows);
  const ms = Math.max(RATE_MS_MIN, newest.stampMs - earlier.stampMs);
  return Math.ceil((rows * UNHEARD_MS_MAX) / ms);
}

/** Records that are known to have been written and are not kept, and rows that may be lost, at most. */
export type Loss = { readonly records: number; readonly rows: number };

/** What each epoch end would cost. `consistent` is null where no barrier was received whole. */
export type LossChoices = { readonly received: Loss; readonly consistent: Loss | null };

/** The moment an epoch end at the barrier keeps. */
export function markOf({ seq, heads, rows }: ReceivedBarrier): Mark {
  return { heads: heads.map((head, partition) => (partition === 0 ? seq : head)), rows };
}

/** Whether everything the barrier speaks of was received, so that no partition holds what another's missing record came before. */
export function isWhole(barrier: ReceivedBarrier, received: readonly EpochEndAt[]): boolean {
  return markOf(barrier).heads.every((head, partition) => head <= (received[partition]?.seq ?? -1));
}

/** By partition the most that is known of all: what one of them lacks another may have seen. */
export function farthest(marks: readonly Mark[]): Mark {
  const heads = new Array<number>(Math.max(0, ...marks.map((mark) => mark.heads.length))).fill(-1);
  const rows = heads.map(() => 0);
  for (const mark of marks) {
    for (const [partition, head] of mark.heads.entries()) {
      heads[partition] = Math.max(heads[partition]!, head);
      rows[partition] = Math.max(rows[partition]!, mark.rows[partition] ?? 0);
    }
  }
  return { heads, rows };
}

/** What is lost when a term that was written up to `written` is cut at `kept`. */
export function lossOf(kept: Mark, written: Mark, unheardRows: number): Loss {
  const missing = (all: readonly number[], some: readonly number[], none: number): number =>
    all.reduce((sum, one, partition) => sum + Math.max(0, one - (some[partition] ?? none)), 0);
  return {
    records: missing(written.heads, kept.heads, -1),
    rows: missing(written.rows, kept.rows, 0) + unheardRows,
  };
}

/**
 * The epoch end that is taken: back to the newest barrier received whole where that loses no more than was accepted, else all
 * that was received, which keeps more and is no one moment. Null: each loses more than was accepted.
 */
export function chosenLoss(
  { received, consistent }: LossChoices,
  { rowsMax, mode }: Pick<LossRule, 'rowsMax' | 'mode'>,
): { readonly mode: LossRule['mode']; readonly loss: Loss } | null {
  if (mode === 'consistent' && consistent !== null && consistent.rows <= rowsMax) return { mode, loss: consistent };
  return received.rows <= rowsMax ? { mode: 'received', loss: received } : null;
}

/** The rule by which a loss is granted or refused, as decisions quote it. */
export const LOSS_RULE = 'what was acked may be lost only up to what an operator accepts';

/** What an operator is told is at stake, in words. */
export function lossInWords({ received, consistent }: LossChoices): string {
  const isUnknown = received.rows >= UNKNOWN_ROWS;
  const least = isUnknown
    ? 'how many rows may be lost is not known, as nobody left heard how far it had written'
    : `up to ${received.rows} rows may be lost`;
  if (consistent === null || consistent.rows <= received.rows) return least;
  return `${least} by keeping all that was received, ${consistent.rows} by going back to the newest moment that was received whole`;
}

/** The way out of a refusal: the least that has to be accepted. */
export function lossRemedy(from: string, to: string, { received }: LossChoices): string {
  const accept = `"tidemark failover --to ${to} --accept-loss ${received.rows}"`;
  return `bring ${from} back and lose nothing, or accept it: ${accept}`;
}
