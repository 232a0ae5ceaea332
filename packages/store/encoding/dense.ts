/** A block's values one after the other, before rows without one come between; and how they become a chunk. */

import type { Physical } from '@tidemark/model/column-type';
import type { BytesChunk, Chunk, NumberChunk, Numbers } from './chunk.ts';

/** Values 0 … count − 1, one after the other. */
export type Dense =
  | { readonly form: 'numbers'; readonly data: Numbers; readonly base: number; readonly unit: number }
  | { readonly form: 'longs'; readonly data: BigInt64Array }
  | Pick<BytesChunk, 'form' | 'codes' | 'starts' | 'lengths' | 'arena' | 'entryCount' | 'runEnds' | 'runPrefixes'>;

/** Each form is made in one place, so that all of it have one shape: what reads them then is as fast as it can be. */
export function chunkOf(dense: Dense, kind: Physical, rowCount: number, presence: Uint8Array | null): Chunk {
  if (dense.form === 'bytes') {
    return {
      form: 'bytes',
      kind: 'bytes',
      rowCount,
      presence,
      codes: dense.codes,
      starts: dense.starts,
      lengths: dense.lengths,
      arena: dense.arena,
      entryCount: dense.entryCount,
      runEnds: dense.runEnds,
      runPrefixes: dense.runPrefixes,
    };
  }
  if (dense.form === 'longs') return { form: 'longs', kind: 'i64', rowCount, presence, data: dense.data };
  const { data, base, unit } = dense;
  // The kind goes with the form, which the type checker cannot see.
  return { form: 'numbers', kind: kind as NumberChunk['kind'], rowCount, presence, data, base, unit };
}

/** Puts dense values at their rows; what other rows hold means nothing. */
export function spreadOver(dense: Dense, rows: Uint32Array, rowCount: number): Dense {
  if (dense.form === 'bytes') {
    const wide = dense.entryCount > 256;
    if (dense.codes === null && dense.entryCount > 65_536) return spreadEntries(dense, rows, rowCount);
    const codes = wide ? new Uint16Array(rowCount) : new Uint8Array(rowCount);
    for (let i = 0; i < rows.length; i++) codes[rows[i]!] = dense.codes === null ? i : dense.codes[i]!;
    return { ...dense, codes, runEnds: null, runPrefixes: null };
  }
  if (dense.form === 'longs') {
    const data = new BigInt64Array(rowCount);
    for (let i = 0; i < rows.length; i++) data[rows[i]!] = dense.data[i]!;
    return { ...dense, data };
  }
  const data = new (dense.data.constructor as new (length: number) => Numbers)(rowCount);
  for (let i = 0; i < rows.length; i++) data[rows[i]!] = dense.data[i]!;
  return { ...dense, data };
}

function spreadEntries(dense: Extract<Dense, { form: 'bytes' }>, rows: Uint32Array, rowCount: number): Dense {
  const starts = new Uint32Array(rowCount);
  const lengths = new Uint32Array(rowCount);
  for (let i = 0; i < rows.length; i++) {
    starts[rows[i]!] = dense.starts[i]!;
    lengths[rows[i]!] = dense.lengths[i]!;
  }
  return { ...dense, starts, lengths, entryCount: rowCount, runEnds: null, runPrefixes: null };
}
