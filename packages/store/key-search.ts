/** Finding a key among key columns, without putting their keys together. */

import { decodeKey } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { type Chunk, rawOfChunk } from './chunk.ts';
import { rawOf } from './raw-value.ts';
import { compareRaw, type RawValue } from './zone.ts';

/** The parts of a whole row key. @throws {Fault} `corrupt`: it is not one of the table's. */
export function partsOf(table: Table, key: Uint8Array): RawValue[] {
  const columns = keyColumns(table);
  return decodeKey(table, key).map((value, i) => rawOf(columns[i]!.type, value));
}

/** Order of a row's key and a key's parts. */
export function compareParts(columns: readonly Chunk[], row: number, parts: readonly RawValue[]): number {
  for (let i = 0; i < columns.length; i++) {
    const order = compareRaw(rawOfChunk(columns[i]!, row), parts[i]!);
    if (order !== 0) return order;
  }
  return 0;
}

/** The first of 0 … count − 1 for which `is` holds, given that it holds for all after; `count` when for none. */
export function firstWhere(count: number, is: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
