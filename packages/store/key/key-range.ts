/** What a filter says about the row key: one partition instead of all, and a range of keys instead of every row. */

import { encodeKey, prefixEnd } from '@tidemark/columnar/key';
import type { Value } from '@tidemark/model/column-type';
import type { Filter } from '@tidemark/model/filter';
import { partitionOf } from '@tidemark/model/hash';
import type { Table } from '@tidemark/model/table';
import { compareBytes } from '../row/bytes.ts';
import type { BlockRange } from '../row/source.ts';
import { firstWhere } from './key-search.ts';

/** Encoded keys that may match a filter; every row that matches lies in it, others may too. */
export type KeyRange = {
  /** Keys from here on; null: from the first. */
  readonly from: Uint8Array | null;
  /** Up to but not including; null: to the last. */
  readonly to: Uint8Array | null;
  /** The partition key that rows must have; null when any may do. */
  readonly partitionKey: Uint8Array | null;
};

/** Every row the filter selects has its key in the range; the filter is still to be asked. */
export function keyRangeOf(table: Table, filter: Filter): KeyRange {
  const equal: Value[] = [];
  for (const id of table.key) {
    const part = conjuncts(filter).find((f) => f.kind === 'compare' && f.operator === '=' && f.column.id === id);
    if (part?.kind !== 'compare') break;
    equal.push(part.value);
  }
  const prefix = encodeKey(table, equal);
  let from: Uint8Array | null = prefix.length === 0 ? null : prefix;
  let to: Uint8Array | null = prefix.length === 0 ? null : prefixEnd(prefix);
  const next = table.key[equal.length];
  for (const part of conjuncts(filter)) {
    if (part.kind !== 'compare' || part.column.id !== next) continue;
    const bound = encodeKey(table, [...equal, part.value]);
    if (part.operator === '>=' || part.operator === '>') from = later(from, bound);
    if (part.operator === '<=' || part.operator === '<') to = earlier(to, prefixEnd(bound));
  }
  const partitionKey = equal.length === 0 ? null : encodeKey(table, equal.slice(0, 1));
  return { from, to, partitionKey };
}

/** Whether rows of that partition, of so many, can be in the range. */
export function mayBeIn(range: KeyRange, partition: number, partitions: number): boolean {
  return range.partitionKey === null || partitionOf(range.partitionKey, partitions) === partition;
}

/** Conditions that must all hold. */
function conjuncts(filter: Filter): readonly Filter[] {
  return filter.kind === 'and' ? filter.parts.flatMap(conjuncts) : [filter];
}

function later(a: Uint8Array | null, b: Uint8Array): Uint8Array {
  return a === null || compareBytes(b, a) > 0 ? b : a;
}

function earlier(a: Uint8Array | null, b: Uint8Array | null): Uint8Array | null {
  if (a === null || b === null) return a ?? b;
  return compareBytes(b, a) < 0 ? b : a;
}

/** Blocks from the first up to, not including, the last that can have keys of the range. */
export function blocksWithin(blocks: readonly BlockRange[], { from, to }: KeyRange): [number, number] {
  const first = from === null ? 0 : firstWhere(blocks.length, (i) => compareBytes(blocks[i]!.last, from) >= 0);
  const end = to === null ? blocks.length : firstWhere(blocks.length, (i) => compareBytes(blocks[i]!.first, to) >= 0);
  return [first, end];
}
