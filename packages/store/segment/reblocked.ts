/** Merged rows, cut into blocks of one size. */

import { mergeSources } from '../merge/merge.ts';
import { Rows, type Want } from '../row/rows.ts';
import type { Source } from '../row/source.ts';

/** The merged rows in full blocks: pieces as they come while they are large, or the last, else put together. */
export async function* reblocked(
  { sources, blockRows }: { readonly sources: readonly Source[]; readonly blockRows: number },
  want: Want,
): AsyncGenerator<[Rows, number, number]> {
  let open: Rows | null = null;
  let spare: { readonly source: Source; readonly rows: Rows } | null = null;
  for await (const [piece, isLast] of withLast(mergeSources(sources, { want, blockRows }))) {
    const rows: Rows = piece.kind === 'rows' ? piece.rows : await readBlock(piece, want, spare);
    const end = piece.kind === 'rows' ? piece.to : rows.rowCount;
    let from = piece.kind === 'rows' ? piece.from : 0;
    while (from < end) {
      if (open === null && (isLast || end - from >= blockRows / 2)) {
        const to = Math.min(end, from + blockRows);
        yield [rows, from, to];
        from = to;
        continue;
      }
      open ??= new Rows(0, blockRows);
      const to = Math.min(end, from + blockRows - open.rowCount);
      open.append(rows, from, to);
      from = to;
      if (open.rowCount < blockRows) continue;
      yield [open, 0, open.rowCount];
      open = null;
    }
    // What was yielded has been written, or copied.
    spare = piece.kind === 'block' ? { source: piece.source, rows } : null;
  }
  if (open !== null) yield [open, 0, open.rowCount];
}

/** Each with whether it is the last: so one more is asked for before it is given. */
async function* withLast<T>(all: AsyncIterable<T>): AsyncGenerator<[T, boolean]> {
  let before: { readonly one: T } | null = null;
  for await (const one of all) {
    if (before !== null) yield [before.one, false];
    before = { one };
  }
  if (before !== null) yield [before.one, true];
}

/** In the memory of the block before, when that is of the same source. */
function readBlock(
  { source, block }: { readonly source: Source; readonly block: number },
  want: Want,
  before: { readonly source: Source; readonly rows: Rows } | null,
): Promise<Rows> {
  return source.read(block, want, before?.source === source ? before.rows : null);
}
