/** Going through a range of keys either way, and on from where it was left. */

import type { Ordering, Output } from '@tidemark/model/query';
import type { Table } from '@tidemark/model/table';
import { compareBytes } from '../row/bytes.ts';
import type { Source } from '../row/source.ts';

/** Which way a range is gone through, by encoded keys. */
export type KeyOrder = 'ascending' | 'descending';

/** Keys from `from` on, up to but not including `to`; null: no bound. */
export type KeyBounds = { readonly from: Uint8Array | null; readonly to: Uint8Array | null };

/** What is left of the range behind the key `after`, in that direction; all of it when there is none. */
export function rangeBehind({ from, to }: KeyBounds, direction: KeyOrder, after: Uint8Array | null): KeyBounds {
  if (after === null) return { from, to };
  if (direction === 'descending') return { from, to: to === null || compareBytes(after, to) < 0 ? after : to };
  // The next byte string there is.
  const next = Buffer.concat([after, Buffer.from([0])]);
  return { from: from === null || compareBytes(next, from) > 0 ? next : from, to };
}

/**
 * Cuts the range where blocks of the sources begin, last stretch first. So none holds more than a block of each source,
 * and one after the other, each turned round, they are the rows backwards.
 */
export function* stretchesBackwards(sources: readonly Source[], { from, to }: KeyBounds): Generator<KeyBounds> {
  const isWithin = (key: Uint8Array): boolean =>
    (from === null || compareBytes(key, from) > 0) && (to === null || compareBytes(key, to) < 0);
  const cuts = sources.flatMap(({ blocks }) => blocks.map(({ first }) => first).filter(isWithin));
  cuts.sort((a, b) => compareBytes(b, a));
  let end = to;
  for (const cut of cuts) {
    if (end !== null && compareBytes(cut, end) === 0) continue;
    yield { from: cut, to: end };
    end = cut;
  }
  yield { from, to: end };
}

/**
 * Which way the order goes through the row keys, from the first part on, so that nothing has to be held; null: it is
 * another.
 * @param equal key columns of which all rows have the same value: wherever they stand in an order, they say nothing
 */
export function keyOrderOf(
  table: Table,
  orderBy: readonly Ordering[],
  outputs: readonly Output[],
  equal: ReadonlySet<number>,
): KeyOrder | null {
  if (orderBy.length === 0) return null;
  const key = table.key.filter((id) => !equal.has(id));
  let place = 0;
  let isDown: boolean | null = null;
  for (const { name, column, isDescending } of orderBy) {
    const id = (column ?? outputs.find((output) => output.name === name)?.column)?.id;
    if (id === undefined) return null;
    // One that comes again says nothing either.
    if (equal.has(id) || key.slice(0, place).includes(id)) continue;
    if (id !== key[place++] || (isDown ?? isDescending) !== isDescending) return null;
    isDown = isDescending;
  }
  return isDown === true ? 'descending' : 'ascending';
}
