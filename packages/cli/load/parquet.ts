/** Parquet files as blocks of columns and as rows. */

import { zstdDecompressSync } from 'node:zlib';
import type { ColumnType } from '@tidemark/model/column-type';
import { Fault, messageOf } from '@tidemark/platform/fault';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  type SchemaElement,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { checkFileColumns } from './file-columns.ts';
import { type CellPlace, cellJson, parsers } from './parquet-cell.ts';
import type { RowSource } from './row-source.ts';

/** Consecutive rows by column; a cell without a value is null or undefined. */
export type ColumnBlock = {
  readonly firstRow: number;
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, ArrayLike<unknown>>;
};

const zstd = (bytes: Uint8Array): Uint8Array => zstdDecompressSync(bytes);

/** A column of a file on its first level. */
export type FileColumn = {
  readonly name: string;
  /** Why no column of a table takes it; null when one may. */
  readonly nested: string | null;
  /** Of a decimal: digits behind the point. */
  readonly scale: number | null;
};

/** An open file whose metadata was read; row groups are read as they are asked for. */
export class ParquetFile {
  readonly #file: AsyncBuffer;
  readonly #path: string;
  readonly #metadata: FileMetaData;
  readonly columns: readonly FileColumn[];

  private constructor(path: string, file: AsyncBuffer, metadata: FileMetaData) {
    this.#path = path;
    this.#file = file;
    this.columns = topLevel(metadata).map(columnOf);
    // A decimal's whole numbers are wanted as they are: the reader would make doubles of them.
    this.#metadata = {
      ...metadata,
      schema: metadata.schema.map((one) => (isDecimal(one) ? withoutMeaning(one) : one)),
    };
  }

  /** @throws {Fault} `invalid`: no such file, or not Parquet. */
  static async open(path: string): Promise<ParquetFile> {
    try {
      const file = await asyncBufferFromFile(path);
      return new ParquetFile(path, file, await parquetMetadataAsync(file, { parsers }));
    } catch (cause) {
      throw new Fault('invalid', `cannot read ${path} as Parquet: ${String(cause)}`, { got: path, cause });
    }
  }

  get rowCount(): number {
    return Number(this.#metadata.num_rows);
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

  /** @throws {Fault} `invalid`: the file is damaged, or written as nobody here reads it; names the rows. */
  async #readGroup(columns: readonly string[], rowStart: number, rowEnd: number): Promise<ColumnBlock> {
    const found = new Map<string, ArrayLike<unknown>>();
    const rows = `${this.#path}: rows ${rowStart + 1} to ${rowEnd}`;
    try {
      await parquetRead({
        file: this.#file,
        metadata: this.#metadata,
        columns: [...columns],
        rowStart,
        rowEnd,
        parsers,
        utf8: false,
        compressors: { ...compressors, ZSTD: zstd },
        onChunk: ({ columnName, columnData }) => {
          const before = found.get(columnName);
          found.set(columnName, before === undefined ? columnData : [...Array.from(before), ...Array.from(columnData)]);
        },
      });
    } catch (cause) {
      throw new Fault('invalid', `${rows} cannot be read, the file may be damaged: ${messageOf(cause)}`, { cause });
    }
    for (const name of columns) {
      const got = found.get(name)?.length ?? 0;
      const expected = rowEnd - rowStart;
      if (got >= expected) continue;
      throw new Fault('invalid', `${rows}: column "${name}" has ${got} of ${expected} cells, the file is damaged`, {
        column: name,
        got,
        expected,
      });
    }
    return { firstRow: rowStart, rowCount: rowEnd - rowStart, columns: found };
  }
}

function topLevel({ schema }: FileMetaData): SchemaElement[] {
  const found: SchemaElement[] = [];
  for (let i = 1, left = schema[0]?.num_children ?? 0; left > 0 && i < schema.length; left--) {
    found.push(schema[i]!);
    i = afterElement(schema, i);
  }
  return found;
}

function columnOf(element: SchemaElement): FileColumn {
  const { name, num_children: children = 0, repetition_type: repetition, converted_type: meaning } = element;
  const isList = repetition === 'REPEATED' || meaning === 'LIST' || element.logical_type?.type === 'LIST';
  const isMap = meaning === 'MAP' || meaning === 'MAP_KEY_VALUE' || element.logical_type?.type === 'MAP';
  const nested = isList ? 'a list' : isMap ? 'a map' : children > 0 ? 'a struct' : null;
  const logical = element.logical_type?.type === 'DECIMAL' ? element.logical_type.scale : 0;
  return { name, nested, scale: isDecimal(element) ? (element.scale ?? logical) : null };
}

function isDecimal({ converted_type: meaning, logical_type: logical }: SchemaElement): boolean {
  return meaning === 'DECIMAL' || logical?.type === 'DECIMAL';
}

function withoutMeaning({ converted_type: _, logical_type: __, ...element }: SchemaElement): SchemaElement {
  return element;
}

/** The schema is a tree written depth first: the index after an element and all below it. */
function afterElement(schema: readonly SchemaElement[], index: number): number {
  let next = index + 1;
  for (let left = schema[index]?.num_children ?? 0; left > 0 && next < schema.length; left--) {
    next = afterElement(schema, next);
  }
  return next;
}

const ROWS_A_BLOCK = 4096;

/**
 * The rows of a file, columns by name. What is no value of its column's type is sent as it is, so that the site
 * refuses it by name.
 * @throws {Fault} `invalid`: a column of the file is not in the table, comes twice, or is a list, a map or a struct.
 */
export function parquetSource(name: string, file: ParquetFile, types: ReadonlyMap<string, ColumnType>): RowSource {
  const columns = file.columns.map((column) => column.name);
  checkFileColumns(name, columns, types);
  for (const { name: column, nested } of file.columns) {
    if (nested === null) continue;
    const message = `${name}: column "${column}" is ${nested}; a cell holds one value: take it apart, or leave it out`;
    throw new Fault('invalid', message, { column, got: nested, expected: 'one value' });
  }
  const scales = new Map(file.columns.map((column) => [column.name, column.scale]));
  const placeOf = (column: string): CellPlace => {
    return { file: name, name: column, type: types.get(column)!, scale: scales.get(column) ?? null };
  };
  return {
    name,
    async *lines(skipRows) {
      for await (const block of file.blocks(columns, skipRows)) {
        for (let row = Math.max(0, skipRows - block.firstRow); row < block.rowCount; row += ROWS_A_BLOCK) {
          yield blockLines(block, placeOf, row, Math.min(row + ROWS_A_BLOCK, block.rowCount));
        }
      }
    },
  };
}

function blockLines(block: ColumnBlock, placeOf: (column: string) => CellPlace, from: number, to: number): string[] {
  const columns = [...block.columns].map(([name, cells]) => {
    return { prefix: `${JSON.stringify(name)}:`, cells, place: placeOf(name) };
  });
  const lines: string[] = [];
  for (let row = from; row < to; row++) {
    const cells: string[] = [];
    for (const column of columns) {
      const cell = column.cells[row];
      if (cell === null || cell === undefined) continue;
      cells.push(column.prefix + cellJson(column.place, cell, block.firstRow + row + 1));
    }
    lines.push(`{${cells.join(',')}}`);
  }
  return lines;
}
