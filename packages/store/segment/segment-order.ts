/** A segment in key order: which blocks a range begins in, the keys of a block, and what a row in it is made of. */

import type { Physical } from '@tidemark/model/column-type';
import type { StoredCells } from '../cells/stored-cells.ts';
import type { BytesChunk, Chunk } from '../encoding/chunk.ts';
import { firstWhere } from '../key/key-search.ts';
import type { BlocksAtHand } from '../range/blocks-at-hand.ts';
import { KeyBlock } from '../range/key-block.ts';
import { compareBytes } from '../row/bytes.ts';
import type { BlockRange } from '../row/source.ts';
import type { HeldFile } from './held-file.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Part, StoredBlock, StoredStamps } from './stored-block.ts';

type OrderParts = {
  readonly files: SegmentFiles;
  readonly blocks: readonly BlockRange[];
  readonly keyColumns: readonly number[];
};

/** A column's file, and the column's place among those that are wanted. */
export type PlacedFile = { readonly place: number; readonly file: HeldFile<StoredBlock> };

/** Columns that are wanted of a segment: those with files of their own, and what has the cells of others; null: no others. */
export type PlacedColumns = { readonly own: readonly PlacedFile[]; readonly shared: HeldFile<StoredCells> | null };

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

  /** True when the keys of a block are in memory whole: then nothing has to be known to search there. */
  areKeysHeld(block: number): boolean {
    if (this.#files.hasWholeKeys(block)) return this.#files.keys.held(block) != null;
    const files = this.#keyFiles;
    for (let i = 0; i < files.length; i++) if (files[i]?.held(block) == null) return false;
    return true;
  }

  /** The first row of a block that may not be before these bytes, or one shortly before it. */
  rowNear(block: number, bytes: Uint8Array): number {
    return this.#files.keys.opened!.rowBefore(block, bytes);
  }

  /** The columns that the keys of a block are read of: `key.col` alone where it has them whole. */
  keyParts(block: number, row: number, atHand: BlocksAtHand): readonly StoredBlock[] | undefined {
    if (this.#files.hasWholeKeys(block)) {
      const part = atHand.part(this.#files.keys, block, row);
      return part === undefined ? undefined : [part!];
    }
    const files = this.#keyFiles;
    const parts = new Array<StoredBlock>(files.length);
    let isMissing = false;
    for (let i = 0; i < files.length; i++) {
      const part = files[i] === undefined ? null : atHand.part(files[i]!, block, row);
      if (part === null) throw this.#files.lacksPart(block, this.#keyColumns[i]!);
      if (part === undefined) isMissing = true;
      else parts[i] = part;
    }
    return isMissing ? undefined : parts;
  }

  /** The keys that chunks of those columns make. @param kinds of the key columns */
  keys(block: number, columns: readonly Chunk[], kinds: readonly Physical[], rowCount: number): KeyBlock {
    if (this.#files.hasWholeKeys(block)) return new KeyBlock([], kinds, columns[0] as BytesChunk, rowCount);
    return new KeyBlock(columns, kinds, null, rowCount);
  }

  /** Which of some columns, by their places among them, are in which file. Costs by the fewer of them and the files. */
  placed(columns: readonly number[], places: ReadonlyMap<number, number>): PlacedColumns {
    const { byColumn, shared, cells } = this.#files;
    const own: PlacedFile[] = [];
    if (columns.length < byColumn.size) {
      for (let place = 0; place < columns.length; place++) {
        const file = byColumn.get(columns[place]!);
        if (file !== undefined) own.push({ place, file });
      }
    } else {
      for (const [id, file] of byColumn) {
        const place = places.get(id);
        if (place !== undefined) own.push({ place, file });
      }
    }
    const isShared = cells !== null && columns.some((id) => shared.has(id));
    return { own, shared: isShared ? cells : null };
  }

  /** Flags of a block's rows around one, of which the lowest bit says that a row has a put; null when all have. */
  puts(block: number, row: number, atHand: BlocksAtHand): StoredBlock | null | undefined {
    const file = this.#files.flags;
    const { opened } = file;
    if (opened !== null && opened.block(block)?.deleted === 0) return null;
    return atHand.part(file, block, row);
  }

  /** The flags of a block's rows around one, with their tombstones; null when the block has none. */
  tombs(block: number, row: number, atHand: BlocksAtHand): StoredBlock | null | undefined {
    const file = this.#files.flags;
    const { opened } = file;
    if (opened !== null && opened.block(block)?.stampMin === null) return null;
    return atHand.part(file, block, row);
  }

  /** The put stamps of a block's rows around one; null when no row of the block has a put. */
  putStamps(block: number, row: number, atHand: BlocksAtHand): StoredStamps | null | undefined {
    return atHand.part(this.#files.stamps, block, row);
  }

  /** No put of a block has a larger stamp, [ms, low]; null where that is not known yet, or there is none. */
  putStampMax(block: number): readonly [number, number] | null {
    return this.#files.stamps.opened?.block(block)?.stampMax ?? null;
  }

  /** True when no put, tombstone or cell of these columns in the block is as new as the stamp; told by the footers. */
  isOlderThan(
    block: number,
    { own, shared }: PlacedColumns,
    [ms, low]: readonly [number, number],
    atHand: BlocksAtHand,
  ): boolean | undefined {
    const files: HeldFile<StoredBlock | StoredStamps | StoredCells>[] = [];
    const add = (file: unknown): number => files.push(file as HeldFile<StoredBlock>);
    add(this.#files.stamps);
    add(this.#files.flags);
    for (const { file } of own) if (!this.#keyColumns.includes(file.summary.column!)) add(file);
    if (shared !== null) add(shared);
    let isOlder: boolean | undefined = true;
    for (const file of files) {
      const footer = atHand.footer(file as HeldFile<Part>);
      if (footer === undefined) isOlder = undefined;
      const max = footer?.block(block)?.stampMax ?? null;
      if (max !== null && (max[0] > ms || (max[0] === ms && max[1] >= low))) return false;
    }
    return isOlder;
  }
}
