/** A sort that lets others have their turn. */

import { nextTurn } from '../row/turn.ts';

/** So many are sorted without a turn for others. */
export const SORTED_AT_ONCE = 4_096;
/** Rows that are merged between two turns. */
const MERGED_ROWS = 16_384;

/** Sorted, equal ones as they were; by merging sorted runs, with turns for others between. */
export async function sortedInTurns<R>(rows: readonly R[], compare: (a: R, b: R) => number): Promise<R[]> {
  let from: R[] = [];
  for (let at = 0; at < rows.length; at += SORTED_AT_ONCE) {
    for (const row of rows.slice(at, at + SORTED_AT_ONCE).sort(compare)) from.push(row);
    if (rows.length > SORTED_AT_ONCE) await nextTurn();
  }
  for (let run = SORTED_AT_ONCE; run < rows.length; run *= 2) {
    const into: R[] = [];
    for (let at = 0; at < from.length; at += 2 * run) {
      const [middle, end] = [Math.min(at + run, from.length), Math.min(at + 2 * run, from.length)];
      for (let i = at, j = middle; i < middle || j < end; ) {
        const takesLeft = j === end || (i < middle && compare(from[i]!, from[j]!) <= 0);
        into.push(takesLeft ? from[i++]! : from[j++]!);
        if (into.length % MERGED_ROWS === 0) await nextTurn();
      }
    }
    from = into;
  }
  return from;
}
