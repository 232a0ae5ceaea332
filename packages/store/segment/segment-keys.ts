/** Where a key is in a segment, and the keys of its blocks. */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import { decodeBlock } from '../encoding/block-decoder.ts';
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
import type { StoredBlock } from './stored-block.ts';

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
      const stored = lookup.block(this.#files.keys, block);
      if (stored === undefined) return undefined;
      return rowOfBytes(stored!.cells as BytesChunk, key.bytes);
    }
    const files = this.#keyColumnFiles;
    const columns = new Array<Chunk>(files.length);
    for (let i = 0; i < files.length; i++) {
      const stored = files[i] === undefined ? null : lookup.block(files[i]!, block);
      if (stored === undefined) return undefined;
      if (stored === null) throw this.#files.lacksPart(block, this.#keyColumns[i]!);
      columns[i] = stored.cells;
    }
    const { rowCount } = this.#blocks[block]!;
    this.#keyTables.noteSearch(block, columns, rowCount);
    return rowOfKey(columns, key.kinds, key.bytes, rowCount);
  }

  /** The keys of a block, whole. @throws {Fault} `corrupt`: a part of the key has no values there. */
  async read(block: number, rowCount: number): Promise<ColumnVector> {
    const [section] = await this.#files.keys.sections(block);
    if (section !== undefined) return vectorOf(decodeBlock(section, rowCount, 'bytes'));
    const parts: Chunk[] = [];
    for (const id of this.#keyColumns) {
      const file = this.#files.byColumn.get(id);
      const sections = file === undefined ? [] : await file.sections(block);
      if (sections.length === 0) throw this.#files.lacksPart(block, id);
      parts.push(decodeBlock(sections[0]!, rowCount, file!.summary.kind));
    }
    return joinKeys(parts, rowCount);
  }

  async #readFilter(): Promise<void> {
    const file = this.#files.byName.get('filter.col');
    const [section] = file === undefined ? [] : await (await file.open()).readBlock(0);
    this.#filter = section === undefined ? null : new KeyFilter(new Uint8Array(section));
  }
}
