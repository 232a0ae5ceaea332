/** Rows of a batch into the rows of a memtable's column: a tight loop per kind, as every cell that comes in goes through it. */

import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { copyWords, wordsOf } from './words.ts';

/**
 * Row `rowOf[i]` of `into` becomes row i of `source`, for i from 0 to count − 1, unless that is absent. Both are of one
 * kind, and `into` has room for the rows.
 */
export function scatterRows(into: ColumnVector, source: ColumnVector, rowOf: Uint32Array, count: number): void {
  const { presence } = source;
  for (let i = 0; i < count; i++) if (presence[i] !== CELL.absent) into.presence[rowOf[i]!] = presence[i]!;
  switch (into.kind) {
    case 'bytes':
      scatterBytes(into, source, rowOf, count);
      break;
    case 'u8':
      scatter(into.u8, source.u8, rowOf, count, presence);
      break;
    case 'i32':
      scatterInts(into.i32, source.i32, rowOf, count, presence);
      break;
    case 'i64':
      scatterLongs(into.i64, source.i64, rowOf, count, presence);
      break;
    default:
      scatterDoubles(into.f64, source.f64, rowOf, count, presence);
  }
}

// Four times the same loop: a shared one would meet four kinds of array and be several times slower.

function scatter(into: Uint8Array, from: Uint8Array, rowOf: Uint32Array, count: number, presence: Uint8Array): void {
  for (let i = 0; i < count; i++) if (presence[i] === CELL.value) into[rowOf[i]!] = from[i]!;
}

function scatterInts(
  into: Int32Array,
  from: Int32Array,
  rowOf: Uint32Array,
  count: number,
  presence: Uint8Array,
): void {
  for (let i = 0; i < count; i++) if (presence[i] === CELL.value) into[rowOf[i]!] = from[i]!;
}

function scatterLongs(
  into: BigInt64Array,
  from: BigInt64Array,
  rowOf: Uint32Array,
  count: number,
  presence: Uint8Array,
): void {
  for (let i = 0; i < count; i++) if (presence[i] === CELL.value) into[rowOf[i]!] = from[i]!;
}

function scatterDoubles(
  into: Float64Array,
  from: Float64Array,
  rowOf: Uint32Array,
  count: number,
  presence: Uint8Array,
): void {
  for (let i = 0; i < count; i++) if (presence[i] === CELL.value) into[rowOf[i]!] = from[i]!;
}

function scatterBytes(into: ColumnVector, source: ColumnVector, rowOf: Uint32Array, count: number): void {
  const { presence, starts, lengths } = source;
  let total = 0;
  for (let i = 0; i < count; i++) if (presence[i] === CELL.value) total += lengths[i]!;
  into.reserveBytes(total);
  const words = wordsOf(into.arena);
  const from = wordsOf(source.arena);
  let at = into.arenaUsed;
  for (let i = 0; i < count; i++) {
    if (presence[i] !== CELL.value) continue;
    const length = lengths[i]!;
    copyWords(words, at, from, starts[i]!, length);
    // Not the presence: a later write of the same row may have deleted the cell.
    into.starts[rowOf[i]!] = at;
    into.lengths[rowOf[i]!] = length;
    at += length;
  }
  into.arenaUsed = at;
}
