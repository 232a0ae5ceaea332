/** An immutable segment on disk, read block by block. What the files hold is told in `segment-writer.ts`. */

import { decodeColumn } from '@tidemark/schema/column-codec';
import type { Physical } from '@tidemark/schema/column-type';
import { ColumnVector } from '@tidemark/schema/column-vector';
import type { Disk } from '@tidemark/world/disk';
import { Fault } from '@tidemark/world/fault';
import type { BlockCache } from './block-cache.ts';
import { compareBytes } from './bytes.ts';
import { ColumnFile } from './column-file.ts';
import type { SegmentFile, SegmentSummary } from './manifest.ts';
import { type Cells, Rows, type Want, widened } from './rows.ts';
import type { BlockRange, Source } from './source.ts';
import { StampCodec } from './stamp-codec.ts';
import { boundFromHex, type Zone } from './zone.ts';

/** Columns of a block that are in memory together for a point read. */
const COLUMNS_AT_A_TIME = 128;

export class Segment implements Source {
  readonly summary: SegmentSummary;
  readonly blocks: readonly BlockRange[];
  readonly kinds: ReadonlyMap<number, Physical>;
  /** Readers that use it; its files stay while there are any. */
  pins = 0;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #byColumn: ReadonlyMap<number, SegmentFile>;
  readonly #byName: ReadonlyMap<string, SegmentFile>;
  readonly #open = new Map<string, Promise<ColumnFile>>();
  readonly #stamps = new StampCodec();

  /** `folder` is the partition's. @throws {Fault} `corrupt`: `key.col` is missing or damaged. */
  static async open(
    disk: Disk,
    folder: string,
    summary: SegmentSummary,
    keyColumns: readonly number[],
  ): Promise<Segment> {
    const keyFile = summary.files.find((file) => file.name === 'key.col');
    const path = `${folder}/${summary.name}`;
    if (keyFile === undefined) throw new Fault('corrupt', `${path}: the manifest names no key.col`);
    const keys = await ColumnFile.open(disk, `${path}/key.col`, keyFile.bytes);
    return new Segment(disk, path, summary, keyColumns, keys);
  }

  private constructor(
    disk: Disk,
    path: string,
    summary: SegmentSummary,
    keyColumns: readonly number[],
    keys: ColumnFile,
  ) {
    this.#disk = disk;
    this.#folder = path;
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
    if (want.keys) decodeColumn((await this.#sections('key.col', block))[0]!, rowCount, rows.keys);
    if (want.stamps) await this.#readStamps(block, rows);
    for (const [id, kind] of want.columns) {
      const file = this.#byColumn.get(id);
      if (file !== undefined) await this.#readColumn(file, block, id, kind, rows, want.stamps);
    }
    return rows;
  }

  /** The row with that key, alone; null when there is none. One `cache` serves one `want`. */
  async find(key: Uint8Array, want: Want, cache: BlockCache): Promise<Rows | null> {
    const block = firstWhere(this.blocks.length, (i) => compareBytes(this.blocks[i]!.last, key) >= 0);
    if (block === this.blocks.length || compareBytes(this.blocks[block]!.first, key) > 0) return null;
    const name = `${this.summary.name}/${block}`;
    const keysOnly: Want = { columns: new Map(), keys: true, stamps: false };
    const { keys, rowCount } = await cache.get(`${name}/keys`, () => this.read(block, keysOnly));
    const row = firstWhere(rowCount, (i) => compareBytes(keys.bytesAt(i), key) >= 0);
    if (row === rowCount || compareBytes(keys.bytesAt(row), key) !== 0) return null;
    const found = new Rows(0, 1);
    const wanted = [...want.columns];
    // Some columns at a time, so that a block of a table with thousands of them is never all in memory.
    for (let first = 0; first === 0 || first < wanted.length; first += COLUMNS_AT_A_TIME) {
      const part: Want = { ...want, columns: new Map(wanted.slice(first, first + COLUMNS_AT_A_TIME)) };
      const rows = await cache.get(`${name}/${first}`, () => this.read(block, part));
      const alone = new Rows(0, 1);
      alone.append(rows, row, row + 1);
      if (first === 0) found.append(alone, 0, 1);
      else for (const [id, cells] of alone.columns) found.columns.set(id, cells);
    }
    return found;
  }

  async readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows> {
    return this.read(block, { columns, keys: false, stamps: false });
  }

  /** Reads every block of every file. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    for (const { name } of this.summary.files) {
      const file = await this.#file(name);
      for (const block of file.blocks) await file.readBlock(block.number);
    }
  }

  async #readStamps(block: number, rows: Rows): Promise<void> {
    const puts = await this.#sections('stamp.col', block);
    if (puts.length > 0) this.#stamps.decode(puts, rows.rowCount, rows.putMs, rows.putLow);
    const flags = await this.#file('flags.col');
    if ((flags.block(block)?.stampMin ?? null) === null) return;
    const tombs = (await this.#sections('flags.col', block)).slice(1);
    if (tombs.length !== 3) throw new Fault('corrupt', `${flags.path}, block ${block}: found no tombstone stamps`);
    rows.tombMs = new Float64Array(rows.rowCount).fill(-1);
    rows.tombLow = new Float64Array(rows.rowCount);
    this.#stamps.decode(tombs, rows.rowCount, rows.tombMs, rows.tombLow);
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
    const held = new ColumnVector(file.kind);
    decodeColumn(sections[0]!, rowCount, held);
    const vector = widened(held, kind, rowCount, `${this.#folder}/${file.name}`);
    const cells: Cells = { vector, ms: null, low: null };
    if (stamps && sections.length === 4) {
      cells.ms = rows.putMs.slice();
      cells.low = rows.putLow.slice();
      this.#stamps.decode(sections.slice(1), rowCount, cells.ms, cells.low);
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

/** The first of 0 … count − 1 for which `is` holds, given that it holds for all after; `count` when for none. */
function firstWhere(count: number, is: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
