/**
 * A hash of encoded keys that key columns add up to as well: a polynomial over the key's bytes, modulo 2^32, and murmur3's
 * last mixing on top. Of a polynomial the parts can be taken one after the other, a dictionary's entry once for all of its
 * rows, so that the hashes of a block's keys are made without putting a key together. Lives in memory only.
 */

import { writeKeyPart } from '@tidemark/columnar/key';
import { type BytesChunk, type Chunk, type NumberChunk, numberAt } from '../encoding/chunk.ts';

/** The polynomial's base, a prime, and its powers: a byte times the third is a number that doubles hold exactly. */
const BASE = 32_749;
const BASE_2 = BASE * BASE;
const BASE_3 = BASE_2 * BASE;
const BASE_4 = Math.imul(BASE_2, BASE_2);
const BASE_8 = Math.imul(BASE_4, BASE_4);

const SIGN = 0x8000_0000;
const HALF = 4_294_967_296;

/** The hash of a key, as a signed number. */
export function hashOfKey(key: Uint8Array): number {
  return mixed(sumOf(key, 0, key.length));
}

/** The hashes of the keys that these columns make. Every row has a value in each of them. */
export function hashesOfColumns(columns: readonly Chunk[], rowCount: number): Int32Array {
  const sums = new Int32Array(rowCount);
  for (const column of columns) {
    if (column.form === 'bytes') addBytes(sums, column);
    else if (column.form === 'numbers' && column.kind === 'i32') addInts(sums, column);
    else if (column.form === 'numbers' && (column.kind === 'whole' || column.kind === 'i64')) addWholes(sums, column);
    else addOthers(sums, column);
  }
  for (let row = 0; row < rowCount; row++) sums[row] = mixed(sums[row]!);
  return sums;
}

/**
 * Four bytes at a step, as each step waits for the one before. Plain products wherever they are exact: code that is not yet
 * fully compiled calls out for `Math.imul`.
 */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const four = bytes[at]! * BASE_3 + bytes[at + 1]! * BASE_2 + bytes[at + 2]! * BASE + bytes[at + 3]!;
    sum = (Math.imul(sum, BASE_4) + four) | 0;
  }
  for (; at < to; at++) sum = (sum * BASE + bytes[at]!) | 0;
  return sum;
}

function sumOfWord(word: number): number {
  return ((word >>> 24) * BASE_3 + ((word >>> 16) & 0xff) * BASE_2 + ((word >>> 8) & 0xff) * BASE + (word & 0xff)) | 0;
}

function mixed(sum: number): number {
  let hash = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function addBytes(sums: Int32Array, { codes, starts, lengths, arena, entryCount }: BytesChunk): void {
  const own = new Int32Array(entryCount);
  const powers = new Int32Array(entryCount);
  for (let entry = 0; entry < entryCount; entry++) {
    let sum = 0;
    let power = 1;
    const end = starts[entry]! + lengths[entry]!;
    for (let at = starts[entry]!; at < end; at++) {
      const byte = arena[at]!;
      sum = (Math.imul(sum, BASE) + byte) | 0;
      power = Math.imul(power, BASE);
      // As keys have it: 00 is 00 FF.
      if (byte !== 0) continue;
      sum = (Math.imul(sum, BASE) + 0xff) | 0;
      power = Math.imul(power, BASE);
    }
    // 00 01 ends it.
    own[entry] = (Math.imul(sum, BASE_2) + 1) | 0;
    powers[entry] = Math.imul(power, BASE_2);
  }
  for (let row = 0; row < sums.length; row++) {
    const entry = codes === null ? row : codes[row]!;
    sums[row] = (Math.imul(sums[row]!, powers[entry]!) + own[entry]!) | 0;
  }
}

function addInts(sums: Int32Array, column: NumberChunk): void {
  for (let row = 0; row < sums.length; row++) {
    sums[row] = (Math.imul(sums[row]!, BASE_4) + sumOfWord(numberAt(column, row) ^ SIGN)) | 0;
  }
}

function addWholes(sums: Int32Array, column: NumberChunk): void {
  for (let row = 0; row < sums.length; row++) {
    const value = numberAt(column, row);
    const high = Math.floor(value / HALF);
    const upper = Math.imul(sumOfWord(high ^ SIGN), BASE_4);
    sums[row] = (Math.imul(sums[row]!, BASE_8) + upper + sumOfWord((value - high * HALF) | 0)) | 0;
  }
}

const scratch = Buffer.alloc(8);

function addOthers(sums: Int32Array, column: Exclude<Chunk, BytesChunk>): void {
  for (let row = 0; row < sums.length; row++) {
    const length = writeNumberPart(scratch, column, row);
    for (let i = 0; i < length; i++) sums[row] = (Math.imul(sums[row]!, BASE) + scratch[i]!) | 0;
  }
}

/** A row's value as it stands in a key. @returns its bytes */
export function writeNumberPart(into: Buffer, column: Exclude<Chunk, BytesChunk>, row: number): number {
  if (column.form === 'longs') return writeKeyPart(into, 0, { name: 'long' }, column.data[row]!);
  const value = numberAt(column, row);
  switch (column.kind) {
    case 'u8':
      return writeKeyPart(into, 0, { name: 'boolean' }, value === 1);
    case 'i32':
      return writeKeyPart(into, 0, { name: 'int' }, value);
    case 'f64':
      return writeKeyPart(into, 0, { name: 'double' }, value);
    default:
      return writeKeyPart(into, 0, { name: 'timestamp' }, value);
  }
}
