/** Runs of equal values, drawn out to one value a row. */

import { compareRanges, prefixOf } from '../row/bytes.ts';
import { zeros } from './block-reader.ts';
import type { BytesChunk, Numbers } from './chunk.ts';

/** Each head as often as its run is long, into an array of the whole length. */
export function repeated<T extends Numbers | BigInt64Array>(heads: T, into: T, lengths: Uint32Array): T {
  let at = 0;
  for (let run = 0; run < lengths.length; run++) {
    into.fill(heads[run] as never, at, at + lengths[run]!);
    at += lengths[run]!;
  }
  return into;
}

/** None where a run is empty, or like the one before: no writer of ours makes such. */
export function runsOf(
  heads: Pick<BytesChunk, 'codes' | 'starts' | 'lengths' | 'arena'>,
  runs: Uint32Array,
): Pick<BytesChunk, 'runEnds' | 'runPrefixes'> {
  const { codes, starts, lengths, arena } = heads;
  const runEnds = new Uint32Array(runs.length);
  const runPrefixes = new Float64Array(runs.length);
  let end = 0;
  let before = -1;
  for (let run = 0; run < runs.length; run++) {
    const entry = codes === null ? run : codes[run]!;
    const isLike =
      before !== -1 &&
      compareRanges(arena, starts[before]!, lengths[before]!, arena, starts[entry]!, lengths[entry]!) === 0;
    if (runs[run] === 0 || isLike) return { runEnds: null, runPrefixes: null };
    end += runs[run]!;
    runEnds[run] = end;
    runPrefixes[run] = prefixOf(arena, starts[entry]!, lengths[entry]!);
    before = entry;
  }
  return { runEnds, runPrefixes };
}

/** The code of each row, where each head is a code or stands for itself. */
export function repeatedCodes(
  { codes, entryCount }: Pick<BytesChunk, 'codes' | 'entryCount'>,
  lengths: Uint32Array,
  count: number,
): Uint8Array | Uint16Array {
  if (entryCount === 1) return zeros(count);
  const all = entryCount <= 256 ? new Uint8Array(count) : new Uint16Array(count);
  let at = 0;
  for (let run = 0; run < lengths.length; run++) {
    all.fill(codes === null ? run : codes[run]!, at, at + lengths[run]!);
    at += lengths[run]!;
  }
  return all;
}
