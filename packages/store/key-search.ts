/** Finding a key among key columns, without putting their keys together. */

import { decodeKey } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';
import { compareRanges } from './bytes.ts';
import { type Chunk, entryOf, numberAt } from './chunk.ts';
import { rawOf } from './raw-value.ts';
import { compareRaw, type RawValue } from './zone.ts';

/** The parts of a whole row key; null when it is not one of the table's. */
export function partsOf(table: Table, key: Uint8Array): RawValue[] | null {
  try {
    const columns = keyColumns(table);
    return decodeKey(table, key).map((value, i) => rawOf(columns[i]!.type, value));
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}

/** Order of a row's key, made of these columns, and a key's parts. */
export function comparerOf(columns: readonly Chunk[], parts: readonly RawValue[]): (row: number) => number {
  const comparers = columns.map((column, i) => partComparer(column, parts[i]!));
  return (row) => {
    for (let i = 0; i < comparers.length; i++) {
      const order = comparers[i]!(row);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** Numbers and byte strings are compared where they lie. */
function partComparer(column: Chunk, part: RawValue): (row: number) => number {
  if (column.form === 'bytes') {
    const { starts, lengths, arena } = column;
    const wanted = part as Uint8Array;
    return (row) => {
      const entry = entryOf(column, row);
      return compareRanges(arena, starts[entry]!, lengths[entry]!, wanted, 0, wanted.length);
    };
  }
  if (column.form === 'longs') return (row) => compareRaw(column.data[row]!, part);
  if (column.kind === 'f64') return (row) => compareRaw(numberAt(column, row), part);
  // Every number of the chunk is exact as a double, and a long beyond those orders the same as one.
  const wanted = Number(part);
  return (row) => numberAt(column, row) - wanted;
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
