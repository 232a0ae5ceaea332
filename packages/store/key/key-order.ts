/** Going through a range of keys either way, and on from where it was left. */

import type { Ordering, Output } from '@tidemark/model/query';
import { keyColumns, type Table } from '@tidemark/model/table';
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

/** Which way the order goes through the row keys, from the first part on, so that nothing has to be held; null: it is another. */
export function keyOrderOf(table: Table, orderBy: readonly Ordering[], outputs: readonly Output[]): KeyOrder | null {
  const key = keyColumns(table);
  const [first] = orderBy;
  if (first === undefined || orderBy.length > key.length) return null;
  const isOfKey = orderBy.every(({ name, column, isDescending }, i) => {
    const ordered = column ?? outputs.find((output) => output.name === name)?.column;
    return isDescending === first.isDescending && ordered?.id === key[i]!.id;
  });
  if (!isOfKey) return null;
  return first.isDescending ? 'descending' : 'ascending';
}
