/** How many rows of a result are made at once: so few that whoever waits for the thread hardly notices. */

import { type Chunk, entryOf, hasValue } from '../encoding/chunk.ts';

/** A slice ends where the first of these is reached; it has one row at least. */
export const SLICE_LIMITS = {
  rowsMax: 1_024,
  /** Values of all columns together. */
  valuesMax: 16_384,
  /** Bytes of texts and byte strings. */
  bytesMax: 256 * 1024,
} as const;

/** Rows of so many columns each, when their values are small. */
export function sliceRows(columnCount: number): number {
  const { rowsMax, valuesMax } = SLICE_LIMITS;
  return Math.max(1, Math.min(rowsMax, Math.floor(valuesMax / Math.max(1, columnCount))));
}

/** A stretch of result rows; it begins where the one before ended. */
export type Slice = {
  /** Where it ends. */
  readonly end: number;
  /** Of its texts and byte strings. */
  readonly bytes: number;
};

/**
 * The slice of rows that begins at `from`.
 *
 * Law: it holds at least one row, at most `sliceRows`, and no more than `bytesMax` unless it is one row.
 * Cost: O(rows of the slice × columns of bytes).
 */
export function sliceAt(rows: Uint32Array, from: number, columns: readonly (Chunk | undefined)[]): Slice {
  const end = Math.min(rows.length, from + sliceRows(columns.length));
  const texts = columns.filter((column) => column?.form === 'bytes');
  let bytes = 0;
  for (let i = from; i < end && texts.length > 0; i++) {
    let more = 0;
    for (const text of texts) if (hasValue(text, rows[i]!)) more += text.lengths[entryOf(text, rows[i]!)]!;
    if (i > from && bytes + more > SLICE_LIMITS.bytesMax) return { end: i, bytes };
    bytes += more;
  }
  return { end, bytes };
}
