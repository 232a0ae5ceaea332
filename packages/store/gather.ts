/** Picks rows of a vector into another: one tight loop per kind, as this is what a flush and a merge spend their time on. */

import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import { copyWords, wordsOf } from './words.ts';

/** Rows 0 … n − 1 of `into` (empty, of the same kind) become the rows `slots[0 … n)` of `source`; −1: absent. */
export function gatherRows(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  into.reserveRows(slots.length);
  const { presence } = into;
  for (let i = 0; i < slots.length; i++) presence[i] = slots[i]! < 0 ? CELL.absent : source.presence[slots[i]!]!;
  switch (into.kind) {
    case 'bytes':
      gatherBytes(into, source, slots);
      break;
    case 'u8':
      pick(into.u8, source.u8, slots, presence);
      break;
    case 'i32':
      pickInts(into.i32, source.i32, slots, presence);
      break;
    case 'i64':
      pickLongs(into.i64, source.i64, slots, presence);
      break;
    default:
      pickDoubles(into.f64, source.f64, slots, presence);
  }
}

// Four times the same loop: a shared one would meet four kinds of array and be several times slower.

function pick(into: Uint8Array, source: Uint8Array, slots: Int32Array, presence: Uint8Array): void {
  for (let i = 0; i < slots.length; i++) if (presence[i] === CELL.value) into[i] = source[slots[i]!]!;
}

function pickInts(into: Int32Array, source: Int32Array, slots: Int32Array, presence: Uint8Array): void {
  for (let i = 0; i < slots.length; i++) if (presence[i] === CELL.value) into[i] = source[slots[i]!]!;
}

function pickLongs(into: BigInt64Array, source: BigInt64Array, slots: Int32Array, presence: Uint8Array): void {
  for (let i = 0; i < slots.length; i++) if (presence[i] === CELL.value) into[i] = source[slots[i]!]!;
}

function pickDoubles(into: Float64Array, source: Float64Array, slots: Int32Array, presence: Uint8Array): void {
  for (let i = 0; i < slots.length; i++) if (presence[i] === CELL.value) into[i] = source[slots[i]!]!;
}

function gatherBytes(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  let total = 0;
  for (let i = 0; i < slots.length; i++) if (into.presence[i] === CELL.value) total += source.lengths[slots[i]!]!;
  into.reserveBytes(total);
  const { starts, lengths, presence } = into;
  const words = wordsOf(into.arena);
  const from = wordsOf(source.arena);
  let at = into.arenaUsed;
  for (let i = 0; i < slots.length; i++) {
    if (presence[i] !== CELL.value) continue;
    const length = source.lengths[slots[i]!]!;
    copyWords(words, at, from, source.starts[slots[i]!]!, length);
    starts[i] = at;
    lengths[i] = length;
    at += length;
  }
  into.arenaUsed = at;
}
