/**
 * Hashing, comparing and copying byte strings in arenas four bytes at a time, for what is done to every key. A `DataView`
 * reads a word at any address in one instruction.
 */

/** The view to read an arena's words by; as long as the arena is the same. */
export function wordsOf(arena: Uint8Array): DataView {
  return new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
}

/** 32-bit hash of a byte range. Lives in memory only. */
export function hashWords(words: DataView, start: number, length: number): number {
  const end = start + length;
  let hash = Math.imul(length, 0x9e3779b1);
  let at = start;
  for (; at + 4 <= end; at += 4) hash = mixed(hash, words.getInt32(at, true));
  if (at < end) {
    // The last word again, as far as it goes back; or the few bytes there are.
    if (length >= 4) hash = mixed(hash, words.getInt32(end - 4, true));
    else for (; at < end; at++) hash = mixed(hash, words.getUint8(at));
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixed(hash: number, word: number): number {
  const turned = Math.imul(hash ^ word, 0xcc9e2d51);
  return turned ^ (turned >>> 15);
}

/** True when `length` bytes from `aStart` and from `bStart` are the same. */
export function sameWords(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    if (a.getInt32(aStart + at, true) !== b.getInt32(bStart + at, true)) return false;
  }
  if (at === length) return true;
  // The last word again, as far as it goes back.
  if (length >= 4) return a.getInt32(aStart + length - 4, true) === b.getInt32(bStart + length - 4, true);
  for (; at < length; at++) if (a.getUint8(aStart + at) !== b.getUint8(bStart + at)) return false;
  return true;
}

/** Up to so many bytes a loop moves faster than a call does. */
const LOOP_BYTES_MAX = 96;

/** Copies `length` bytes; the two ranges do not overlap. */
export function copyWords(into: DataView, to: number, from: DataView, start: number, length: number): void {
  if (length > LOOP_BYTES_MAX) {
    const source = new Uint8Array(from.buffer, from.byteOffset + start, length);
    new Uint8Array(into.buffer, into.byteOffset + to, length).set(source);
    return;
  }
  let at = 0;
  for (; at + 4 <= length; at += 4) into.setInt32(to + at, from.getInt32(start + at, true), true);
  if (at === length) return;
  if (length >= 4) {
    into.setInt32(to + length - 4, from.getInt32(start + length - 4, true), true);
    return;
  }
  for (; at < length; at++) into.setUint8(to + at, from.getUint8(start + at));
}
