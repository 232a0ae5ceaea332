/**
 * Which blocks are compressed with zstd. Rows that were just flushed are soon merged into a larger segment, so a flush
 * compresses only what becomes much smaller; what a merge writes stays, and is compressed wherever that saves a tenth.
 * Each block says itself whether it is, so a reader need not know.
 */

import { constants, zstdCompressSync } from 'node:zlib';
import type { Table } from '@tidemark/model/table';

/** `merged`: in all that merges write, and in flushes where it makes a block much smaller. `always`: in flushes as in merges. */
export type Zstd = 'merged' | 'always' | 'never';

/** The same for all columns, or by their names: others are `merged`. */
export type ZstdChoice = Zstd | ReadonlyMap<string, Zstd>;

/** What is done with the blocks of a file: every one tried, tried where a sample of it becomes much smaller, or none. */
export type Compression = 'tried' | 'sampled' | 'never';

const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Compressed only where that saves at least a tenth. */
export const SHARE_MAX = 0.9;
const BYTES_MIN = 256;
/** Taken out of the middle, as a dictionary or lengths come first. */
const SAMPLE_BYTES = 4096;
/** How small a sample has to become: text does; offsets and codes, of which zstd saves a third or a half, do not. */
const SAMPLE_SHARE_MAX = 0.4;
const UNTRIED_BLOCKS = 15;

/** What is compressed of each column's file, by its id; null for files that are of no column. */
export type CompressionOf = (column: number | null) => Compression;

/**
 * By column id whether a block is always tried with zstd, tried when a sample shrinks, or never; deduced from the
 * user's choice and from who writes.
 */
export function compressionBy(choice: ZstdChoice, table: Table, isMerge: boolean): CompressionOf {
  return (id) => {
    const name = table.columns.find((column) => column.id === id)?.name;
    const zstd = typeof choice === 'string' ? choice : (choice.get(name ?? '') ?? 'merged');
    if (zstd === 'never') return 'never';
    return isMerge || zstd === 'always' ? 'tried' : 'sampled';
  };
}

/** Compresses the blocks of one file, in turn. */
export class Packer {
  readonly #compression: Compression;
  /** Blocks still to come that are not tried. */
  #untried = 0;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  /** Compressed; null where that saves too little. After a block in which it does, the next few are not tried. */
  pack(raw: Uint8Array): Buffer | null {
    if (this.#compression === 'never' || raw.length < BYTES_MIN || this.#untried-- > 0) return null;
    const isPromising = this.#compression === 'tried' || shrinks(middleOf(raw), SAMPLE_SHARE_MAX) !== null;
    const packed = isPromising ? shrinks(raw, SHARE_MAX) : null;
    this.#untried = packed === null ? UNTRIED_BLOCKS : 0;
    return packed;
  }
}

/** Compressed; null when it is not less than that share. */
function shrinks(raw: Uint8Array, shareMax: number): Buffer | null {
  const packed = zstdCompressSync(raw, COMPRESSION);
  return packed.length < raw.length * shareMax ? packed : null;
}

function middleOf(raw: Uint8Array): Uint8Array {
  const from = Math.max(0, (raw.length - SAMPLE_BYTES) >> 1);
  return raw.subarray(from, from + SAMPLE_BYTES);
}
