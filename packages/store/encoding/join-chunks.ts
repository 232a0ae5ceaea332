/** Chunks of rows that follow one another as one chunk, in as narrow arrays as they have: what scans want of a block. */

import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { compareRanges } from '../row/bytes.ts';
import {
  type BytesChunk,
  type Chunk,
  entryOf,
  type LongChunk,
  type NumberChunk,
  type Numbers,
  numberAt,
} from './chunk.ts';
import { chunkOf, type Dense } from './dense.ts';

/** More entries than codes tell apart. */
const CODED_ENTRIES_MAX = 65_536;
const INT_MAX = 0x7fff_ffff;

/** All of one kind; at least one. */
export function joinChunks(chunks: readonly Chunk[], kind: Physical): Chunk {
  if (chunks.length === 1) return chunks[0]!;
  const rowCount = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
  return chunkOf(joinValues(chunks, rowCount), kind, rowCount, joinPresence(chunks, rowCount));
}

/** No row of it has a cell; else it is like another. */
export function absentChunk(rowCount: number, { kind, base, unit }: NumberChunk): Chunk {
  const presence = new Uint8Array(rowCount).fill(CELL.absent);
  return chunkOf({ form: 'numbers', data: new Uint8Array(rowCount), base, unit }, kind, rowCount, presence);
}

function joinPresence(chunks: readonly Chunk[], rowCount: number): Uint8Array | null {
  if (chunks.every(({ presence }) => presence === null)) return null;
  const all = new Uint8Array(rowCount).fill(CELL.value);
  let at = 0;
  for (const chunk of chunks) {
    if (chunk.presence !== null) all.set(chunk.presence, at);
    at += chunk.rowCount;
  }
  return all;
}

function joinValues(chunks: readonly Chunk[], rowCount: number): Dense {
  if (chunks[0]!.form === 'bytes') return joinBytes(chunks as readonly BytesChunk[], rowCount);
  const numbers = chunks as readonly (NumberChunk | LongChunk)[];
  return numbers.every((chunk) => chunk.form === 'numbers')
    ? joinNumbers(numbers, rowCount)
    : joinLongs(numbers, rowCount);
}

function joinLongs(chunks: readonly (NumberChunk | LongChunk)[], rowCount: number): Dense {
  const data = new BigInt64Array(rowCount);
  let at = 0;
  for (const chunk of chunks) {
    if (chunk.form === 'longs') data.set(chunk.data, at);
    else for (let row = 0; row < chunk.rowCount; row++) data[at + row] = BigInt(numberAt(chunk, row));
    at += chunk.rowCount;
  }
  return { form: 'longs', data };
}

function joinNumbers(chunks: readonly NumberChunk[], rowCount: number): Dense {
  const [first] = chunks;
  if (chunks.every(({ base, unit }) => base === first!.base && unit === first!.unit)) {
    const data = widest(chunks, rowCount);
    copyAll(chunks, data);
    return { form: 'numbers', data, base: first!.base, unit: first!.unit };
  }
  return rebased(chunks, rowCount) ?? spelledOut(chunks, rowCount);
}

/** An array that holds what each of the arrays does. */
function widest(chunks: readonly NumberChunk[], rowCount: number): Numbers {
  let widest: Numbers = chunks[0]!.data;
  for (const { data } of chunks) {
    const isOther = data.constructor !== widest.constructor;
    if (isOther && data.BYTES_PER_ELEMENT > widest.BYTES_PER_ELEMENT) widest = data;
  }
  return new (widest.constructor as new (length: number) => Numbers)(rowCount);
}

function copyAll(chunks: readonly NumberChunk[], into: Numbers): void {
  let at = 0;
  for (const { data, rowCount } of chunks) {
    into.set(data, at);
    at += rowCount;
  }
}

/** Numbers in one unit from the lowest base on; null where they are not multiples of it apart, or doubles do not tell them exactly. */
function rebased(chunks: readonly NumberChunk[], rowCount: number): Dense | null {
  const { unit } = chunks[0]!;
  if (unit === 0 || chunks.some((chunk) => chunk.unit !== unit)) return null;
  const base = chunks.reduce((least, chunk) => Math.min(least, chunk.base), Number.POSITIVE_INFINITY);
  let max = 0;
  for (const chunk of chunks) {
    const apart = (chunk.base - base) / unit;
    if (!Number.isSafeInteger(chunk.base - base) || !Number.isInteger(apart)) return null;
    const { data } = chunk;
    for (let row = 0; row < data.length; row++) if (data[row]! + apart > max) max = data[row]! + apart;
  }
  if (!Number.isSafeInteger(max)) return null;
  const into = max <= INT_MAX ? new Int32Array(rowCount) : new Float64Array(rowCount);
  copyAll(chunks, into);
  let at = 0;
  for (const chunk of chunks) {
    shift(into, at, at + chunk.rowCount, (chunk.base - base) / unit);
    at += chunk.rowCount;
  }
  return { form: 'numbers', data: into, base, unit };
}

function shift(data: Int32Array | Float64Array, from: number, to: number, by: number): void {
  if (by === 0) return;
  if (data instanceof Int32Array) for (let row = from; row < to; row++) data[row]! += by;
  else for (let row = from; row < to; row++) data[row]! += by;
}

function spelledOut(chunks: readonly NumberChunk[], rowCount: number): Dense {
  const data = new Float64Array(rowCount);
  let at = 0;
  for (const chunk of chunks) {
    for (let row = 0; row < chunk.rowCount; row++) data[at + row] = numberAt(chunk, row);
    at += chunk.rowCount;
  }
  return { form: 'numbers', data, base: 0, unit: 0 };
}

function joinBytes(chunks: readonly BytesChunk[], rowCount: number): Dense {
  const { arena, starts, lengths, entryCount } = chunks[0]!;
  if (chunks.every((chunk) => chunk.codes !== null && chunk.starts === starts)) {
    const codes = entryCount <= 256 ? new Uint8Array(rowCount) : new Uint16Array(rowCount);
    copyCodes(chunks, codes, null);
    return { form: 'bytes', codes, starts, lengths, arena, entryCount, ...joinRuns(chunks, rowCount) };
  }
  return joinEntries(chunks, rowCount);
}

/** Codes of all rows. @param firsts the entry that each chunk's first has become; null: they share their entries */
function copyCodes(
  chunks: readonly BytesChunk[],
  into: Uint8Array | Uint16Array,
  firsts: readonly number[] | null,
): void {
  let at = 0;
  for (const [i, { codes, rowCount }] of chunks.entries()) {
    const first = firsts?.[i] ?? 0;
    if (codes !== null) into.set(codes, at);
    else for (let row = 0; row < rowCount; row++) into[at + row] = row;
    if (first > 0) for (let row = at; row < at + rowCount; row++) into[row]! += first;
    at += rowCount;
  }
}

/** The entries of all, one after the other. */
function joinEntries(chunks: readonly BytesChunk[], rowCount: number): Dense {
  const firsts: number[] = [];
  let entryCount = 0;
  let bytes = 0;
  for (const chunk of chunks) {
    firsts.push(entryCount);
    entryCount += chunk.entryCount;
    bytes += chunk.arena.length;
  }
  const isPlain = chunks.every(({ codes }) => codes === null);
  const isCoded = !isPlain && entryCount <= CODED_ENTRIES_MAX;
  const count = isCoded ? entryCount : rowCount;
  const [starts, lengths] = [new Uint32Array(count), new Uint32Array(count)];
  const arena = Buffer.allocUnsafeSlow(bytes);
  let [at, byte] = [0, 0];
  for (const chunk of chunks) {
    const own = isCoded || chunk.codes === null ? chunk.entryCount : chunk.rowCount;
    const codes = isCoded ? null : chunk.codes;
    for (let i = 0; i < own; i++) {
      const entry = codes === null ? i : codes[i]!;
      starts[at + i] = byte + chunk.starts[entry]!;
      lengths[at + i] = chunk.lengths[entry]!;
    }
    arena.set(chunk.arena, byte);
    byte += chunk.arena.length;
    at += own;
  }
  const entries = { form: 'bytes', starts, lengths, arena, entryCount: count } as const;
  if (!isCoded) return { ...entries, codes: null, runEnds: null, runPrefixes: null };
  const codes = entryCount <= 256 ? new Uint8Array(rowCount) : new Uint16Array(rowCount);
  copyCodes(chunks, codes, firsts);
  return { ...entries, codes, ...joinRuns(chunks, rowCount) };
}

/** The runs of chunks that are all written so: one that goes on in the next chunk is one run. */
function joinRuns(chunks: readonly BytesChunk[], rowCount: number): Pick<BytesChunk, 'runEnds' | 'runPrefixes'> {
  let count = 0;
  for (const { runEnds, presence } of chunks) {
    if (runEnds === null || presence !== null) return { runEnds: null, runPrefixes: null };
    count += runEnds.length;
  }
  const runEnds = new Uint32Array(count);
  const runPrefixes = new Float64Array(count);
  let [runs, at] = [0, 0];
  let before: BytesChunk | null = null;
  for (const chunk of chunks) {
    const own = chunk.runEnds!;
    // The first run goes on with the last one.
    if (before !== null && own.length > 0 && isSameText(before, before.rowCount - 1, chunk, 0)) runs--;
    for (let run = 0; run < own.length; run++, runs++) {
      runEnds[runs] = at + own[run]!;
      runPrefixes[runs] = chunk.runPrefixes![run]!;
    }
    at += chunk.rowCount;
    before = chunk;
  }
  if (at !== rowCount) throw new Error(`runs of ${at} rows, expected ${rowCount}`);
  return { runEnds: runEnds.subarray(0, runs), runPrefixes: runPrefixes.subarray(0, runs) };
}

function isSameText(a: BytesChunk, rowA: number, b: BytesChunk, rowB: number): boolean {
  const [first, second] = [entryOf(a, rowA), entryOf(b, rowB)];
  const [aStart, aLength] = [a.starts[first]!, a.lengths[first]!];
  return compareRanges(a.arena, aStart, aLength, b.arena, b.starts[second]!, b.lengths[second]!) === 0;
}
