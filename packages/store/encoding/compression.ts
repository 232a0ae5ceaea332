/**
 * Which blocks are compressed with zstd. Rows that were just flushed are soon merged into a larger segment, so a flush
 * compresses only what becomes much smaller; what a merge writes stays, and is compressed wherever that saves a tenth.
 * Each unit of a block says itself whether it is, so a reader need not know.
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

/** Compresses the blocks of one file, in turn, each unit by itself. */
export class Packer {
  readonly #compression: Compression;
  /** Blocks still to come that are not tried. */
  #untried = 0;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  /**
   * Units of one block, each compressed; null where that saves too little. One of them says whether the others are tried;
   * after a block that is not, the next few are not looked at.
   */
  pack(units: readonly Uint8Array[]): (Buffer | null)[] {
    const largest = largestOf(units);
    const isTried = this.#compression !== 'never' && largest.length >= BYTES_MIN && this.#untried-- <= 0;
    const isWorth = isTried && this.#isWorth(largest);
    if (isTried) this.#untried = isWorth ? 0 : UNTRIED_BLOCKS;
    return units.map((unit) => (isWorth && unit.length >= BYTES_MIN ? shrinks(unit, SHARE_MAX) : null));
  }

  /** A page that is not like the others of its file, and says nothing of them. */
  packAlone(page: Uint8Array): Buffer | null {
    const isTried = this.#compression !== 'never' && page.length >= BYTES_MIN;
    return isTried && this.#isWorth(page) ? shrinks(page, SHARE_MAX) : null;
  }

  #isWorth(unit: Uint8Array): boolean {
    if (this.#compression === 'sampled' && shrinks(middleOf(unit), SAMPLE_SHARE_MAX) === null) return false;
    return shrinks(unit, SHARE_MAX) !== null;
  }
}

function largestOf(units: readonly Uint8Array[]): Uint8Array {
  let largest: Uint8Array = NONE;
  for (const unit of units) if (unit.length > largest.length) largest = unit;
  return largest;
}

const NONE = new Uint8Array(0);

/** Compressed; null when it is not less than that share. */
function shrinks(raw: Uint8Array, shareMax: number): Buffer | null {
  const packed = zstdCompressSync(raw, COMPRESSION);
  return packed.length < raw.length * shareMax ? packed : null;
}

function middleOf(raw: Uint8Array): Uint8Array {
  const from = Math.max(0, (raw.length - SAMPLE_BYTES) >> 1);
  return raw.subarray(from, from + SAMPLE_BYTES);
}
