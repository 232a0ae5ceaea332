/** An immutable segment on disk, read block by block. What the files hold is told in `segment-writer.ts`. */

import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import type { Physical, Value } from '@tidemark/model/column-type';
import { xxh32 } from '@tidemark/model/hash';
import { stampFromColumns } from '@tidemark/model/stamp';
import type { Column, Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { decodeBlock } from '../encoding/block-decoder.ts';
import { type BytesChunk, type Chunk, rawOfChunk, stateOf } from '../encoding/chunk.ts';
import { vectorOf } from '../encoding/chunk-vector.ts';
import { Stamps } from '../encoding/stamp-codec.ts';
import { boundFromHex, type Zone } from '../encoding/zone.ts';
import { type GcWatermark, isBelow } from '../gc-watermark.ts';
import { KeyFilter } from '../key/key-filter.ts';
import { hashOfKey } from '../key/key-hash.ts';
import { keyKindsOf, prefixPlace, rowOfBytes, rowOfKey } from '../key/key-search.ts';
import { KeyTables } from '../key/key-tables.ts';
import { compareBytes, prefixOf } from '../row/bytes.ts';
import { fromRaw, ownRaw, setRaw, valueOfChunk } from '../row/raw-value.ts';
import type { StoredCell, StoredRow } from '../row/row-value.ts';
import { type Cells, Rows, type Want, widened } from '../row/rows.ts';
import type { BlockRange, Source } from '../row/source.ts';
import type { BlockCache } from './block-cache.ts';
import { type Block, ColumnFile } from './column-file.ts';
import { HeldFile } from './held-file.ts';
import { joinKeys } from './key-columns.ts';
import { findReading, Lookup } from './lookup.ts';
import type { SegmentSummary } from './manifest.ts';
import { StoredBlock, StoredStamps } from './stored-block.ts';

/** A key as it is looked for in several segments. One is made for every get: as `Lookup`, without private fields. */
export class KeyToFind {
  readonly bytes: Uint8Array;
  readonly table: Table;
  /** The hashes, once they were asked for. */
  madeFilterHash: number | null = null;
  madeTableHash: number | null = null;

  constructor(table: Table, bytes: Uint8Array) {
    this.bytes = bytes;
    this.table = table;
  }

  /** Of the table's key columns. */
  get kinds(): readonly Physical[] {
    return keyKindsOf(this.table);
  }

  /** That filters know it by. */
  get filterHash(): number {
    this.madeFilterHash ??= xxh32(this.bytes, 0, this.bytes.length);
    return this.madeFilterHash;
  }

  /** That key tables know it by. */
  get tableHash(): number {
    this.madeTableHash ??= hashOfKey(this.bytes);
    return this.madeTableHash;
  }
}

/** One segment's blocks and columns, opened file by file as they are needed. */
export class Segment implements Source {
  readonly summary: SegmentSummary;
  readonly blocks: readonly BlockRange[];
  /** Number in the segment of each block's first row. */
  readonly firstRows: readonly number[];
  readonly kinds: ReadonlyMap<number, Physical>;
  /** Readers that use it; its files stay while there are any. */
  pins = 0;
  readonly #folder: string;
  readonly #keyColumns: readonly number[];
  /** Of each block's last key. */
  readonly #lastPrefixes: Float64Array;
  readonly #byName: ReadonlyMap<string, HeldFile<StoredBlock>>;
  readonly #byColumn: ReadonlyMap<number, HeldFile<StoredBlock>>;
  /** The columns that values were asked of last, and their files. */
  #asked: {
    readonly columns: readonly Column[];
    readonly files: readonly (HeldFile<StoredBlock> | undefined)[];
  } | null = null;
  /** In the order of the key. */
  readonly #keyColumnFiles: readonly (HeldFile<StoredBlock> | undefined)[];
  readonly #keyFile: HeldFile<StoredBlock>;
  /** Of each block whether `key.col` has its keys whole. */
  readonly #hasWholeKeys: readonly boolean[];
  readonly #keyTables: KeyTables;
  /** Of each block whether all of its rows have a put; null until the file of flags was opened. */
  #allLive: readonly boolean[] | null = null;
  readonly #flagsFile: HeldFile<StoredBlock> | undefined;
  readonly #putStamps: HeldFile<StoredStamps> | undefined;
  /** Undefined until it was read; null when there is none. */
  #filter: KeyFilter | null | undefined;

  /** `folder` is the partition's. @throws {Fault} `corrupt`: `key.col` is missing or damaged. */
  static async open(
    disk: Disk,
    folder: string,
    summary: SegmentSummary,
    keyColumns: readonly number[],
    cache: BlockCache,
  ): Promise<Segment> {
    const keyFile = summary.files.find((file) => file.name === 'key.col');
    const path = `${folder}/${summary.name}`;
    if (keyFile === undefined) throw new Fault('corrupt', `${path}: the manifest names no key.col`);
    const keys = await ColumnFile.open(disk, `${path}/key.col`, keyFile.bytes);
    return new Segment(disk, path, summary, keyColumns, cache, keys);
  }

  private constructor(
    disk: Disk,
    path: string,
    summary: SegmentSummary,
    keyColumns: readonly number[],
    cache: BlockCache,
    keys: ColumnFile,
  ) {
    this.#folder = path;
    this.#keyColumns = keyColumns;
    this.summary = summary;
    const rowsOf = (block: number): number => this.blocks[block]!.rowCount;
    const files = summary.files.map((file) => {
      const plan = { disk, folder: path, summary: file, cache, rowsOf };
      const make = (sections: readonly Buffer[], rowCount: number) => new StoredBlock(sections, rowCount, file.kind);
      return new HeldFile({ ...plan, make, opened: file.name === 'key.col' ? keys : null });
    });
    this.#byName = new Map(files.map((file) => [file.summary.name, file]));
    this.#keyFile = this.#file('key.col');
    this.#flagsFile = this.#byName.get('flags.col');
    const columns = files.filter((file) => file.summary.column !== null);
    this.#byColumn = new Map(columns.map((file) => [file.summary.column!, file]));
    this.#keyColumnFiles = keyColumns.map((id) => this.#byColumn.get(id));
    const stamps = summary.files.find((file) => file.name === 'stamp.col');
    if (stamps !== undefined) {
      const make = (sections: readonly Buffer[], rowCount: number) => new StoredStamps(sections, rowCount);
      this.#putStamps = new HeldFile({ disk, folder: path, summary: stamps, cache, rowsOf, make, opened: null });
    }
    this.kinds = new Map(
      columns
        .map(({ summary: { column, kind } }) => [column!, kind] as const)
        .filter(([id]) => !keyColumns.includes(id)),
    );
    this.blocks = keys.blocks.map((block) => ({
      first: Buffer.from(block.first ?? '', 'hex'),
      last: Buffer.from(block.last ?? '', 'hex'),
      rowCount: block.rows,
    }));
    const firstRows: number[] = [];
    this.#lastPrefixes = Float64Array.from(this.blocks, ({ last }) => prefixOf(last, 0, last.length));
    let rowCount = 0;
    for (const block of this.blocks) {
      firstRows.push(rowCount);
      rowCount += block.rowCount;
    }
    this.firstRows = firstRows;
    this.#hasWholeKeys = this.blocks.map((_, block) => (keys.block(block)?.raw ?? 0) > 0);
    this.#keyTables = new KeyTables(cache, this.blocks.length);
  }

  get files(): Iterable<HeldFile<StoredBlock>> {
    return this.#byName.values();
  }

  /** Bytes of all its files. */
  get bytes(): number {
    return this.summary.files.reduce((sum, file) => sum + file.bytes, 0);
  }

  async zone(block: number, column: number): Promise<Zone | null> {
    const file = this.#byColumn.get(column);
    const rowCount = this.blocks[block]!.rowCount;
    if (file === undefined) return { rowCount, valueCount: 0, deletedCount: 0, min: null, max: null };
    const stored = (file.opened ?? (await file.open())).block(block);
    if (stored === undefined) return { rowCount, valueCount: 0, deletedCount: 0, min: null, max: null };
    const { values, deleted, min, max } = stored;
    return {
      rowCount,
      valueCount: values,
      deletedCount: deleted,
      min: min === null ? null : boundFromHex(file.summary.kind, min),
      max: max === null ? null : boundFromHex(file.summary.kind, max),
    };
  }

  async hasDead(block: number): Promise<boolean> {
    return ((await this.#flags.open()).block(block)?.deleted ?? 0) > 0;
  }

  async read(block: number, want: Want): Promise<Rows> {
    const { rowCount } = this.blocks[block]!;
    const rows = new Rows(rowCount);
    if (want.keys) rows.keys = await this.#readKeys(block, rowCount);
    if (want.stamps) await this.#readStamps(block, rows);
    for (const [id, kind] of want.columns) {
      const file = this.#byColumn.get(id);
      if (file !== undefined) await this.#readColumn(file, block, id, kind, rows, want.stamps);
    }
    return rows;
  }

  /** The cells of a column, or of a part of the key, in a block; null when no row has one. Held in memory for a while. */
  async column(block: number, id: number): Promise<Chunk | null> {
    const stored = await this.#byColumn.get(id)?.block(block);
    return stored?.cells ?? null;
  }

  /** As `column`, when it is in memory; else undefined. */
  heldColumn(block: number, id: number): Chunk | null | undefined {
    const file = this.#byColumn.get(id);
    if (file === undefined) return null;
    const stored = file.held(block);
    return stored === undefined || stored === null ? stored : stored.cells;
  }

  /** Per row of a block whether it has a put; null when all have. */
  async puts(block: number): Promise<Uint8Array | null> {
    if (!(await this.hasDead(block))) return null;
    const { cells } = (await this.#flags.block(block))!;
    const { rowCount } = this.blocks[block]!;
    return Uint8Array.from({ length: rowCount }, (_, row) => Number(rawOfChunk(cells, row)) & 1);
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
    const { blocks } = this;
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
    return this.firstRows[block]! + row;
  }

  /** The first block that does not end before the key; mostly told by the first bytes. */
  #blockOf({ bytes }: KeyToFind): number {
    const { blocks } = this;
    const prefixes = this.#lastPrefixes;
    const prefix = prefixOf(bytes, 0, bytes.length);
    let block = prefixPlace(prefixes, prefix);
    while (prefixes[block] === prefix && compareBytes(blocks[block]!.last, bytes) < 0) block++;
    return block;
  }

  #search(block: number, key: KeyToFind, lookup: Lookup): number | undefined {
    if (this.#hasWholeKeys[block]!) {
      const stored = lookup.block(this.#keyFile, block);
      if (stored === undefined) return undefined;
      return rowOfBytes(stored!.cells as BytesChunk, key.bytes);
    }
    const files = this.#keyColumnFiles;
    const columns = new Array<Chunk>(files.length);
    for (let i = 0; i < files.length; i++) {
      const stored = files[i] === undefined ? null : lookup.block(files[i]!, block);
      if (stored === undefined) return undefined;
      if (stored === null) throw this.#lacksPart(block, this.#keyColumns[i]!);
      columns[i] = stored.cells;
    }
    const { rowCount } = this.blocks[block]!;
    this.#keyTables.noteSearch(block, columns, rowCount);
    return rowOfKey(columns, key.kinds, key.bytes, rowCount);
  }

  /** The row that the lookup found here, when nothing else holds the key; null when it is not live. */
  storedRow(table: Table, key: Uint8Array, lookup: Lookup): StoredRow | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const puts = lookup.block(this.#stamps, block);
    if (puts === undefined) return undefined;
    const stamps = puts?.stamps ?? null;
    if (stamps?.has(row) !== true) return null;
    const stamp = stampFromColumns(stamps.msAt(row), stamps.lowAt(row));
    const cells: StoredCell[] = [];
    for (const { id, type, dropped } of table.columns) {
      if (dropped || !this.kinds.has(id)) continue;
      const stored = lookup.block(this.#byColumn.get(id)!, block);
      if (stored === undefined) return undefined;
      const state = stored === null ? CELL.absent : stateOf(stored.cells, row);
      if (state === CELL.absent) continue;
      const own = stored!.stamps;
      cells.push({
        column: id,
        value: state === CELL.deleted ? null : fromRaw(type, ownRaw(type, rawOfChunk(stored!.cells, row))),
        stamp: own?.has(row) === true ? stampFromColumns(own.msAt(row), own.lowAt(row)) : stamp,
      });
    }
    return { key: new Uint8Array(key), stamp, cells };
  }

  /** Values of that row, as `storedRow` has them; null where the row has none. */
  valuesOf(columns: readonly Column[], lookup: Lookup): (Value | null)[] | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const isLive = this.#isLive(block, row, lookup);
    if (isLive !== true) return isLive === undefined ? undefined : null;
    const files = this.#filesOf(columns);
    const values = new Array<Value | null>(columns.length);
    for (let i = 0; i < columns.length; i++) {
      const file = files[i];
      const stored = file === undefined ? null : lookup.block(file, block);
      if (stored === undefined) return undefined;
      values[i] = stored === null ? null : valueOfChunk(stored.cells, row, columns[i]!.type);
    }
    return values;
  }

  /** Who asks for many rows asks for the same columns of each. */
  #filesOf(columns: readonly Column[]): readonly (HeldFile<StoredBlock> | undefined)[] {
    const asked = this.#asked;
    if (asked !== null && areSame(asked.columns, columns)) return asked.files;
    const files = columns.map(({ id }) => this.#byColumn.get(id));
    this.#asked = { columns: [...columns], files };
    return files;
  }

  /** True when the row has a put. */
  #isLive(block: number, row: number, lookup: Lookup): boolean | undefined {
    const allLive = this.#allLive ?? this.#readAllLive(lookup);
    if (allLive === null) return undefined;
    if (allLive[block]!) return true;
    const stored = lookup.block(this.#flags, block);
    return stored === undefined ? undefined : (Number(rawOfChunk(stored!.cells, row)) & 1) === 1;
  }

  #readAllLive(lookup: Lookup): readonly boolean[] | null {
    const { opened } = this.#flags;
    if (opened === null) {
      lookup.miss(async () => void (await this.#flags.open()));
      return null;
    }
    this.#allLive = this.blocks.map((_, block) => (opened.block(block)?.deleted ?? 0) === 0);
    return this.#allLive;
  }

  #place(number: number): { readonly block: number; readonly row: number } {
    const { firstRows } = this;
    let block = 0;
    for (let high = firstRows.length; high - block > 1; ) {
      const middle = (block + high) >> 1;
      if (firstRows[middle]! > number) high = middle;
      else block = middle;
    }
    return { block, row: number - firstRows[block]! };
  }

  /** A row, alone, by its number in the segment. */
  async row(number: number, want: Want, key: Uint8Array): Promise<Rows> {
    const { block, row } = this.#place(number);
    const alone = new Rows(1);
    alone.keys.setBytes(0, key);
    const stamps = (await this.#stamps.block(block))?.stamps;
    if (stamps?.has(row) === true) {
      alone.putMs[0] = stamps.msAt(row);
      alone.putLow[0] = stamps.lowAt(row);
    }
    const tombs = (await this.hasTombs(block)) ? (await this.#flags.block(block))!.stamps : null;
    if (tombs?.has(row) === true) alone.setTomb(0, tombs.msAt(row), tombs.lowAt(row));
    for (const [id, kind] of want.columns) {
      const stored = await this.#byColumn.get(id)?.block(block);
      if (stored === undefined || stored === null) continue;
      const { cells, stamps: own } = stored;
      const state = stateOf(cells, row);
      if (state === CELL.absent) continue;
      const into = alone.cells(id, kind);
      if (state === CELL.deleted) into.vector.setDeleted(0);
      else setRaw(into.vector, 0, rawOfChunk(cells, row));
      if (own?.has(row) === true) alone.setCellStamp(into, 0, own.msAt(row), own.lowAt(row));
    }
    return alone;
  }

  async readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows> {
    return this.read(block, { columns, keys: false, stamps: false });
  }

  /** True when a row of the block has a tombstone. */
  async hasTombs(block: number): Promise<boolean> {
    return ((await this.#flags.open()).block(block)?.stampMin ?? null) !== null;
  }

  /**
   * Columns with cells in a block that say only that they were deleted, told by footers; null when neither these nor a
   * tombstone of the block can be below the GC watermark.
   */
  async deletions(block: number, gcWatermark: GcWatermark): Promise<number[] | null> {
    const isOf = (stored: Block | undefined): boolean =>
      stored !== undefined && stored.stampMin !== null && isBelow(...stored.stampMin, gcWatermark);
    const columns: number[] = [];
    for (const id of this.kinds.keys()) {
      const stored = (await this.#byColumn.get(id)!.open()).block(block);
      if ((stored?.deleted ?? 0) > 0 && isOf(stored)) columns.push(id);
    }
    return columns.length === 0 && !isOf((await this.#flags.open()).block(block)) ? null : columns;
  }

  /** Rows of a block that are tombstones only, every one of them below the GC watermark; 0 when one is not. */
  async forgettable(block: number, gcWatermark: GcWatermark): Promise<number> {
    const stored = (await this.#flags.open()).block(block);
    const max = stored?.stampMax ?? null;
    return max !== null && isBelow(...max, gcWatermark) ? stored!.deleted : 0;
  }

  /** No stamp in it is larger, [ms, low]; null when it has none. Told by the files' footers. */
  async stampMax(): Promise<readonly [number, number] | null> {
    let max: readonly [number, number] | null = null;
    for (const { name } of this.summary.files) {
      for (const { stampMax: one } of (await this.#file(name).open()).blocks) {
        if (one === null) continue;
        if (max === null || one[0] > max[0] || (one[0] === max[0] && one[1] > max[1])) max = one;
      }
    }
    return max;
  }

  /** Reads every block of every file. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    for (const { name } of this.summary.files) {
      const file = await this.#file(name).open();
      for (const block of file.blocks) await file.readBlock(block.number);
    }
  }

  async #readKeys(block: number, rowCount: number): Promise<ColumnVector> {
    const [section] = await this.#keyFile.sections(block);
    if (section !== undefined) return vectorOf(decodeBlock(section, rowCount, 'bytes'));
    const parts: Chunk[] = [];
    for (const id of this.#keyColumns) {
      const file = this.#byColumn.get(id);
      const sections = file === undefined ? [] : await file.sections(block);
      if (sections.length === 0) throw this.#lacksPart(block, id);
      parts.push(decodeBlock(sections[0]!, rowCount, file!.summary.kind));
    }
    return joinKeys(parts, rowCount);
  }

  #lacksPart(block: number, column: number): Fault {
    return new Fault('corrupt', `${this.#folder}, block ${block}: no values of key column ${column}`, { got: column });
  }

  async #readFilter(): Promise<void> {
    const file = this.#byName.get('filter.col');
    const [section] = file === undefined ? [] : await (await file.open()).readBlock(0);
    this.#filter = section === undefined ? null : new KeyFilter(new Uint8Array(section));
  }

  #file(name: string): HeldFile<StoredBlock> {
    return this.#byName.get(name) ?? this.#lacksFile(name);
  }

  get #flags(): HeldFile<StoredBlock> {
    return this.#flagsFile ?? this.#lacksFile('flags.col');
  }

  get #stamps(): HeldFile<StoredStamps> {
    return this.#putStamps ?? this.#lacksFile('stamp.col');
  }

  #lacksFile(name: string): never {
    throw new Fault('corrupt', `${this.#folder}: the manifest names no ${name}`, { got: name });
  }

  async #readStamps(block: number, rows: Rows): Promise<void> {
    const puts = await this.#stamps.sections(block);
    if (puts.length > 0) new Stamps(puts, rows.rowCount).fill(rows.putMs, rows.putLow);
    if (!(await this.hasTombs(block))) return;
    const tombs = (await this.#flags.sections(block)).slice(1);
    rows.tombMs = new Float64Array(rows.rowCount).fill(-1);
    rows.tombLow = new Float64Array(rows.rowCount);
    new Stamps(tombs, rows.rowCount).fill(rows.tombMs, rows.tombLow);
  }

  async #readColumn(
    file: HeldFile<StoredBlock>,
    block: number,
    id: number,
    kind: Physical,
    rows: Rows,
    stamps: boolean,
  ): Promise<void> {
    const sections = await file.sections(block);
    if (sections.length === 0) return;
    const { rowCount } = rows;
    const held = vectorOf(decodeBlock(sections[0]!, rowCount, file.summary.kind));
    const vector = widened(held, kind, rowCount, file.path);
    const cells: Cells = { vector, ms: null, low: null };
    if (stamps && sections.length === 4) {
      cells.ms = rows.putMs.slice();
      cells.low = rows.putLow.slice();
      new Stamps(sections.slice(1), rowCount).fill(cells.ms, cells.low);
    }
    rows.columns.set(id, cells);
  }
}

function areSame(a: readonly Column[], b: readonly Column[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
