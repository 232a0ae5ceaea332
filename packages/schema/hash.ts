/** xxh32, which places partition keys. Fixed for ever: where a row lives depends on it. */

import xxhash from 'xxhash-wasm';

const { h32Raw } = await xxhash();

/** The partition a key belongs to: xxh32(partition-key bytes, seed 0) mod `partitions`. */
export function partitionOf(partitionKey: Uint8Array, partitions: number): number {
  return (h32Raw(partitionKey) >>> 0) % partitions;
}
