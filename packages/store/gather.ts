/** Picks rows of a vector into another: one tight loop per kind, as this is what a flush and a merge spend their time on. */

import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';

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

/** Up to this many bytes a loop beats a call. */
const LOOP_BYTES_MAX = 64;

function gatherBytes(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  let total = 0;
  for (let i = 0; i < slots.length; i++) if (into.presence[i] === CELL.value) total += source.lengths[slots[i]!]!;
  into.reserveBytes(total);
  const { arena, starts, lengths, presence } = into;
  const from = source.arena;
  let at = into.arenaUsed;
  for (let i = 0; i < slots.length; i++) {
    if (presence[i] !== CELL.value) continue;
    const length = source.lengths[slots[i]!]!;
    const start = source.starts[slots[i]!]!;
    starts[i] = at;
    lengths[i] = length;
    if (length > LOOP_BYTES_MAX) from.copy(arena, at, start, start + length);
    else for (let b = 0; b < length; b++) arena[at + b] = from[start + b]!;
    at += length;
  }
  into.arenaUsed = at;
}
