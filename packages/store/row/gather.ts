/** Picks rows of a vector into another: one tight loop per kind, as this is what a flush and a merge spend their time on. */

import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { copyWords, wordsOf } from './words.ts';

/** Rows 0 … n − 1 of `into` (empty, of the same kind) become the rows `slots[0 … n)` of `source`; −1: absent. */
export function gatherRows(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  into.reserveRows(slots.length);
  const { presence } = into;
  for (let i = 0; i < slots.length; i++) presence[i] = slots[i]! < 0 ? CELL.absent : source.presence[slots[i]!]!;
  gatherValues(into, source, slots);
}

/** `gatherRows` of a source in which each of its rows 0 … rowCount − 1 has a value, of which `slots` are some. */
export function gatherFull(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  into.reserveRows(slots.length);
  into.presence.fill(CELL.value, 0, slots.length);
  gatherValues(into, source, slots);
}

/**
 * Rows of `source` that share its bytes: its first `rowCount` rows have values that follow one another in its arena, and
 * do not change any more.
 */
export function shareFull(into: ColumnVector, source: ColumnVector, rowCount: number, rows: Uint32Array): void {
  into.reserveRows(rows.length);
  into.presence.fill(CELL.value, 0, rows.length);
  const { starts, lengths } = into;
  const from = source.starts;
  const last = rowCount - 1;
  const end = from[last]! + source.lengths[last]!;
  // Where the next one begins stands beside where this one does; its length would be one more place to go to.
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const start = from[row]!;
    starts[i] = start;
    lengths[i] = (row === last ? end : from[row + 1]!) - start;
  }
  into.arena = source.arena;
  // Full: whoever sets another row gets an arena of its own.
  into.arenaUsed = source.arena.length;
}

function gatherValues(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  const { presence } = into;
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

/** Byte strings that are copied together: what is read of them ahead stays in the nearest cache until then. */
const CHUNK = 128;

function gatherBytes(into: ColumnVector, source: ColumnVector, slots: Int32Array): void {
  const { lengths, presence } = into;
  let total = 0;
  for (let i = 0; i < slots.length; i++) {
    if (presence[i] !== CELL.value) continue;
    lengths[i] = source.lengths[slots[i]!]!;
    total += lengths[i]!;
  }
  into.reserveBytes(total);
  for (let begin = 0; begin < slots.length; begin += CHUNK) {
    const end = Math.min(begin + CHUNK, slots.length);
    readAhead(source, slots, presence, begin, end);
    copyChunk(into, source, slots, begin, end);
  }
}

/** What was read ahead: kept, so that the reading is not left out. */
export let ahead = 0;

/** So that the processor waits for the bytes of many rows at once. */
function readAhead(
  { arena, starts }: ColumnVector,
  slots: Int32Array,
  presence: Uint8Array,
  begin: number,
  end: number,
): void {
  let sum = 0;
  for (let i = begin; i < end; i++) if (presence[i] === CELL.value) sum += arena[starts[slots[i]!]!] ?? 0;
  ahead = sum;
}

function copyChunk(into: ColumnVector, source: ColumnVector, slots: Int32Array, begin: number, end: number): void {
  const { starts, lengths, presence } = into;
  const words = wordsOf(into.arena);
  const from = wordsOf(source.arena);
  let at = into.arenaUsed;
  for (let i = begin; i < end; i++) {
    if (presence[i] !== CELL.value) continue;
    copyWords(words, at, from, source.starts[slots[i]!]!, lengths[i]!);
    starts[i] = at;
    at += lengths[i]!;
  }
  into.arenaUsed = at;
}
