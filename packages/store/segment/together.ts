/** Parts of several columns, which may begin and end at different rows, as chunks of the rows that all of them have. */

import { type Chunk, sliceChunk } from '../encoding/chunk.ts';
import type { Part, StoredBlock } from './stored-block.ts';

/** Chunks whose row 0 is row `firstRow` of the block. */
export type Together = { readonly firstRow: number; readonly rowCount: number; readonly columns: Chunk[] };

/** Parts of one block that share at least a row. @param beside whose rows count too, though it is no column */
export function togetherOf(parts: readonly StoredBlock[], beside: Part | null = null): Together {
  let firstRow = beside === null ? 0 : beside.firstRow;
  let end = beside === null ? Number.POSITIVE_INFINITY : firstRow + beside.rowCount;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.firstRow > firstRow) firstRow = part.firstRow;
    if (part.firstRow + part.rowCount < end) end = part.firstRow + part.rowCount;
  }
  const columns = new Array<Chunk>(parts.length);
  for (let i = 0; i < parts.length; i++) {
    const { firstRow: own, cells } = parts[i]!;
    columns[i] = sliceChunk(cells, firstRow - own, end - own);
  }
  return { firstRow, rowCount: end - firstRow, columns };
}
