/** An immutable segment on disk, read block by block. What the files hold is told in `segment-writer.ts`. */

import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { type Chunk, rawOfChunk } from '../encoding/chunk.ts';
import { vectorOf } from '../encoding/chunk-vector.ts';
import { Stamps } from '../encoding/stamp-codec.ts';
import { boundFromHex, type Zone } from '../encoding/zone.ts';
import { type GcWatermark, isBelow } from '../gc-watermark.ts';
import { type Cells, Rows, type Want, widened } from '../row/rows.ts';
import type { BlockRange, Source } from '../row/source.ts';
import type { BlockCache } from './block-cache.ts';
import { type Block, ColumnFile } from './column-file.ts';
import type { HeldFile } from './held-file.ts';
import type { SegmentSummary } from './manifest.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentKeys } from './segment-keys.ts';
import { SegmentOrder } from './segment-order.ts';
import { SegmentRows } from './segment-rows.ts';
import { cellsOf, type StoredBlock, stampUnits } from './stored-block.ts';

/** One segment's blocks and columns, opened file by file as they are needed. */
export class Segment implements Source {
  readonly summary: SegmentSummary;
  readonly blocks: readonly BlockRange[];
  /** Number in the segment of each block's first row. */
  readonly firstRows: readonly number[];
  readonly kinds: ReadonlyMap<number, Physical>;
  /** Those whose cells are in `cells.col`. */
  readonly shared: ReadonlyMap<number, number>;
  /** Readers that use it; its files stay while there are any. */
  pins = 0;
  /** Where a key is in it. */
  readonly keys: SegmentKeys;
  /** Its rows, one at a time. */
  readonly rows: SegmentRows;
  /** Its rows in key order, as ranges read them. */
  readonly order: SegmentOrder;
  readonly #files: SegmentFiles;

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
    this.summary = summary;
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
    const files = new SegmentFiles({ disk, folder: path, summary, cache, blocks: this.blocks, keys });
    this.#files = files;
    this.kinds = new Map(
      [...files.byColumn]
        .map(([id, file]) => [id, file.summary.kind] as const)
        .filter(([id]) => !keyColumns.includes(id))
        .concat([...files.shared].map(([id, { kind }]) => [id, kind])),
    );
    this.shared = new Map([...files.shared].map(([id, { bytes }]) => [id, bytes]));
    this.keys = new SegmentKeys({ files, blocks: this.blocks, firstRows, keyColumns, cache });
    this.order = new SegmentOrder({ files, blocks: this.blocks, keyColumns });
    this.rows = new SegmentRows(files, firstRows, this.kinds);
  }

  get files(): Iterable<HeldFile<StoredBlock>> {
    return this.#files.byName.values();
  }

  /** Bytes of all its files. */
  get bytes(): number {
    return this.summary.files.reduce((sum, file) => sum + file.bytes, 0);
  }

  async zone(block: number, column: number): Promise<Zone | null> {
    if (this.shared.has(column)) return null;
    const file = this.#files.byColumn.get(column);
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
    return ((await this.#files.flags.open()).block(block)?.deleted ?? 0) > 0;
  }

  async read(block: number, want: Want): Promise<Rows> {
    const { rowCount } = this.blocks[block]!;
    const rows = new Rows(rowCount);
    if (want.keys) rows.keys = await this.keys.read(block, rowCount);
    if (want.stamps) await this.#readStamps(block, rows);
    const shared: [number, Physical][] = [];
    for (const [id, kind] of want.columns) {
      const file = this.#files.byColumn.get(id);
      if (file !== undefined) await this.#readColumn(file, block, id, kind, rows, want.stamps);
      else if (this.shared.has(id)) shared.push([id, kind]);
    }
    const isShared = want.shared !== undefined && want.shared.size > 0;
    if (shared.length > 0 || isShared) await this.#readShared(block, shared, want, rows);
    return rows;
  }

  /** The cells of a column, or of a part of the key, in a block; null when no row has one. Held in memory for a while. */
  async column(block: number, id: number): Promise<Chunk | null> {
    const shared = this.#files.shared.get(id);
    if (shared !== undefined) return (await this.#files.cells!.block(block))?.chunk(id, shared.kind) ?? null;
    const stored = await this.#files.byColumn.get(id)?.block(block);
    return stored?.cells ?? null;
  }

  /** As `column`, when it is in memory; else undefined. */
  heldColumn(block: number, id: number): Chunk | null | undefined {
    const shared = this.#files.shared.get(id);
    if (shared !== undefined) {
      const cells = this.#files.cells!.held(block);
      return cells === undefined || cells === null ? cells : cells.chunk(id, shared.kind);
    }
    const file = this.#files.byColumn.get(id);
    if (file === undefined) return null;
    const stored = file.held(block);
    return stored === undefined || stored === null ? stored : stored.cells;
  }

  /** Per row of a block whether it has a put; null when all have. */
  async puts(block: number): Promise<Uint8Array | null> {
    if (!(await this.hasDead(block))) return null;
    const { cells } = (await this.#files.flags.block(block))!;
    const { rowCount } = this.blocks[block]!;
    return Uint8Array.from({ length: rowCount }, (_, row) => Number(rawOfChunk(cells, row)) & 1);
  }

  async readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows> {
    return this.read(block, { columns, keys: false, stamps: false });
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
      const stored = (await this.#files.byColumn.get(id)?.open())?.block(block);
      if ((stored?.deleted ?? 0) > 0 && isOf(stored)) columns.push(id);
    }
    const cells = (await this.#files.cells?.open())?.block(block);
    // The footer says only that there are some: which columns they are of, the cells do.
    if ((cells?.deleted ?? 0) > 0 && isOf(cells)) columns.push(...(await this.#deletedIn(block)));
    return columns.length === 0 && !isOf((await this.#files.flags.open()).block(block)) ? null : columns;
  }

  /** Rows of a block that are tombstones only, every one of them below the GC watermark; 0 when one is not. */
  async forgettable(block: number, gcWatermark: GcWatermark): Promise<number> {
    const stored = (await this.#files.flags.open()).block(block);
    const max = stored?.stampMax ?? null;
    return max !== null && isBelow(...max, gcWatermark) ? stored!.deleted : 0;
  }

  /** No stamp in it is larger, [ms, low]; null when it has none. Told by the files' footers. */
  async stampMax(): Promise<readonly [number, number] | null> {
    let max: readonly [number, number] | null = null;
    for (const { name } of this.summary.files) {
      for (const { stampMax: one } of (await this.#files.named(name).open()).blocks) {
        if (one === null) continue;
        if (max === null || one[0] > max[0] || (one[0] === max[0] && one[1] > max[1])) max = one;
      }
    }
    return max;
  }

  /** Reads every block of every file. @throws {Fault} `corrupt`: names file, block and both sums. */
  async verify(): Promise<void> {
    for (const { name } of this.summary.files) {
      const file = await this.#files.named(name).open();
      for (const block of file.blocks) await file.readBlock(block.number);
    }
  }

  /** Columns that have a deleted cell among those of `cells.col`. */
  async #deletedIn(block: number): Promise<Set<number>> {
    const cells = (await this.#files.cells!.block(block))!;
    const ids = new Set<number>();
    for (const [cell, id] of cells.columns.entries()) if (cells.stateOf(cell) === CELL.deleted) ids.add(id);
    return ids;
  }

  /** Cells of `cells.col`: some columns each as one, others row by row. */
  async #readShared(block: number, asColumns: readonly [number, Physical][], want: Want, rows: Rows): Promise<void> {
    const cells = (await this.#files.cells?.unkept(block)) ?? null;
    if (cells === null) return;
    if (want.shared !== undefined) rows.shared = cells.rowCells(want.shared, rows);
    for (const [id, kind] of asColumns) {
      const vector = cells.column(id, this.#files.shared.get(id)!.kind);
      if (vector === null) continue;
      const held: Cells = {
        vector: widened(vector, kind, rows.rowCount, this.#files.cells!.path),
        ms: null,
        low: null,
      };
      const [ms, low] = want.stamps ? [rows.putMs.slice(), rows.putLow.slice()] : [rows.putMs, rows.putLow];
      if (want.stamps && cells.fillStamps(id, ms, low)) [held.ms, held.low] = [ms, low];
      rows.columns.set(id, held);
    }
  }

  async #readStamps(block: number, rows: Rows): Promise<void> {
    const puts = await this.#files.stamps.bytes(block);
    if (puts !== null) new Stamps(stampUnits(puts, 0)!).fill(rows.putMs, rows.putLow);
    if (!(await this.#files.hasTombs(block))) return;
    const tombs = stampUnits((await this.#files.flags.bytes(block))!, 1);
    rows.tombMs = new Float64Array(rows.rowCount).fill(-1);
    rows.tombLow = new Float64Array(rows.rowCount);
    if (tombs !== null) new Stamps(tombs).fill(rows.tombMs, rows.tombLow);
  }

  async #readColumn(
    file: HeldFile<StoredBlock>,
    block: number,
    id: number,
    kind: Physical,
    rows: Rows,
    stamps: boolean,
  ): Promise<void> {
    const bytes = await file.bytes(block);
    if (bytes === null) return;
    const { rowCount } = rows;
    const vector = widened(vectorOf(cellsOf(bytes, file.summary.kind)), kind, rowCount, file.path);
    const cells: Cells = { vector, ms: null, low: null };
    const own = stamps ? stampUnits(bytes, 1) : null;
    if (own !== null) {
      cells.ms = rows.putMs.slice();
      cells.low = rows.putLow.slice();
      new Stamps(own).fill(cells.ms, cells.low);
    }
    rows.columns.set(id, cells);
  }
}
