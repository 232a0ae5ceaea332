/** Values of a block's columns for some of its rows, column by column. */

import type { Column } from '@tidemark/model/table';
import { type Chunk, entryOf, hasValue, numberAt } from '../encoding/chunk.ts';
import { valueOfChunk } from '../row/raw-value.ts';
import type { RowValues } from './range-wish.ts';
import type { SegmentHead, WantedColumns } from './segment-head.ts';

/** Texts that were made last, by place in the columns, and the entry of each. */
type LastTexts = { readonly entries: number[]; readonly texts: string[] };

/** Sets a column's values in rows from `first` on, which have these numbers in the chunk; others stay as they are. */
export function fill(
  rows: RowValues[],
  first: number,
  numbers: readonly number[],
  place: number,
  chunk: Chunk,
  { type }: Column,
  last: LastTexts,
): void {
  const count = rows.length - first;
  if (chunk.form === 'bytes' && type.name === 'string') {
    fillTexts(rows, first, numbers, place, chunk, last);
    return;
  }
  const isPlain = chunk.form === 'numbers' && chunk.kind !== 'u8' && type.name !== 'long' && type.name !== 'decimal';
  const from = numbers.length - count;
  for (let i = 0; i < count; i++) {
    const row = numbers[from + i]!;
    if (!isPlain) rows[first + i]![place] = valueOfChunk(chunk, row, type);
    else if (hasValue(chunk, row)) rows[first + i]![place] = numberAt(chunk, row);
  }
}

/** Longer rows are copied from one that is empty. */
const PUSHED_MAX = 64;
const empty: RowValues = [];

/** A row of so many columns without a value. */
export function emptyRow(columnCount: number): RowValues {
  const values: RowValues = [];
  if (columnCount <= PUSHED_MAX) {
    for (let i = 0; i < columnCount; i++) values.push(null);
    return values;
  }
  while (empty.length < columnCount) empty.push(null);
  return empty.slice(0, columnCount);
}

/** Who asks for many ranges often asks for the same columns. */
const wantedBy = new WeakMap<readonly Column[], WantedColumns>();

/** The columns' ids and places; worked out once for each list of them. */
export function wantedOf(columns: readonly Column[]): WantedColumns {
  let wanted = wantedBy.get(columns);
  if (wanted === undefined) {
    wanted = { ids: columns.map(({ id }) => id), places: new Map(columns.map(({ id }, place) => [id, place])) };
    wantedBy.set(columns, wanted);
  }
  return wanted;
}

/** As `fill`, of the columns that share a file: by the cells that the rows have. */
export function fillShared(
  rows: RowValues[],
  first: number,
  numbers: readonly number[],
  columns: readonly Column[],
  head: SegmentHead,
): void {
  const shared = head.shared!;
  const { places } = wantedOf(columns);
  const from = numbers.length - (rows.length - first);
  for (let at = first; at < rows.length; at++) {
    const row = head.sharedRow(numbers[from + at - first]!);
    const end = shared.starts[row + 1]!;
    for (let cell = shared.starts[row]!; cell < end; cell++) {
      const place = places.get(shared.columns[cell]!);
      if (place !== undefined) rows[at]![place] = shared.valueOf(cell, columns[place]!);
    }
  }
}

/** Rows that have the same entry as the one before have the same text. */
function fillTexts(
  rows: RowValues[],
  first: number,
  numbers: readonly number[],
  place: number,
  chunk: Chunk & { form: 'bytes' },
  { entries, texts }: LastTexts,
): void {
  const { starts, lengths, arena } = chunk;
  const from = numbers.length - (rows.length - first);
  let last = entries[place] ?? -1;
  let text = texts[place] ?? '';
  for (let at = first; at < rows.length; at++) {
    const row = numbers[from + at - first]!;
    if (!hasValue(chunk, row)) continue;
    const entry = entryOf(chunk, row);
    if (entry !== last) text = arena.toString('utf8', starts[entry]!, starts[entry]! + lengths[entry]!);
    last = entry;
    rows[at]![place] = text;
  }
  entries[place] = last;
  texts[place] = text;
}
