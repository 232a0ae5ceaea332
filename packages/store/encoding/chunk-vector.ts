/** A chunk as a vector, for merges, which move single rows. */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { type BytesChunk, type Chunk, hasValue, type NumberChunk, numberAt } from './chunk.ts';

/** A vector of the chunk's kind with all of its rows. */
export function vectorOf(chunk: Chunk): ColumnVector {
  const vector = new ColumnVector(chunk.kind);
  fillVector(vector, chunk);
  return vector;
}

/** Rows 0 … n − 1 of a vector of the chunk's kind become the chunk's. */
function fillVector(vector: ColumnVector, chunk: Chunk): void {
  const { rowCount, presence } = chunk;
  vector.reserveRows(rowCount);
  vector.arenaUsed = 0;
  if (presence === null) vector.presence.fill(CELL.value, 0, rowCount);
  else vector.presence.set(presence);
  if (chunk.form === 'bytes') fillBytes(vector, chunk);
  else if (chunk.form === 'longs') vector.i64.set(chunk.data);
  else if (chunk.kind === 'i64') fillLongs(vector.i64, chunk);
  else fillNumbers(arrayOf(vector, chunk.kind), chunk);
}

function arrayOf(vector: ColumnVector, kind: Exclude<Physical, 'bytes'>): Uint8Array | Int32Array | Float64Array {
  return kind === 'i32' ? vector.i32 : kind === 'u8' ? vector.u8 : vector.f64;
}

function fillNumbers(into: Uint8Array | Int32Array | Float64Array, { data, base, unit, rowCount }: NumberChunk): void {
  into.set(data);
  if (unit === 0 || (unit === 1 && base === 0)) return;
  if (into instanceof Int32Array) for (let row = 0; row < rowCount; row++) into[row] = base + unit * into[row]!;
  else for (let row = 0; row < rowCount; row++) into[row] = base + unit * into[row]!;
}

function fillLongs(into: BigInt64Array, chunk: NumberChunk): void {
  const halves = new Int32Array(into.buffer, into.byteOffset, into.length * 2);
  for (let row = 0, to = 0; row < chunk.rowCount; row++, to += 2) {
    const value = numberAt(chunk, row);
    halves[to] = value | 0;
    halves[to + 1] = Math.floor(value / 4_294_967_296);
  }
}

function fillBytes(vector: ColumnVector, chunk: BytesChunk): void {
  vector.reserveBytes(chunk.arena.length);
  vector.arena.set(chunk.arena);
  vector.arenaUsed = chunk.arena.length;
  const { starts, lengths } = vector;
  for (let row = 0; row < chunk.rowCount; row++) {
    if (!hasValue(chunk, row)) continue;
    const entry = chunk.codes === null ? row : chunk.codes[row]!;
    starts[row] = chunk.starts[entry]!;
    lengths[row] = chunk.lengths[entry]!;
  }
}
