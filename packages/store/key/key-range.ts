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
  /** Key columns of which the filter says what they are equal to. */
  readonly equal: ReadonlySet<number>;
  /** What the filter says beside that a key is in the range; null when that is all. */
  readonly left: Filter | null;
};

type Comparison = Filter & { readonly kind: 'compare' };

/** Every row the filter selects has its key in the range; those in the range that `left` selects are the filter's. */
export function keyRangeOf(table: Table, filter: Filter): KeyRange {
  const left = new Set(conjuncts(filter));
  const compared = [...left].filter((part): part is Comparison => part.kind === 'compare');
  const equals = compared.filter(({ operator, column }) => operator === '=' && table.key.includes(column.id));
  const prefix: Value[] = [];
  for (const id of table.key) {
    const part = equals.find(({ column }) => column.id === id);
    if (part === undefined) break;
    prefix.push(part.value);
    left.delete(part);
  }
  const bytes = encodeKey(table, prefix);
  let from: Uint8Array | null = prefix.length === 0 ? null : bytes;
  let to: Uint8Array | null = prefix.length === 0 ? null : prefixEnd(bytes);
  for (const part of compared.filter(({ column }) => column.id === table.key[prefix.length])) {
    const { operator } = part;
    const bound = encodeKey(table, [...prefix, part.value]);
    if (operator === '>=' || operator === '>') {
      const behind = operator === '>' ? prefixEnd(bound) : bound;
      from = later(from, behind ?? bound);
      if (behind !== null) left.delete(part);
    }
    if (operator === '<=' || operator === '<') {
      to = earlier(to, operator === '<' ? bound : prefixEnd(bound));
      left.delete(part);
    }
  }
  return {
    from,
    to,
    partitionKey: prefix.length === 0 ? null : encodeKey(table, prefix.slice(0, 1)),
    equal: new Set(equals.map(({ column }) => column.id)),
    left: left.size === 0 ? null : { kind: 'and', parts: [...left] },
  };
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
