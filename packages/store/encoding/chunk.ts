/**
 * One column of some rows as scans want it: narrow arrays that stand nearly as they do in the file, indexed by row.
 * A filter is asked once for a dictionary's entry and compares numbers without unpacking them.
 */

import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import type { RawValue } from './zone.ts';

/** Values of a column, one number a row. */
export type Numbers = Uint8Array | Uint16Array | Int32Array | Float64Array;

type Common = {
  readonly rowCount: number;
  /** Per row one of CELL; null when every row has a value. */
  readonly presence: Uint8Array | null;
};

/** Row i is `base + unit × data[i]`, or `data[i]` as it is when unit is 0. All sums on the way are exact. */
export type NumberChunk = Common & {
  readonly form: 'numbers';
  readonly kind: Exclude<Physical, 'bytes'>;
  readonly data: Numbers;
  readonly base: number;
  readonly unit: number;
};

/** Whole numbers beyond 2^53. */
export type LongChunk = Common & { readonly form: 'longs'; readonly kind: 'i64'; readonly data: BigInt64Array };

/** Row i is entry `codes[i]`, or entry i when there are no codes. Entries may be equal to one another. */
export type BytesChunk = Common & {
  readonly form: 'bytes';
  readonly kind: 'bytes';
  readonly codes: Uint8Array | Uint16Array | null;
  /** Where each entry lies in the arena. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  readonly arena: Buffer;
  readonly entryCount: number;
  /** Where each run of equal rows ends, the last at `rowCount`, no run like its neighbour; null when not written as runs. */
  readonly runEnds: Uint32Array | null;
  /** Per run the first bytes of its entry as a number (`prefixOf`); null when there are no runs. */
  readonly runPrefixes: Float64Array | null;
};

/** A column of some rows, as numbers, 64-bit integers or bytes. */
export type Chunk = NumberChunk | LongChunk | BytesChunk;

/** Numbers of few bits: no block of them adds up to what doubles do not hold exactly. */
export type Narrow = Uint8Array | Uint16Array | Int32Array;

/** The chunk, when its numbers are whole and of few bits. */
export function narrowOf(chunk: Chunk | undefined): (NumberChunk & { readonly data: Narrow }) | null {
  if (chunk?.form !== 'numbers' || chunk.kind === 'f64' || chunk.data instanceof Float64Array) return null;
  return chunk as NumberChunk & { readonly data: Narrow };
}

/** Whether the row has a value in the column: neither absent nor deleted. */
export function hasValue(chunk: Chunk, row: number): boolean {
  return chunk.presence === null || chunk.presence[row] === CELL.value;
}

/** One of CELL. */
export function stateOf(chunk: Chunk, row: number): number {
  return chunk.presence === null ? CELL.value : chunk.presence[row]!;
}

/** The number at a row of a chunk of numbers; -1 × 0 keeps its sign only where unit is 0. */
export function numberAt(chunk: NumberChunk, row: number): number {
  return chunk.unit === 0 ? chunk.data[row]! : chunk.base + chunk.unit * chunk.data[row]!;
}

/** The entry of a row. */
export function entryOf(chunk: BytesChunk, row: number): number {
  return chunk.codes === null ? row : chunk.codes[row]!;
}

/** The bytes of an entry, without copying. */
export function entryBytes({ arena, starts, lengths }: BytesChunk, entry: number): Buffer {
  const start = starts[entry]!;
  return arena.subarray(start, start + lengths[entry]!);
}

/** What the row holds, which must be a value: as vectors hold it; bytes without copying. */
export function rawOfChunk(chunk: Chunk, row: number): RawValue {
  if (chunk.form === 'bytes') return entryBytes(chunk, entryOf(chunk, row));
  if (chunk.form === 'longs') return chunk.data[row]!;
  const number = numberAt(chunk, row);
  return chunk.kind === 'i64' ? BigInt(number) : number;
}

/** Bytes of memory it holds. */
export function memoryOf(chunk: Chunk): number {
  const presence = chunk.presence?.byteLength ?? 0;
  if (chunk.form !== 'bytes') return presence + chunk.data.byteLength;
  const codes = (chunk.codes?.byteLength ?? 0) + (chunk.runEnds?.length ?? 0) * 12;
  return presence + codes + chunk.entryCount * 8 + chunk.arena.length;
}

/** The first `rowCount` rows of a vector, without copying: good while the vector stays as it is. */
export function chunkOfVector(vector: ColumnVector, rowCount: number): Chunk {
  const presence = vector.presence.subarray(0, rowCount);
  if (vector.kind === 'bytes') {
    const { starts, lengths, arena } = vector;
    return {
      form: 'bytes',
      kind: 'bytes',
      rowCount,
      presence,
      codes: null,
      starts,
      lengths,
      arena,
      entryCount: rowCount,
      runEnds: null,
      runPrefixes: null,
    };
  }
  if (vector.kind === 'i64') return { form: 'longs', kind: 'i64', rowCount, presence, data: vector.i64 };
  const data = vector.kind === 'i32' ? vector.i32 : vector.kind === 'u8' ? vector.u8 : vector.f64;
  return { form: 'numbers', kind: vector.kind, rowCount, presence, data, base: 0, unit: 0 };
}

/** Rows `from … to` of a chunk, in the same memory. */
export function sliceChunk(chunk: Chunk, from: number, to: number): Chunk {
  if (from === 0 && to === chunk.rowCount) return chunk;
  const rowCount = to - from;
  const presence = chunk.presence === null ? null : chunk.presence.subarray(from, to);
  if (chunk.form === 'longs') return { ...chunk, rowCount, presence, data: chunk.data.subarray(from, to) };
  if (chunk.form === 'numbers') {
    const { kind, data, base, unit } = chunk;
    return { form: 'numbers', kind, rowCount, presence, data: data.subarray(from, to), base, unit };
  }
  const { codes, starts, lengths, arena, entryCount } = chunk;
  const isCoded = codes !== null;
  return {
    form: 'bytes',
    kind: 'bytes',
    rowCount,
    presence,
    codes: isCoded ? codes.subarray(from, to) : null,
    starts: isCoded ? starts : starts.subarray(from, to),
    lengths: isCoded ? lengths : lengths.subarray(from, to),
    arena,
    entryCount: isCoded ? entryCount : rowCount,
    runEnds: null,
    runPrefixes: null,
  };
}
