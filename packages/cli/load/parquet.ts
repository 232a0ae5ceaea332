/** Parquet files as blocks of columns and as rows. */

import { zstdDecompressSync } from 'node:zlib';
import { cellToJson, valueFromJson } from '@tidemark/schema/cell-value';
import type { ColumnType } from '@tidemark/schema/column-type';
import { nearestHint } from '@tidemark/schema/nearest';
import { formatDate, formatTimestamp } from '@tidemark/schema/time';
import { Fault } from '@tidemark/world/fault';
import { type AsyncBuffer, asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { RowSource } from './row-source.ts';

/** Consecutive rows by column; a cell without a value is null or undefined. */
export type ColumnBlock = {
  readonly firstRow: number;
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, ArrayLike<unknown>>;
};

/** A timestamp as it stands in a file, in µs: a class of its own, so that it is not taken for a number. */
class Micros {
  readonly micros: number;
  constructor(micros: number) {
    this.micros = micros;
  }
}

const lastMicros = { raw: 0n, made: new Micros(0) };

/** Neighbouring rows often share a moment. */
function microsOfBigint(raw: bigint): Micros {
  if (lastMicros.raw !== raw) {
    lastMicros.raw = raw;
    lastMicros.made = new Micros(Number(raw));
  }
  return lastMicros.made;
}

const parsers = {
  timestampFromMilliseconds: (ms: bigint) => microsOfBigint(ms * 1000n),
  timestampFromMicroseconds: microsOfBigint,
  // Cells have µs; what is finer is cut off towards the past.
  timestampFromNanoseconds: (ns: bigint) => microsOfBigint((ns - (((ns % 1000n) + 1000n) % 1000n)) / 1000n),
  dateFromDays: (days: number) => formatDate(days),
};
const zstd = (bytes: Uint8Array): Uint8Array => zstdDecompressSync(bytes);

export class ParquetFile {
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(file: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file;
    this.#metadata = metadata;
  }

  /** @throws {Fault} `invalid`: no such file, or not Parquet. */
  static async open(path: string): Promise<ParquetFile> {
    try {
      const file = await asyncBufferFromFile(path);
      return new ParquetFile(file, await parquetMetadataAsync(file, { parsers }));
    } catch (cause) {
      throw new Fault('invalid', `cannot read ${path} as Parquet: ${String(cause)}`, { got: path, cause });
    }
  }

  get rowCount(): number {
    return Number(this.#metadata.num_rows);
  }

  /** Names of the columns on the first level. */
  get columnNames(): string[] {
    return this.#metadata.schema[0] === undefined ? [] : topLevelNames(this.#metadata);
  }

  /**
   * Row groups from the one that holds row `fromRow` (from 0), `before` more groups ahead of it; one in memory at a
   * time. The last one ends at row `endRow`.
   */
  async *blocks(columns: readonly string[], fromRow = 0, before = 0, endRow = Infinity): AsyncGenerator<ColumnBlock> {
    const groups: { readonly start: number; readonly end: number }[] = [];
    let start = 0;
    for (const group of this.#metadata.row_groups) {
      const end = start + Number(group.num_rows);
      groups.push({ start, end });
      start = end;
    }
    const first = groups.findIndex((group) => fromRow < group.end);
    if (first < 0) return;
    for (const { start: rowStart, end: rowEnd } of groups.slice(Math.max(0, first - before))) {
      if (rowStart >= endRow) return;
      if (rowEnd > rowStart) yield await this.#readGroup(columns, rowStart, Math.min(rowEnd, endRow));
    }
  }

  async #readGroup(columns: readonly string[], rowStart: number, rowEnd: number): Promise<ColumnBlock> {
    const found = new Map<string, ArrayLike<unknown>>();
    await parquetRead({
      file: this.#file,
      metadata: this.#metadata,
      columns: [...columns],
      rowStart,
      rowEnd,
      parsers,
      compressors: { ...compressors, ZSTD: zstd },
      onChunk: ({ columnName, columnData }) => {
        const before = found.get(columnName);
        found.set(columnName, before === undefined ? columnData : [...Array.from(before), ...Array.from(columnData)]);
      },
    });
    return { firstRow: rowStart, rowCount: rowEnd - rowStart, columns: found };
  }
}

function topLevelNames(metadata: FileMetaData): string[] {
  const names: string[] = [];
  for (let i = 1, left = metadata.schema[0]!.num_children ?? 0; left > 0; left--) {
    names.push(metadata.schema[i]!.name);
    i = afterElement(metadata, i);
  }
  return names;
}

/** The schema is a tree written depth first: the index after an element and all below it. */
function afterElement(metadata: FileMetaData, index: number): number {
  let next = index + 1;
  for (let left = metadata.schema[index]!.num_children ?? 0; left > 0; left--) next = afterElement(metadata, next);
  return next;
}

/** µs of a moment read from the file. */
export function microsOf(cell: unknown): number {
  return (cell as Micros).micros;
}

const ROWS_A_BLOCK = 4096;

/**
 * The rows of a file, columns by name. What is no value of its column's type is sent as it is, so that the site
 * refuses it by name.
 * @throws {Fault} `invalid`: a column of the file is not in the table.
 */
export function parquetSource(name: string, file: ParquetFile, types: ReadonlyMap<string, ColumnType>): RowSource {
  const columns = file.columnNames;
  for (const column of columns) {
    if (types.has(column)) continue;
    const expected = [...types.keys()].join(', ');
    const message = `${name}: column "${column}"${nearestHint(column, types.keys())} is not in the table, which has ${expected}`;
    throw new Fault('invalid', message, { column, got: column, expected });
  }
  return {
    name,
    async *lines(skipRows) {
      for await (const block of file.blocks(columns, skipRows)) {
        for (let row = Math.max(0, skipRows - block.firstRow); row < block.rowCount; row += ROWS_A_BLOCK) {
          yield blockLines(block, types, row, Math.min(row + ROWS_A_BLOCK, block.rowCount));
        }
      }
    },
  };
}

function blockLines(block: ColumnBlock, types: ReadonlyMap<string, ColumnType>, from: number, to: number): string[] {
  const columns = [...block.columns].map(([name, cells]) => {
    return { prefix: `${JSON.stringify(name)}:`, cells, type: types.get(name)! };
  });
  const lines: string[] = [];
  for (let row = from; row < to; row++) {
    const cells: string[] = [];
    for (const column of columns) {
      const cell = column.cells[row];
      if (cell !== null && cell !== undefined) cells.push(column.prefix + jsonText(column.type, cell));
    }
    lines.push(`{${cells.join(',')}}`);
  }
  return lines;
}

/** A cell as JSON text, in the form the column takes where there is one. */
function jsonText(type: ColumnType, cell: unknown): string {
  if (cell instanceof Micros) return `"${formatTimestamp(cell.micros)}"`;
  const json = plainJson(cell);
  const value = type.name === 'string' ? undefined : valueFromJson(type, json);
  return JSON.stringify(value === undefined ? json : cellToJson(type, value));
}

function plainJson(cell: unknown): unknown {
  if (typeof cell === 'bigint') return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
  if (cell instanceof Uint8Array) {
    return { $bytes: Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString('base64') };
  }
  return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
}
