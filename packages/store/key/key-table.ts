/**
 * From a key to the row of a block that has it: one look, by the key's hash, instead of a search in every key column. Open
 * addressing, each slot one number: the row below, a part of the key's hash above. It holds the key columns it was made of
 * as well, and counts their memory, so that a look needs nothing else, and what a block cache holds is never more than said.
 */

import { BLOCK_ROWS_MAX } from '../encoding/block-encoding.ts';
import { type BytesChunk, type Chunk, entryOf, memoryOf, type NumberChunk, numberAt } from '../encoding/chunk.ts';
import type { Holdable } from '../segment/block-cache.ts';
import { writeNumberPart } from './key-hash.ts';

/** Six bytes a row; two slots in three are taken. */
const SLOTS_A_ROW = 1.5;
/** More slots than this between a hash's own and a row's: no hashes of ordinary keys, and the search does better. */
const STEPS_MAX = 1_024;

const SIGN = 0x8000_0000;
const HALF = 4_294_967_296;

/** How a column's values are compared with a key. */
const FORM = { bytes: 0, int: 1, whole: 2, other: 3 } as const;

/** The table of one block; a key that it finds was compared column by column, so it is never a wrong one. */
export class KeyTable implements Holdable {
  readonly memoryBytes: number;
  readonly #columns: readonly Chunk[];
  readonly #forms: readonly number[];
  /** 0 is empty: the part of a hash is odd. */
  readonly #slots: Int32Array;
  readonly #slotCount: number;
  readonly #slotsPerHash: number;

  /**
   * Of key columns that have a value in every row.
   * @param hashes of the rows' keys, as `rowOf` is given them
   * @returns null when too many of the hashes are alike for a table to be of use
   */
  static of(columns: readonly Chunk[], hashes: Int32Array): KeyTable | null {
    if (hashes.length > BLOCK_ROWS_MAX) return null;
    const table = new KeyTable(columns, hashes.length);
    for (let row = 0; row < hashes.length; row++) if (!table.#add(hashes[row]!, row)) return null;
    return table;
  }

  private constructor(columns: readonly Chunk[], rowCount: number) {
    const count = Math.floor(rowCount * SLOTS_A_ROW) + 1;
    this.#columns = columns;
    this.#forms = columns.map(formOf);
    this.#slots = new Int32Array(count);
    this.#slotCount = count;
    this.#slotsPerHash = count / HALF;
    this.memoryBytes = columns.reduce((sum, column) => sum + memoryOf(column), 256 + count * 4);
  }

  #add(hash: number, row: number): boolean {
    const slots = this.#slots;
    let slot = Math.floor((hash >>> 0) * this.#slotsPerHash);
    for (let steps = 0; slots[slot] !== 0; steps++) {
      if (steps === STEPS_MAX) return false;
      if (++slot === this.#slotCount) slot = 0;
    }
    slots[slot] = ((hash | 1) << 16) | row;
    return true;
  }

  /** The row with that key, which has that hash; −1 when there is none. */
  rowOf(key: Uint8Array, hash: number): number {
    const slots = this.#slots;
    const wanted = (hash | 1) << 16;
    let slot = Math.floor((hash >>> 0) * this.#slotsPerHash);
    // There are empty slots: it ends.
    for (;;) {
      const held = slots[slot]!;
      if (held === 0) return -1;
      if ((held ^ wanted) >>> 16 === 0 && isKeyOfRow(this.#columns, this.#forms, held & 0xffff, key))
        return held & 0xffff;
      if (++slot === this.#slotCount) slot = 0;
    }
  }
}

function formOf(column: Chunk): number {
  if (column.form === 'bytes') return FORM.bytes;
  if (column.form === 'longs' || column.kind === 'u8' || column.kind === 'f64') return FORM.other;
  return column.kind === 'i32' ? FORM.int : FORM.whole;
}

/** Whether the columns' values at a row make that key. What lies beyond the key's end reads as zeros, and makes it too short. */
function isKeyOfRow(columns: readonly Chunk[], forms: readonly number[], row: number, key: Uint8Array): boolean {
  let at = 0;
  for (let i = 0; i < forms.length; i++) {
    const column = columns[i]!;
    switch (forms[i]) {
      case FORM.bytes:
        at = endOfBytes(column as BytesChunk, row, key, at);
        break;
      case FORM.int:
        at = wordAt(key, at) === (numberAt(column as NumberChunk, row) ^ SIGN) ? at + 4 : -1;
        break;
      case FORM.whole: {
        const value = numberAt(column as NumberChunk, row);
        const high = Math.floor(value / HALF);
        const isSame = wordAt(key, at + 4) === ((value - high * HALF) | 0) && wordAt(key, at) === (high ^ SIGN);
        at = isSame ? at + 8 : -1;
        break;
      }
      default:
        at = endOfOther(column as Exclude<Chunk, BytesChunk>, row, key, at);
    }
    if (at === -1) return false;
  }
  return at === key.length;
}

/** Where the row's part ends in the key; −1 when the key has other bytes there. */
function endOfBytes(column: BytesChunk, row: number, key: Uint8Array, from: number): number {
  const { arena } = column;
  const entry = entryOf(column, row);
  let at = from;
  let next = column.starts[entry]!;
  const end = next + column.lengths[entry]!;
  for (; next < end; next++) {
    const byte = arena[next];
    if (byte !== key[at++]) return -1;
    if (byte === 0 && key[at++] !== 0xff) return -1;
  }
  return key[at] === 0 && key[at + 1] === 1 ? at + 2 : -1;
}

const scratch = Buffer.alloc(8);

function endOfOther(column: Exclude<Chunk, BytesChunk>, row: number, key: Uint8Array, from: number): number {
  const length = writeNumberPart(scratch, column, row);
  for (let i = 0; i < length; i++) if (key[from + i] !== scratch[i]) return -1;
  return from + length;
}

function wordAt(key: Uint8Array, at: number): number {
  return (key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!;
}
