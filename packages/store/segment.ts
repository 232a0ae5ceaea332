/** An immutable segment on disk, read block by block. What the files hold is told in `segment-writer.ts`. */

import type { Physical } from '@tidemark/schema/column-type';
import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import { xxh32 } from '@tidemark/schema/hash';
import { stampFromColumns } from '@tidemark/schema/stamp';
import type { Table } from '@tidemark/schema/table';
import type { Disk } from '@tidemark/world/disk';
import { Fault } from '@tidemark/world/fault';
import type { BlockCache, Holdable } from './block-cache.ts';
import { decodeBlock } from './block-decoder.ts';
import { compareBytes } from './bytes.ts';
import { type Chunk, rawOfChunk, stateOf } from './chunk.ts';
import { vectorOf } from './chunk-vector.ts';
import { ColumnFile } from './column-file.ts';
import { joinKeys } from './key-columns.ts';
import { KeyFilter } from './key-filter.ts';
import { comparerOf, firstWhere, partsOf } from './key-search.ts';
import type { SegmentFile, SegmentSummary } from './manifest.ts';
import { fromRaw, ownRaw, setRaw } from './raw-value.ts';
import type { StoredCell, StoredRow } from './row-value.ts';
import { type Cells, Rows, type Want, widened } from './rows.ts';
import type { BlockRange, Source } from './source.ts';
import { Stamps } from './stamp-codec.ts';
import { StoredBlock, StoredStamps } from './stored-block.ts';
import { boundFromHex, type Zone } from './zone.ts';

/** Tells segments of all partitions apart in a cache. */
let segmentCount = 0;

/** A key as its bytes, its hash and its parts: made once, looked for in several segments. */
export type KeyToFind = {
  readonly bytes: Uint8Array;
  readonly hash: number;
  readonly parts: readonly (number | bigint | Uint8Array)[];
};

/** Null for bytes that are no whole key of the table, and so of no row. */
export function keyToFind(table: Table, bytes: Uint8Array): KeyToFind | null {
  const parts = partsOf(table, bytes);
  return parts === null ? null : { bytes, hash: xxh32(bytes, 0, bytes.length), parts };
}

export class Segment implements Source {
  readonly summary: SegmentSummary;
  readonly blocks: readonly BlockRange[];
  /** Number in the segment of each block's first row. */
  readonly firstRows: readonly number[];
  readonly kinds: ReadonlyMap<number, Physical>;
  /** Readers that use it; its files stay while there are any. */
  pins = 0;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #cache: BlockCache;
  readonly #number = segmentCount++;
  readonly #keyColumns: readonly number[];
  readonly #byColumn: ReadonlyMap<number, SegmentFile>;
  readonly #byName: ReadonlyMap<string, SegmentFile>;
  readonly #open = new Map<string, Promise<ColumnFile>>();
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
    this.#disk = disk;
    this.#folder = path;
    this.#cache = cache;
    this.#keyColumns = keyColumns;
    this.summary = summary;
    this.#byName = new Map(summary.files.map((file) => [file.name, file]));
    const columns = summary.files.filter((file) => file.column !== null);
    this.#byColumn = new Map(columns.map((file) => [file.column!, file]));
    this.kinds = new Map(columns.filter((f) => !keyColumns.includes(f.column!)).map((f) => [f.column!, f.kind]));
    this.#open.set('key.col', Promise.resolve(keys));
    this.blocks = keys.blocks.map((block) => ({
      first: Buffer.from(block.first ?? '', 'hex'),
      last: Buffer.from(block.last ?? '', 'hex'),
      rowCount: block.rows,
    }));
    const firstRows: number[] = [];
    let rowCount = 0;
    for (const block of this.blocks) {
      firstRows.push(rowCount);
      rowCount += block.rowCount;
    }
    this.firstRows = firstRows;
  }

  /** Bytes of all its files. */
  get bytes(): number {
    return this.summary.files.reduce((sum, file) => sum + file.bytes, 0);
  }

  async zone(block: number, column: number): Promise<Zone | null> {
    const file = this.#byColumn.get(column);
    const rowCount = this.blocks[block]!.rowCount;
    if (file === undefined) return { rowCount, valueCount: 0, deletedCount: 0, min: null, max: null };
    const stored = (await this.#file(file.name)).block(block);
    if (stored === undefined) return { rowCount, valueCount: 0, deletedCount: 0, min: null, max: null };
    const { values, deleted, min, max } = stored;
    return {
      rowCount,
      valueCount: values,
      deletedCount: deleted,
      min: min === null ? null : boundFromHex(file.kind, min),
      max: max === null ? null : boundFromHex(file.kind, max),
    };
  }

  async hasDead(block: number): Promise<boolean> {
    return ((await this.#file('flags.col')).block(block)?.deleted ?? 0) > 0;
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
    return (await this.#stored(block, id))?.cells ?? null;
  }

  /** Per row of a block whether it has a put; null when all have. */
  async puts(block: number): Promise<Uint8Array | null> {
    if (!(await this.hasDead(block))) return null;
    const { cells } = await this.#flags(block);
    const { rowCount } = this.blocks[block]!;
    return Uint8Array.from({ length: rowCount }, (_, row) => Number(rawOfChunk(cells, row)) & 1);
  }

  /** The number of the row with that key; −1 when there is none. */
  async find(key: KeyToFind): Promise<number> {
    const { blocks } = this;
    const block = firstWhere(blocks.length, (i) => compareBytes(blocks[i]!.last, key.bytes) >= 0);
    if (block === blocks.length || compareBytes(blocks[block]!.first, key.bytes) > 0) return -1;
    if (this.#filter === undefined) this.#filter = await this.#readFilter();
    if (this.#filter?.mayHave(key.hash) === false) return -1;
    const { rowCount } = blocks[block]!;
    const compare = await this.#comparer(block, key);
    const row = firstWhere(rowCount, (i) => compare(i) >= 0);
    return row < rowCount && compare(row) === 0 ? this.firstRows[block]! + row : -1;
  }

  /** A row by its number in the segment, when nothing else holds the key; null when it is not live. */
  async storedRow(number: number, table: Table, key: Uint8Array): Promise<StoredRow | null> {
    const { block, row } = this.#place(number);
    const { stamps } = this.#held<StoredStamps>('stamp.col', block) ?? (await this.#puts(block));
    if (stamps?.has(row) !== true) return null;
    const stamp = stampFromColumns(stamps.msAt(row), stamps.lowAt(row));
    const cells: StoredCell[] = [];
    for (const { id, type, dropped } of table.columns) {
      if (dropped || !this.kinds.has(id)) continue;
      const found = this.#stored(block, id);
      const stored = found instanceof Promise ? await found : found;
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

  #place(number: number): { readonly block: number; readonly row: number } {
    const block = firstWhere(this.blocks.length, (i) => this.firstRows[i]! > number) - 1;
    return { block, row: number - this.firstRows[block]! };
  }

  /** A row, alone, by its number in the segment. */
  async row(number: number, want: Want, key: Uint8Array): Promise<Rows> {
    const { block, row } = this.#place(number);
    const alone = new Rows(1);
    alone.keys.setBytes(0, key);
    const { stamps } = await this.#puts(block);
    if (stamps?.has(row) === true) {
      alone.putMs[0] = stamps.msAt(row);
      alone.putLow[0] = stamps.lowAt(row);
    }
    const tombs = (await this.hasTombs(block)) ? (await this.#flags(block)).stamps : null;
    if (tombs?.has(row) === true) alone.setTomb(0, tombs.msAt(row), tombs.lowAt(row));
    for (const [id, kind] of want.columns) {
      const stored = await this.#stored(block, id);
      if (stored === null) continue;
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
    return ((await this.#file('flags.col')).block(block)?.stampMin ?? null) !== null;
  }

  /** No stamp in it is larger, [ms, low]; null when it has none. Told by the files' footers. */
  async stampMax(): Promise<readonly [number, number] | null> {
    let max: readonly [number, number] | null = null;
    for (const { name } of this.summary.files) {
      for (const { stampMax: one } of (await this.#file(name)).blocks) {
        if (one === null) continue;
        if (max === null || one[0] > max[0] || (one[0] === max[0] && one[1] > max[1])) max = one;
      }
    }
    return max;
  }

  /** Reads every block of every file. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    for (const { name } of this.summary.files) {
      const file = await this.#file(name);
      for (const block of file.blocks) await file.readBlock(block.number);
    }
  }

  async #readKeys(block: number, rowCount: number): Promise<ColumnVector> {
    const [section] = await this.#sections('key.col', block);
    if (section !== undefined) return vectorOf(decodeBlock(section, rowCount, 'bytes'));
    const parts: Chunk[] = [];
    for (const id of this.#keyColumns) {
      const file = this.#byColumn.get(id);
      const sections = file === undefined ? [] : await this.#sections(file.name, block);
      if (sections.length === 0) throw this.#lacksPart(block, id);
      parts.push(decodeBlock(sections[0]!, rowCount, file!.kind));
    }
    return joinKeys(parts, rowCount);
  }

  /** Orders the keys of a block's rows against one. */
  async #comparer(block: number, key: KeyToFind): Promise<(row: number) => number> {
    const stored = (await this.#file('key.col')).block(block)?.raw ?? 0;
    if (stored > 0) {
      const { cells } = await this.#block('key.col', block, 'bytes');
      return (row) => compareBytes(rawOfChunk(cells, row) as Uint8Array, key.bytes);
    }
    const columns: Chunk[] = [];
    for (const id of this.#keyColumns) {
      const found = this.#stored(block, id);
      const part = found instanceof Promise ? await found : found;
      if (part === null) throw this.#lacksPart(block, id);
      columns.push(part.cells);
    }
    return comparerOf(columns, key.parts);
  }

  #lacksPart(block: number, column: number): Fault {
    return new Fault('corrupt', `${this.#folder}, block ${block}: no values of key column ${column}`, { got: column });
  }

  async #readFilter(): Promise<KeyFilter | null> {
    if (!this.#byName.has('filter.col')) return null;
    const [section] = await (await this.#file('filter.col')).readBlock(0);
    return section === undefined ? null : new KeyFilter(new Uint8Array(section));
  }

  #stored(block: number, id: number): Promise<StoredBlock | null> | StoredBlock | null {
    const file = this.#byColumn.get(id);
    if (file === undefined) return null;
    return this.#held<StoredBlock>(file.name, block) ?? this.#load(file, block);
  }

  async #load(file: SegmentFile, block: number): Promise<StoredBlock | null> {
    if ((await this.#file(file.name)).block(block) === undefined) return null;
    return this.#block(file.name, block, file.kind);
  }

  #block(name: string, block: number, kind: Physical): Promise<StoredBlock> {
    const { rowCount } = this.blocks[block]!;
    return this.#cache.get(this.#nameOf(name, block), async () => {
      return new StoredBlock(await this.#sections(name, block), rowCount, kind);
    });
  }

  #held<T extends Holdable>(file: string, block: number): T | undefined {
    return this.#cache.held<T>(this.#nameOf(file, block));
  }

  #flags(block: number): Promise<StoredBlock> {
    return this.#block('flags.col', block, 'i32');
  }

  #puts(block: number): Promise<StoredStamps> {
    return this.#cache.get(this.#nameOf('stamp.col', block), async () => {
      return new StoredStamps(await this.#sections('stamp.col', block), this.blocks[block]!.rowCount);
    });
  }

  #nameOf(file: string, block: number): string {
    return `${this.#number}/${file}/${block}`;
  }

  async #readStamps(block: number, rows: Rows): Promise<void> {
    const puts = await this.#sections('stamp.col', block);
    if (puts.length > 0) new Stamps(puts, rows.rowCount).fill(rows.putMs, rows.putLow);
    if (!(await this.hasTombs(block))) return;
    const tombs = (await this.#sections('flags.col', block)).slice(1);
    rows.tombMs = new Float64Array(rows.rowCount).fill(-1);
    rows.tombLow = new Float64Array(rows.rowCount);
    new Stamps(tombs, rows.rowCount).fill(rows.tombMs, rows.tombLow);
  }

  async #readColumn(
    file: SegmentFile,
    block: number,
    id: number,
    kind: Physical,
    rows: Rows,
    stamps: boolean,
  ): Promise<void> {
    const sections = await this.#sections(file.name, block);
    if (sections.length === 0) return;
    const { rowCount } = rows;
    const held = vectorOf(decodeBlock(sections[0]!, rowCount, file.kind));
    const vector = widened(held, kind, rowCount, `${this.#folder}/${file.name}`);
    const cells: Cells = { vector, ms: null, low: null };
    if (stamps && sections.length === 4) {
      cells.ms = rows.putMs.slice();
      cells.low = rows.putLow.slice();
      new Stamps(sections.slice(1), rowCount).fill(cells.ms, cells.low);
    }
    rows.columns.set(id, cells);
  }

  async #sections(name: string, block: number): Promise<Buffer[]> {
    const file = await this.#file(name);
    const [got, expected] = [file.block(block)?.rows ?? null, this.blocks[block]!.rowCount];
    if (got !== null && got !== expected) {
      throw new Fault('corrupt', `${file.path}, block ${block}: ${got} rows, key.col has ${expected}`, {
        got,
        expected,
      });
    }
    return file.readBlock(block);
  }

  #file(name: string): Promise<ColumnFile> {
    let file = this.#open.get(name);
    if (file === undefined) {
      const summary = this.#byName.get(name);
      if (summary === undefined) throw new Fault('corrupt', `${this.#folder}: the manifest names no ${name}`);
      file = ColumnFile.open(this.#disk, `${this.#folder}/${name}`, summary.bytes).then((opened) => {
        const { column, kind } = opened.content;
        if (column === summary.column && kind === summary.kind) return opened;
        const [got, expected] = [`column ${column}, ${kind}`, `column ${summary.column}, ${summary.kind}`];
        throw new Fault('corrupt', `${opened.path} holds ${got}; the manifest says ${expected}`, { got, expected });
      });
      this.#open.set(name, file);
      // What failed once may work the next time; whoever asked sees the error.
      file.catch(() => this.#open.delete(name));
    }
    return file;
  }
}
