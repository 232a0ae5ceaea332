/**
 * xxh32 (Yann Collet, "xxHash fast digest algorithm"), which places partition keys. Fixed for ever: where a row lives
 * depends on it. In JavaScript, as partition keys are short and a call out of it costs more than they do.
 */

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

/** The partition a key belongs to: xxh32(partition-key bytes, seed 0) mod `partitions`. */
export function partitionOf(
  partitionKey: Uint8Array,
  partitions: number,
  from = 0,
  length = partitionKey.length,
): number {
  return xxh32(partitionKey, from, from + length) % partitions;
}

/** xxh32 with seed 0 of bytes `from … end`. */
export function xxh32(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let hash = PRIME_5;
  if (end - from >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0;
    let b = PRIME_2 | 0;
    let c = 0;
    let d = -PRIME_1 | 0;
    for (; at + 16 <= end; at += 16) {
      a = round(a, bytes, at);
      b = round(b, bytes, at + 4);
      c = round(c, bytes, at + 8);
      d = round(d, bytes, at + 12);
    }
    hash = (rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18)) | 0;
  }
  hash = (hash + (end - from)) | 0;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(rotated((hash + Math.imul(wordAt(bytes, at), PRIME_3)) | 0, 17), PRIME_4);
  }
  for (; at < end; at++) hash = Math.imul(rotated((hash + Math.imul(bytes[at]!, PRIME_5)) | 0, 11), PRIME_1);
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function round(sum: number, bytes: Uint8Array, at: number): number {
  return Math.imul(rotated((sum + Math.imul(wordAt(bytes, at), PRIME_2)) | 0, 13), PRIME_1);
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
