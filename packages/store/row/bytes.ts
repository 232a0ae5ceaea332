/** Comparing and hashing byte strings that lie in arenas. Loops, as a native call costs more than a key's few bytes. */

/** Order of two byte ranges: negative, 0 or positive. A prefix comes before what it begins. */
export function compareRanges(
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  const shared = aLength < bLength ? aLength : bLength;
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/** Order of two byte strings. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

/** The first six bytes as a number: byte strings whose numbers differ are ordered as these. */
export function prefixOf(bytes: Uint8Array, start: number, length: number): number {
  if (length >= 6) {
    const high = (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!;
    return high * 16_777_216 + ((bytes[start + 3]! << 16) | (bytes[start + 4]! << 8) | bytes[start + 5]!);
  }
  let prefix = 0;
  for (let i = 0; i < 6; i++) prefix = prefix * 256 + (i < length ? bytes[start + i]! : 0);
  return prefix;
}

/** 32-bit hash of a byte range (FNV-1a, then murmur3's last mixing). Lives in memory only. */
export function hashRange(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
