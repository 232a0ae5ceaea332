/** A segment in key order: which blocks a range begins in, the keys of a block, and what a row in it is made of. */

import type { Physical } from '@tidemark/model/column-type';
import type { BytesChunk, Chunk } from '../encoding/chunk.ts';
import type { Stamps } from '../encoding/stamp-codec.ts';
import { firstWhere } from '../key/key-search.ts';
import type { BlocksAtHand } from '../range/blocks-at-hand.ts';
import { KeyBlock } from '../range/key-block.ts';
import { compareBytes } from '../row/bytes.ts';
import type { BlockRange } from '../row/source.ts';
import type { Holdable } from './block-cache.ts';
import type { HeldFile } from './held-file.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { StoredBlock } from './stored-block.ts';

type OrderParts = {
  readonly files: SegmentFiles;
  readonly blocks: readonly BlockRange[];
  readonly keyColumns: readonly number[];
};

/** One segment, as a range goes through it. What it asks of `BlocksAtHand` and is not there makes it answer undefined. */
export class SegmentOrder {
  readonly #files: SegmentFiles;
  readonly #blocks: readonly BlockRange[];
  readonly #keyColumns: readonly number[];
  readonly #keyFiles: readonly (HeldFile<StoredBlock> | undefined)[];

  constructor({ files, blocks, keyColumns }: OrderParts) {
    this.#files = files;
    this.#blocks = blocks;
    this.#keyColumns = keyColumns;
    this.#keyFiles = keyColumns.map((id) => files.byColumn.get(id));
  }

  /** The first block that does not end before these bytes; the number of blocks when all do. */
  firstBlockFrom(bytes: Uint8Array): number {
    return firstWhere(this.#blocks.length, (i) => compareBytes(this.#blocks[i]!.last, bytes) >= 0);
  }

  /** The last block that begins before these bytes; −1 when none does. */
  lastBlockBefore(bytes: Uint8Array): number {
    return firstWhere(this.#blocks.length, (i) => compareBytes(this.#blocks[i]!.first, bytes) >= 0) - 1;
  }

  /** The keys of a block. @param kinds of the key columns @throws {Fault} `corrupt`: a part of the key has no values there. */
  keys(block: number, kinds: readonly Physical[], atHand: BlocksAtHand): KeyBlock | undefined {
    const { rowCount } = this.#blocks[block]!;
    if (this.#files.hasWholeKeys(block)) {
      const stored = atHand.block(this.#files.keys, block);
      return stored === undefined ? undefined : new KeyBlock([], kinds, stored!.cells as BytesChunk, rowCount);
    }
    const files = this.#keyFiles;
    const columns = new Array<Chunk>(files.length);
    let isMissing = false;
    for (let i = 0; i < files.length; i++) {
      const stored = files[i] === undefined ? null : atHand.block(files[i]!, block);
      if (stored === null) throw this.#files.lacksPart(block, this.#keyColumns[i]!);
      if (stored === undefined) isMissing = true;
      else columns[i] = stored.cells;
    }
    return isMissing ? undefined : new KeyBlock(columns, kinds, null, rowCount);
  }

  /** The file of a column, or of a part of the key; undefined when no row of the segment has a cell in it. */
  fileOf(column: number): HeldFile<StoredBlock> | undefined {
    return this.#files.byColumn.get(column);
  }

  /** Flags of a block's rows, of which the lowest bit says that a row has a put; null when all have. */
  puts(block: number, atHand: BlocksAtHand): Chunk | null | undefined {
    const file = this.#files.flags;
    const { opened } = file;
    if (opened !== null && opened.block(block)?.deleted === 0) return null;
    return atHand.block(file, block)?.cells;
  }

  /** The tombstones of a block; null when it has none. */
  tombs(block: number, atHand: BlocksAtHand): Stamps | null | undefined {
    const file = this.#files.flags;
    const { opened } = file;
    if (opened !== null && opened.block(block)?.stampMin === null) return null;
    return atHand.block(file, block)?.stamps;
  }

  /** The put stamps of a block; null when no row of it has a put. */
  putStamps(block: number, atHand: BlocksAtHand): Stamps | null | undefined {
    const stored = atHand.block(this.#files.stamps, block);
    return stored === null ? null : stored?.stamps;
  }

  /** No put of a block has a larger stamp, [ms, low]; null where that is not known yet, or there is none. */
  putStampMax(block: number): readonly [number, number] | null {
    return this.#files.stamps.opened?.block(block)?.stampMax ?? null;
  }

  /** True when no put, tombstone or cell of these columns in the block is as new as the stamp; told by the footers. */
  isOlderThan(
    block: number,
    columns: readonly number[],
    [ms, low]: readonly [number, number],
    atHand: BlocksAtHand,
  ): boolean | undefined {
    const files: HeldFile<Holdable>[] = [this.#files.stamps, this.#files.flags];
    for (const id of columns) {
      const file = this.#keyColumns.includes(id) ? undefined : this.fileOf(id);
      if (file !== undefined) files.push(file);
    }
    let isOlder: boolean | undefined = true;
    for (const file of files) {
      const footer = atHand.footer(file);
      if (footer === undefined) isOlder = undefined;
      const max = footer?.block(block)?.stampMax ?? null;
      if (max !== null && (max[0] > ms || (max[0] === ms && max[1] >= low))) return false;
    }
    return isOlder;
  }
}
