/**
 * Writes a segment's files: a folder with one for each column, all with the same blocks of rows.
 *
 *   key.col     section 0: the row keys; nothing where the key columns' files give them
 *   filter.col  which keys are not in the segment (see `key-filter.ts`); not in every segment
 *   stamp.col   sections 0–2: put stamps (see `stamp-codec.ts`); a row without a put is absent
 *   flags.col   section 0: per row 1 (has a put) + 2 (has a tombstone); sections 1–3, where a row of the block has
 *               a tombstone: tombstone stamps
 *   cells.col   cells of columns that have few, row by row. Sections of a unit with any: 0: how many each row has; 1: their
 *               column ids, ascending within a row; 2: values as bytes (see `cell-bytes.ts`); 3–5: as 1–3 of a column
 *   <id>-<name>.col  a column. Section 0: its cells; sections 1–3, where a cell's stamp is not its row's put stamp:
 *               the stamps of those cells. Key columns have such a file too, without stamps.
 */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import { type Physical, physicalOf } from '@tidemark/model/column-type';
import { xxh32 } from '@tidemark/model/hash';
import { keyColumns, type Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { CellsWriter } from '../cells/cells-writer.ts';
import { encodeBlock } from '../encoding/block-encoder.ts';
import type { CompressionOf } from '../encoding/compression.ts';
import { bytesOfRows, unitRowsFor } from '../encoding/cut-section.ts';
import { type StampBounds, StampCodec, stampBounds } from '../encoding/stamp-codec.ts';
import { boundToHex, zoneOf } from '../encoding/zone.ts';
import { KeyFilter } from '../key/key-filter.ts';
import { type SplitKeys, splitKeys } from '../key/key-split.ts';
import { type Cells, NO_STAMP, type Rows } from '../row/rows.ts';
import { type BlockParts, ColumnFileWriter, cutBlock, uncut } from './column-file-writer.ts';
import { isMadeOf } from './key-columns.ts';
import type { SegmentFile, SegmentSummary } from './manifest.ts';
import { separatorOf } from './page-list.ts';
import type { SegmentPlan } from './segment-plan.ts';

const NAME_CHARACTERS_MAX = 40;
/** Of the three sections of stamps. */
const STAMP_KINDS = ['whole', 'i32', 'whole'] as const;

type OpenColumn = { readonly id: number; readonly kind: Physical; writer: ColumnFileWriter | null };

/** Takes the rows of a segment in key order, block by block, once for each group of columns. */
export class SegmentWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #table: Table;
  readonly #compressionOf: CompressionOf;
  readonly #blockRows: number;
  readonly #stamps = new StampCodec();
  readonly #files: SegmentFile[] = [];
  #columns: OpenColumn[] = [];
  /** key.col, stamp.col and flags.col, in the first pass. */
  #heads: [ColumnFileWriter, ColumnFileWriter, ColumnFileWriter] | null = null;
  /** Of the columns that share a file, and that file, in the first pass. */
  readonly #cells: CellsWriter;
  #cellsFile: ColumnFileWriter | null = null;
  /** While it is written. */
  #filter: ColumnFileWriter | null = null;
  #rowCount = 0;
  #first: string | null = null;
  #last = '';
  #isFirstPass = true;
  /** The number of the next block. */
  #block = 0;
  /** Of the rows being written: whether all are live, and the bounds of their put stamps. */
  #isAllLive = false;
  #putBounds: StampBounds = { stampMin: null, stampMax: null };
  readonly #flags = new ColumnVector('i32');
  /** The key columns of the block being written. */
  readonly #keyVectors = new Map<number, ColumnVector>();

  /** Hashes of the keys so far; null when there is to be no filter. */
  #hashes: Uint32Array | null;

  /** Rows of the smallest unit of the block being written: separators stand as close as that. */
  #unitRowsMin = 0;

  /** @param shared columns that share a file, with their kinds */
  constructor(
    { disk, table, isFiltered, compressionOf, blockRows }: SegmentPlan,
    path: string,
    shared: ReadonlyMap<number, Physical>,
  ) {
    this.#cells = new CellsWriter(shared, blockRows);
    this.#blockRows = blockRows;
    this.#hashes = isFiltered ? new Uint32Array(1024) : null;
    this.#disk = disk;
    this.#path = path;
    this.#table = table;
    this.#compressionOf = compressionOf;
  }

  /** What the manifest says of it, after the last pass; null when there were no rows. */
  get summary(): Omit<SegmentSummary, 'name'> | null {
    if (this.#first === null) return null;
    const files = this.#files;
    return { rows: this.#rowCount, first: this.#first, last: this.#last, files };
  }

  async beginPass(columns: ReadonlyMap<number, Physical>, isFirst: boolean): Promise<void> {
    this.#isFirstPass = isFirst;
    this.#block = 0;
    const all = isFirst ? [...keyColumns(this.#table).map((c) => [c.id, physicalOf(c.type)] as const)] : [];
    all.push(...columns);
    this.#columns = all.map(([id, kind]) => ({ id, kind, writer: null }));
    if (!isFirst) return;
    this.#heads = [
      await this.#create('key.col', null, 'bytes'),
      await this.#create('stamp.col', null, 'whole'),
      await this.#create('flags.col', null, 'i32'),
    ];
  }

  #create(name: string, column: number | null, kind: Physical): Promise<ColumnFileWriter> {
    const content = { column, kind };
    return ColumnFileWriter.create(this.#disk, `${this.#path}/${name}`, content, this.#compressionOf(column));
  }

  async write(rows: Rows, from: number, to: number, pause: () => Promise<void>): Promise<void> {
    const split = this.#isFirstPass ? splitKeys(this.#table, rows.keys, from, to, this.#keyVectors) : null;
    this.#isAllLive = areAllLive(rows, from, to);
    this.#putBounds = stampBounds(
      rows.putMs,
      rows.putLow,
      from,
      to,
      this.#isAllLive ? null : (row) => rows.isLive(row),
    );
    this.#unitRowsMin = to - from;
    for (const column of this.#columns) {
      await pause();
      const part = split?.vectors.get(column.id);
      const cells = rows.columns.get(column.id);
      if (part !== undefined) await this.#writeVector(column, part, 0, to - from, null);
      else if (cells !== undefined) await this.#writeVector(column, cells.vector, from, to, { rows, cells });
    }
    await this.#writeCells(rows, from, to);
    // Behind the columns, as their units say where the separators of keys stand.
    if (split !== null) await this.#writeHeads(rows, from, to, split);
    this.#block++;
  }

  async endPass(): Promise<void> {
    if (this.#hashes !== null) await this.#writeFilter(this.#hashes.subarray(0, this.#rowCount));
    this.#hashes = null;
    await this.#finishAll();
    this.#heads = null;
    this.#filter = null;
    this.#cellsFile = null;
    for (const column of this.#columns) column.writer = null;
  }

  /** Files that are being written, in the order in which the manifest names them. */
  get #open(): ColumnFileWriter[] {
    const all = [
      ...(this.#heads ?? []),
      this.#filter,
      this.#cellsFile,
      ...this.#columns.map((column) => column.writer),
    ];
    return all.filter((writer) => writer !== null);
  }

  /** At once, as a disk makes several files durable in little more time than one. Nothing is under way any more when it throws. */
  async #finishAll(): Promise<void> {
    const open = this.#open;
    const ends = await Promise.allSettled(open.map((writer) => writer.finish()));
    for (const [i, end] of ends.entries()) {
      if (end.status === 'rejected') throw end.reason;
      const { path, content } = open[i]!;
      const file = { name: path.slice(this.#path.length + 1), ...content, ...end.value };
      this.#files.push(open[i] === this.#cellsFile ? { ...file, columns: this.#sharedColumns() } : file);
    }
  }

  /** Closes what is open. */
  async abandon(): Promise<void> {
    for (const writer of this.#open) await writer.abandon().catch(() => undefined);
  }

  async #writeCells(rows: Rows, from: number, to: number): Promise<void> {
    const block = rows.shared === null ? null : this.#cells.block(rows, rows.shared, from, to);
    if (block === null) return;
    this.#cellsFile ??= await this.#create('cells.col', null, 'bytes');
    this.#unitRowsMin = Math.min(this.#unitRowsMin, block.parts.unitRows);
    const { values, deleted, bounds } = block;
    const notes = { rows: to - from, values, deleted, min: null, max: null, ...bounds };
    await this.#cellsFile.addBlock(this.#block, block.parts, notes);
  }

  /** Those that have cells in it. */
  #sharedColumns(): [number, Physical, number][] {
    const columns = [...this.#cells.columns.values()].filter(({ bytes }) => bytes > 0);
    return columns.map(({ id, kind, bytes }) => [id, kind, bytes]);
  }

  async #writeHeads(rows: Rows, from: number, to: number, split: SplitKeys): Promise<void> {
    const [key, stamp, flags] = this.#heads!;
    this.#rowCount += to - from;
    const first = rows.keys.bytesAt(from).toString('hex');
    const last = rows.keys.bytesAt(to - 1).toString('hex');
    this.#first ??= first;
    this.#last = last;
    const plain = { rows: to - from, values: to - from, deleted: 0, min: null, max: null };
    const whole = isMadeOf(rows.keys, from, to, this.#table, split) ? null : encodeBlock(rows.keys, from, to);
    this.#hashKeys(rows.keys, from, to);
    await key.addBlock(this.#block, this.#keyParts(rows.keys, from, to, whole), {
      ...plain,
      stampMin: null,
      stampMax: null,
      first,
      last,
    });
    const isLive = this.#isAllLive ? null : (row: number): boolean => rows.isLive(row);
    const puts = this.#stamps.encode(rows.putMs, rows.putLow, from, to, isLive);
    if (puts !== null) {
      await stamp.addBlock(this.#block, this.#cut(puts, to - from, STAMP_KINDS), { ...plain, ...this.#putBounds });
    }
    await this.#writeFlags(flags, rows, from, to);
  }

  /** The keys, where they are written whole, and what stands between their units. */
  #keyParts(keys: ColumnVector, from: number, to: number, whole: Buffer | null): BlockParts {
    const kinds = ['bytes'] as const;
    const parts = whole === null ? uncut([], to - from) : this.#cut([whole], to - from, kinds);
    const unitRows = Math.min(parts.unitRows, this.#unitRowsMin);
    const separators: Uint8Array[] = [];
    for (let row = from + unitRows; row < to; row += unitRows) {
      separators.push(separatorOf(keys.bytesAt(row - 1), keys.bytesAt(row)));
    }
    const isCut = whole === null || unitRows === parts.unitRows;
    return { ...(isCut ? parts : cutBlock([whole], to - from, kinds, unitRows)), unitRows, separators };
  }

  /** The sections of a block in units as large as their bytes allow. */
  #cut(sections: readonly Buffer[], rowCount: number, kinds: readonly Physical[]): BlockParts {
    const bytes = sections.reduce((sum, section) => sum + bytesOfRows(section, rowCount), 0);
    return cutBlock(sections, rowCount, kinds, unitRowsFor(bytes, rowCount, kinds[0]!, this.#blockRows));
  }

  /** After the rows were counted. */
  #hashKeys({ arena, starts, lengths }: ColumnVector, from: number, to: number): void {
    const end = this.#rowCount;
    if (this.#hashes === null) return;
    if (end > this.#hashes.length) {
      const larger = new Uint32Array(end * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    for (let row = from; row < to; row++) {
      this.#hashes[end - to + row] = xxh32(arena, starts[row]!, starts[row]! + lengths[row]!);
    }
  }

  async #writeFilter(hashes: Uint32Array): Promise<void> {
    if (hashes.length === 0) return;
    const file = await this.#create('filter.col', null, 'u8');
    this.#filter = file;
    const notes = { rows: hashes.length, values: hashes.length, deleted: 0, min: null, max: null };
    const parts = uncut([KeyFilter.of(hashes).bytes], hashes.length);
    await file.addBlock(0, parts, { ...notes, stampMin: null, stampMax: null });
  }

  /** `values` in its notes counts the live rows, `deleted` the others. */
  async #writeFlags(file: ColumnFileWriter, rows: Rows, from: number, to: number): Promise<void> {
    const vector = this.#flags;
    vector.reserveRows(to - from);
    vector.presence.fill(CELL.value, 0, to - from);
    const { tombMs, tombLow } = rows;
    const hasTomb = (row: number): boolean => tombMs !== null && tombMs[row] !== NO_STAMP;
    let live = 0;
    if (tombMs === null && this.#isAllLive) {
      live = to - from;
      vector.i32.fill(1, 0, live);
    } else {
      for (let row = from; row < to; row++) {
        if (rows.isLive(row)) live++;
        vector.i32[row - from] = (rows.isLive(row) ? 1 : 0) + (hasTomb(row) ? 2 : 0);
      }
    }
    const flags = encodeBlock(vector, 0, to - from);
    const tombs = tombMs === null ? null : this.#stamps.encode(tombMs, tombLow!, from, to, hasTomb);
    const bounds =
      tombMs === null ? { stampMin: null, stampMax: null } : stampBounds(tombMs, tombLow!, from, to, hasTomb);
    const notes = { rows: to - from, values: live, deleted: to - from - live, min: null, max: null, ...bounds };
    const parts = this.#cut([flags, ...(tombs ?? [])], to - from, ['i32', ...STAMP_KINDS]);
    await file.addBlock(this.#block, parts, notes);
  }

  async #writeVector(
    column: OpenColumn,
    vector: ColumnVector,
    from: number,
    to: number,
    own: { readonly rows: Rows; readonly cells: Cells } | null,
  ): Promise<void> {
    const zone = zoneOf(vector, from, to);
    if (zone.valueCount + zone.deletedCount === 0) return;
    column.writer ??= await this.#create(fileName(this.#table, column.id), column.id, column.kind);
    const span = vector.kind === 'i32' && zone.min !== null ? { min: Number(zone.min), max: Number(zone.max) } : null;
    const sections: Buffer[] = [encodeBlock(vector, from, to, span)];
    let bounds: StampBounds = { stampMin: null, stampMax: null };
    if (own !== null) {
      const { rows, cells } = own;
      const isOfPuts = cells.ms === null && zone.valueCount + zone.deletedCount === to - from;
      const isThere = (row: number): boolean => vector.presence[row] !== CELL.absent;
      bounds = isOfPuts
        ? this.#putBounds
        : stampBounds(cells.ms ?? rows.putMs, cells.low ?? rows.putLow, from, to, isThere);
      if (cells.ms !== null) sections.push(...(this.#encodeOwn(rows, cells, cells.ms, from, to) ?? []));
    }
    const hex = (bound: typeof zone.min): string | null => (bound === null ? null : boundToHex(vector.kind, bound));
    const parts = this.#cut(sections, to - from, [vector.kind, ...STAMP_KINDS]);
    this.#unitRowsMin = Math.min(this.#unitRowsMin, parts.unitRows);
    await column.writer.addBlock(this.#block, parts, {
      rows: to - from,
      values: zone.valueCount,
      deleted: zone.deletedCount,
      min: hex(zone.min),
      max: hex(zone.max),
      ...bounds,
    });
  }

  #encodeOwn(rows: Rows, cells: Cells, ms: Float64Array, from: number, to: number): Buffer[] | null {
    const low = cells.low!;
    return this.#stamps.encode(ms, low, from, to, (row) => {
      if (cells.vector.presence[row] === CELL.absent) return false;
      return ms[row] !== rows.putMs[row] || low[row] !== rows.putLow[row];
    });
  }
}

/** `4-delay.col`: the id tells what it is; the name, as it was when written and with odd characters replaced, is for people. */
export function fileName(table: Table, id: number): string {
  const name = table.columns.find((column) => column.id === id)?.name ?? '';
  return `${id}-${name.replaceAll(/[^A-Za-z0-9_]/g, '_').slice(0, NAME_CHARACTERS_MAX)}.col`;
}

function areAllLive(rows: Rows, from: number, to: number): boolean {
  for (let row = from; row < to; row++) if (!rows.isLive(row)) return false;
  return true;
}
