/** What lies in a partition's folder, told without changing anything: a site may be writing there meanwhile. */

import { crc32 } from 'node:zlib';
import { decodeKey } from '@tidemark/columnar/key';
import type { ColumnType, Physical } from '@tidemark/model/column-type';
import type { Position } from '@tidemark/model/position';
import { type Column, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, type JsonCell } from '@tidemark/model/text/cell-value';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { boundFromHex, compareRaw, type RawValue } from './encoding/zone.ts';
import type { GcWatermark } from './gc-watermark.ts';
import { fromRaw } from './row/raw-value.ts';
import { ColumnFile } from './segment/column-file.ts';
import { generationOf, type Manifest, readManifest } from './segment/manifest.ts';

/** By their numbers in files (docs/format.md, "A column"). */
const ENCODING_NAMES = 'u8 i32 f64 i64 bytes frame dictionary steps rising runs decimals bits dictionary'.split(' ');

/** What one file of a segment holds. */
export type FileReport = {
  readonly file: string;
  /** The column's name as it is now, and its type; null for files that are not one column's. */
  readonly column: string | null;
  readonly type: ColumnType | null;
  readonly kind: Physical;
  readonly bytes: number;
  readonly blocks: number;
  /** Rows of its blocks; a block in which no row has a cell is not there. */
  readonly rows: number;
  /** Blocks that are compressed. */
  readonly zstdBlocks: number;
  /** Bytes of all blocks when unpacked. */
  readonly rawBytes: number;
  /** Cells that hold a value, and deleted ones. */
  readonly values: number;
  readonly deleted: number;
  /** How many blocks hold their cells in each encoding. */
  readonly encodings: Readonly<Record<string, number>>;
  /** Bounds of the values: not narrower than they are, perhaps wider. Null where none is known. */
  readonly min: JsonCell | null;
  readonly max: JsonCell | null;
};

type SegmentReport = {
  readonly name: string;
  readonly rows: number;
  /** Rows that no other segment has anew. */
  readonly live: number;
  /** What a flush or a compaction found wrong with it; null when nothing was. */
  readonly setAside: string | null;
  readonly bytes: number;
  /** First and last row key, as values. */
  readonly first: readonly JsonCell[];
  readonly last: readonly JsonCell[];
  readonly files: readonly FileReport[];
};

/** A partition as its manifest and files tell of it; sizes in bytes. */
export type PartitionReport = {
  readonly folder: string;
  readonly format: number;
  readonly generation: number;
  readonly table: string | null;
  readonly positions: Readonly<Record<string, Position>>;
  /** Deletions with smaller stamps may be missing; null: none is. */
  readonly purged: GcWatermark | null;
  readonly rows: number;
  /** Rows of its segments that no other segment has anew: each key once, deleted rows among them. */
  readonly live: number;
  readonly bytes: number;
  readonly segments: readonly SegmentReport[];
  /** What is wrong: files and blocks with both sums. Empty when nothing was found. */
  readonly damage: readonly string[];
};

/**
 * Reads the newest whole manifest, and every block it leads to, whose checksum is looked at as it is read.
 * @param verify also compares every file as a whole with the manifest's sum
 * @returns null when there is no manifest in the folder
 * @throws {Fault} `invalid`: a newer version wrote it. `corrupt`: manifests are there and none is whole.
 */
export async function inspectPartition(disk: Disk, folder: string, verify: boolean): Promise<PartitionReport | null> {
  const damage: string[] = [];
  const manifest = await newestManifest(disk, folder, damage);
  if (manifest === null) return null;
  const segments: SegmentReport[] = [];
  for (const summary of manifest.segments) {
    const files: FileReport[] = [];
    for (const file of summary.files) {
      const path = `${folder}/${summary.name}/${file.name}`;
      try {
        if (verify) await checkSum(disk, path, file.bytes, file.crc);
        files.push(await inspectFile(disk, path, file.bytes, manifest.table, damage));
      } catch (error) {
        noteDamage(error, damage);
      }
    }
    const bits = summary.live;
    if (verify && bits !== null) {
      const path = `${folder}/${summary.name}/${bits.name}`;
      await checkSum(disk, path, bits.bytes, bits.crc).catch((error: unknown) => noteDamage(error, damage));
    }
    segments.push({
      name: summary.name,
      rows: summary.rows,
      live: summary.rows - (bits?.dead ?? 0),
      setAside: summary.damage,
      bytes: summary.files.reduce((sum, file) => sum + file.bytes, 0),
      first: keyOf(manifest.table, summary.first),
      last: keyOf(manifest.table, summary.last),
      files,
    });
  }
  return {
    folder,
    format: manifest.format,
    generation: manifest.generation,
    table: manifest.table?.name ?? null,
    positions: manifest.positions,
    purged: manifest.purged ?? null,
    rows: segments.reduce((sum, segment) => sum + segment.rows, 0),
    live: segments.reduce((sum, segment) => sum + segment.live, 0),
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
    segments,
    damage,
  };
}

async function newestManifest(disk: Disk, folder: string, damage: string[]): Promise<Manifest | null> {
  const generations = (await disk.list(folder)).map(generationOf).filter((generation) => generation !== null);
  let problem: unknown = null;
  for (const generation of generations.sort((a, b) => b - a)) {
    try {
      return await readManifest(disk, folder, generation);
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
      damage.push(messageOf(error));
      problem = error;
    }
  }
  if (problem !== null) throw problem;
  return null;
}

/** Faults are what was looked for; anything else goes on. */
function noteDamage(error: unknown, damage: string[]): void {
  if (!isFault(error)) throw error;
  damage.push(messageOf(error));
}

async function checkSum(disk: Disk, path: string, bytes: number, crc: number): Promise<void> {
  const found = await disk.read(path);
  const got = `${found.length} bytes, checksum ${hex(crc32(found))}`;
  const expected = `${bytes} bytes, checksum ${hex(crc)}`;
  if (got !== expected) throw new Fault('corrupt', `${path}: found ${got}, expected ${expected}`, { got, expected });
}

const hex = (crc: number): string => (crc >>> 0).toString(16).padStart(8, '0');

/**
 * One column file; blocks that are wrong are noted in `damage`.
 * @param table whose column it is; null: bounds are shown as the file has them
 * @throws {Fault} `corrupt`: its footer is wrong. `invalid`: a newer version wrote it.
 */
export async function inspectFile(
  disk: Disk,
  path: string,
  bytes: number,
  table: Table | null,
  damage: string[],
): Promise<FileReport> {
  const file = await ColumnFile.open(disk, path, bytes);
  const { kind } = file.content;
  const column = table?.columns.find(({ id }) => id === file.content.column) ?? null;
  const encodings: Record<string, number> = {};
  for (const { number, rows, unitRows } of file.blocks) {
    try {
      const [unit] = (await file.readBlock(number)).units;
      const name = encodingOf(path, unit?.[0], Math.min(rows, unitRows));
      encodings[name] = (encodings[name] ?? 0) + 1;
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
      damage.push(messageOf(error));
    }
  }
  const total = (count: (block: ColumnFile['blocks'][number]) => number): number =>
    file.blocks.reduce((sum, block) => sum + count(block), 0);
  return {
    file: path.slice(path.lastIndexOf('/') + 1),
    column: column?.name ?? null,
    type: column?.type ?? null,
    kind,
    bytes,
    blocks: file.blocks.length,
    rows: total(({ rows }) => rows),
    zstdBlocks: total(({ number }) => (file.zstdUnits(number) > 0 ? 1 : 0)),
    rawBytes: total(({ raw }) => raw),
    values: total(({ values }) => values),
    deleted: total(({ deleted }) => deleted),
    encodings,
    min: outermost(column, file, 'min'),
    max: outermost(column, file, 'max'),
  };
}

/** The byte behind the presence of a block's cells; keys may be left to the key columns, and some files are no column. */
function encodingOf(path: string, cells: Uint8Array | undefined, rows: number): string {
  if (path.endsWith('/cells.col')) return 'shared';
  if (cells === undefined) return 'joined';
  if (path.endsWith('/filter.col')) return 'filter';
  const number = cells[cells[0] === 0 ? 1 : 1 + Math.ceil(rows / 4)]!;
  return ENCODING_NAMES[number] ?? `encoding ${number}`;
}

/** The outermost bound of the blocks. Null where a block has values and no bound: its file says nothing of them. */
function outermost(column: Column | null, file: ColumnFile, side: 'min' | 'max'): JsonCell | null {
  const { kind } = file.content;
  let found: RawValue | null = null;
  for (const block of file.blocks) {
    const text = block[side];
    if (text === null && block.values > 0) return null;
    if (text === null) continue;
    const raw = boundFromHex(kind, text);
    const order = found === null ? 0 : compareRaw(raw, found);
    if (found === null || (side === 'min' ? order < 0 : order > 0)) found = raw;
  }
  const type = column?.type ?? PLAIN[kind];
  return found === null ? null : cellToJson(type, fromRaw(type, widened(column, found)));
}

/** An int column that became a long has ints in its older files. */
function widened(column: Column | null, raw: RawValue): RawValue {
  return column?.type.name === 'long' && typeof raw === 'number' ? BigInt(raw) : raw;
}

/** What a file whose column nobody names is shown as. */
const PLAIN: Readonly<Record<Physical, ColumnType>> = {
  u8: { name: 'int' },
  i32: { name: 'int' },
  f64: { name: 'double' },
  whole: { name: 'double' },
  i64: { name: 'long' },
  bytes: { name: 'bytes' },
};

function keyOf(table: Table | null, key: string): JsonCell[] {
  const bytes = Buffer.from(key, 'hex');
  if (table === null) return [key];
  const parts = decodeKey(table, bytes);
  return keyColumns(table).map(({ type }, i) => cellToJson(type, parts[i]!));
}
