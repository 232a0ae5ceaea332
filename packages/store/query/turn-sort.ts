/** A sort that lets others have their turn. */

import { nextTurn } from '../row/turn.ts';

/** So many are sorted without a turn for others. */
export const SORTED_AT_ONCE = 4_096;
/** Rows that are merged between two turns. */
const MERGED_ROWS = 16_384;

/** Sorted, equal ones as they were; by merging sorted runs, with turns for others between. */
export async function sortedInTurns<R>(items: readonly R[], compare: (a: R, b: R) => number): Promise<R[]> {
  return mappedInTurns(await orderInTurns(items.length, (a, b) => compare(items[a]!, items[b]!)), (at) => items[at]!);
}

/** The numbers below `count` in the order that `compare` gives what they stand for; of equal ones the lower first. */
export async function orderInTurns(count: number, compare: (a: number, b: number) => number): Promise<Uint32Array> {
  let from = new Uint32Array(count);
  for (let at = 0; at < count; at += SORTED_AT_ONCE) {
    const run = from.subarray(at, at + SORTED_AT_ONCE);
    for (let i = 0; i < run.length; i++) run[i] = at + i;
    run.sort(compare);
    if (count > SORTED_AT_ONCE) await nextTurn();
  }
  let into = new Uint32Array(count > SORTED_AT_ONCE ? count : 0);
  for (let run = SORTED_AT_ONCE; run < count; run *= 2) {
    for (let at = 0; at < count; at += 2 * run) {
      const [middle, end] = [Math.min(at + run, count), Math.min(at + 2 * run, count)];
      for (let to = at, i = at, j = middle; to < end; ) {
        const takesLeft = j === end || (i < middle && compare(from[i]!, from[j]!) <= 0);
        into[to++] = takesLeft ? from[i++]! : from[j++]!;
        if (to % MERGED_ROWS === 0) await nextTurn();
      }
    }
    [from, into] = [into, from];
  }
  return from;
}

/** What each of them stands for, with turns for others between. */
export async function mappedInTurns<R>(order: Uint32Array, map: (number: number) => R): Promise<R[]> {
  const mapped: R[] = [];
  for (const number of order) {
    mapped.push(map(number));
    if (mapped.length % MERGED_ROWS === 0) await nextTurn();
  }
  return mapped;
}
