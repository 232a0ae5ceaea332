/** Where a key is in a segment, and the keys of its blocks. */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import type { BytesChunk, Chunk } from '../encoding/chunk.ts';
import { vectorOf } from '../encoding/chunk-vector.ts';
import { KeyFilter } from '../key/key-filter.ts';
import { prefixPlace, rowOfBytes, rowOfKey } from '../key/key-search.ts';
import { KeyTables } from '../key/key-tables.ts';
import { compareBytes, prefixOf } from '../row/bytes.ts';
import type { BlockRange } from '../row/source.ts';
import type { BlockCache } from './block-cache.ts';
import type { HeldFile } from './held-file.ts';
import { joinKeys } from './key-columns.ts';
import type { KeyToFind } from './key-to-find.ts';
import { findReading, Lookup } from './lookup.ts';
import type { SegmentFiles } from './segment-files.ts';
import { cellsOf, type StoredBlock } from './stored-block.ts';
import { togetherOf } from './together.ts';

type KeysParts = {
  readonly files: SegmentFiles;
  readonly blocks: readonly BlockRange[];
  readonly firstRows: readonly number[];
  readonly keyColumns: readonly number[];
  readonly cache: BlockCache;
};

/** The keys of one segment. */
export class SegmentKeys {
  readonly #files: SegmentFiles;
  readonly #blocks: readonly BlockRange[];
  /** Number in the segment of each block's first row. */
  readonly #firstRows: readonly number[];
  readonly #keyColumns: readonly number[];
  /** Of each block's last key. */
  readonly #lastPrefixes: Float64Array;
  /** In the order of the key. */
  readonly #keyColumnFiles: readonly (HeldFile<StoredBlock> | undefined)[];
  readonly #keyTables: KeyTables;
  /** Undefined until it was read; null when there is none. */
  #filter: KeyFilter | null | undefined;

  constructor({ files, blocks, firstRows, keyColumns, cache }: KeysParts) {
    this.#files = files;
    this.#blocks = blocks;
    this.#firstRows = firstRows;
    this.#keyColumns = keyColumns;
    this.#keyColumnFiles = keyColumns.map((id) => files.byColumn.get(id));
    this.#lastPrefixes = Float64Array.from(blocks, ({ last }) => prefixOf(last, 0, last.length));
    this.#keyTables = new KeyTables(cache, blocks.length);
  }

  /** The number of the row with that key; −1 when there is none. */
  find(key: KeyToFind): number | Promise<number> {
    const lookup = new Lookup();
    return this.rowOf(key, lookup, false) ?? findReading(lookup, () => this.rowOf(key, lookup, false));
  }

  /** What tells which keys it does not hold; null when it has nothing of the kind. */
  async filter(): Promise<KeyFilter | null> {
    if (this.#filter === undefined) await this.#readFilter();
    return this.#filter ?? null;
  }

  /**
   * As `find`, for a lookup: undefined after a miss.
   * @param isLast true when no other segment is left that may have it: then its filter is asked only to spare the disk
   */
  rowOf(key: KeyToFind, lookup: Lookup, isLast: boolean): number | undefined {
    const blocks = this.#blocks;
    const block = this.#blockOf(key);
    if (block === blocks.length) return -1;
    const table = this.#keyTables.held(block);
    if (table === null && (!isLast || this.#keyColumnFiles[0]?.held(block) === undefined)) {
      if (compareBytes(blocks[block]!.first, key.bytes) > 0) return -1;
      if (this.#filter === undefined) {
        lookup.miss(() => this.#readFilter());
        return undefined;
      }
      if (this.#filter?.mayHave(key.filterHash) === false) return -1;
    }
    const row = table === null ? this.#search(block, key, lookup) : table.rowOf(key.bytes, key.tableHash);
    if (row === undefined || row === -1) return row;
    lookup.foundBlock = block;
    lookup.foundRow = row;
    return this.#firstRows[block]! + row;
  }

  /** The first block that does not end before the key; mostly told by the first bytes. */
  #blockOf({ bytes }: KeyToFind): number {
    const blocks = this.#blocks;
    const prefixes = this.#lastPrefixes;
    const prefix = prefixOf(bytes, 0, bytes.length);
    let block = prefixPlace(prefixes, prefix);
    while (prefixes[block] === prefix && compareBytes(blocks[block]!.last, bytes) < 0) block++;
    return block;
  }

  #search(block: number, key: KeyToFind, lookup: Lookup): number | undefined {
    if (this.#files.hasWholeKeys(block)) {
      const near = this.#rowNear(block, key.bytes, this.#files.keys.held(block) != null);
      const part = lookup.part(this.#files.keys, block, near);
      if (part === undefined) return missedNear(lookup, block, near);
      const row = rowOfBytes(part!.cells as BytesChunk, key.bytes);
      return row === -1 ? -1 : part!.firstRow + row;
    }
    const files = this.#keyColumnFiles;
    const near = this.#rowNear(block, key.bytes, this.#areKeysHeld(block));
    const parts = new Array<StoredBlock>(files.length);
    let isMissing = false;
    for (let i = 0; i < files.length; i++) {
      const part = files[i] === undefined ? null : lookup.part(files[i]!, block, near);
      if (part === null) throw this.#files.lacksPart(block, this.#keyColumns[i]!);
      if (part === undefined) isMissing = true;
      else parts[i] = part;
    }
    if (isMissing) return missedNear(lookup, block, near);
    const { firstRow, columns, rowCount } = togetherOf(parts);
    if (rowCount === this.#blocks[block]!.rowCount) this.#keyTables.noteSearch(block, columns, rowCount);
    const row = rowOfKey(columns, key.kinds, key.bytes, rowCount);
    return row === -1 ? -1 : firstRow + row;
  }

  /** True when all of a block's key columns are in memory whole: then nothing has to be known to search there. */
  #areKeysHeld(block: number): boolean {
    const files = this.#keyColumnFiles;
    for (let i = 0; i < files.length; i++) if (files[i]?.held(block) == null) return false;
    return true;
  }

  /** A row of the unit that a key is in if it is in the block. */
  #rowNear(block: number, key: Uint8Array, isHeld: boolean): number {
    return isHeld ? 0 : this.#files.keys.opened!.rowBefore(block, key);
  }

  /** The keys of a block, whole. @throws {Fault} `corrupt`: a part of the key has no values there. */
  async read(block: number, rowCount: number): Promise<ColumnVector> {
    const whole = await this.#files.keys.bytes(block);
    if (whole !== null && whole.units.length > 0) return vectorOf(cellsOf(whole, 'bytes'));
    const parts: Chunk[] = [];
    for (const id of this.#keyColumns) {
      const file = this.#files.byColumn.get(id);
      const bytes = file === undefined ? null : await file.bytes(block);
      if (bytes === null) throw this.#files.lacksPart(block, id);
      parts.push(cellsOf(bytes, file!.summary.kind));
    }
    return joinKeys(parts, rowCount);
  }

  async #readFilter(): Promise<void> {
    const file = this.#files.byName.get('filter.col');
    const section = file === undefined ? undefined : (await (await file.open()).readBlock(0)).units[0]?.[0];
    this.#filter = section === undefined ? null : new KeyFilter(new Uint8Array(section));
  }
}

/** Notes where the key is looked for, after a miss. */
function missedNear(lookup: Lookup, block: number, row: number): undefined {
  lookup.foundBlock = block;
  lookup.foundRow = row;
  lookup.isNear = true;
  return undefined;
}
