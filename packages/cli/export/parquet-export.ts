/** Arrow batches into a Parquet file with zstd, types as other programs expect them. */

import type { FileHandle } from 'node:fs/promises';
import { zstdCompressSync } from 'node:zlib';
import type { ArrowBatch } from '@tidemark/columnar/arrow-read';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { writeWhole } from './whole-file.ts';

/** Rows held in memory, and in a row group. */
const GROUP_ROWS = 100_000;

/**
 * Writes all batches, of which the first names the columns, and puts the file in its place once it is whole.
 * @returns its rows and bytes
 * @throws {Fault} `invalid`: the file cannot be written.
 */
export function writeParquet(
  path: string,
  batches: AsyncIterable<ArrowBatch>,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  return writeWhole(path, (file) => writeTo(file, batches));
}

async function writeTo(file: FileHandle, batches: AsyncIterable<ArrowBatch>): Promise<{ rows: number; bytes: number }> {
  const writer = new FileWriter(file);
  let parquet: ParquetWriter | null = null;
  let group: Group | null = null;
  let rows = 0;
  for await (const batch of batches) {
    group ??= new Group(batch);
    parquet ??= new ParquetWriter({
      writer,
      schema: schemaOf(batch),
      codec: 'ZSTD',
      compressors: { ZSTD: zstdCompressSync },
      createdBy: 'tidemark',
    });
    group.add(batch);
    rows += batch.rowCount;
    if (group.rowCount >= GROUP_ROWS) await group.writeTo(parquet);
  }
  await group!.writeTo(parquet!);
  await parquet!.finish();
  return { rows, bytes: writer.offset };
}

/** Goes to the file whenever a row group is through. */
class FileWriter extends ByteWriter {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  async flush(): Promise<void> {
    const bytes = new Uint8Array(this.getBytes());
    this.index = 0;
    for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
  }

  override async finish(): Promise<void> {
    await this.flush();
  }
}

/** Rows that wait until they are enough for a row group. */
class Group {
  rowCount = 0;
  readonly #columns: ReadonlyMap<string, (Value | null)[]>;

  constructor(batch: ArrowBatch) {
    this.#columns = new Map([...batch.columns.keys()].map((name) => [name, []]));
  }

  add(batch: ArrowBatch): void {
    this.rowCount += batch.rowCount;
    for (const [name, cells] of this.#columns) {
      for (const cell of batch.columns.get(name)!.values) cells.push(cell);
    }
  }

  async writeTo(parquet: ParquetWriter): Promise<void> {
    if (this.rowCount === 0) return;
    const columnData = [...this.#columns].map(([name, data]) => {
      // The writer's dictionary takes −0 and 0 for one.
      const hasMinusZero = data.some((cell) => Object.is(cell, -0));
      return { name, data, ...(hasMinusZero ? { encoding: 'PLAIN' as const } : {}) };
    });
    await parquet.write({ columnData, rowGroupSize: this.rowCount });
    this.rowCount = 0;
    for (const cells of this.#columns.values()) cells.length = 0;
  }
}

function schemaOf(batch: ArrowBatch): SchemaElement[] {
  const columns = [...batch.columns].map(([name, column]): SchemaElement => {
    return { name, repetition_type: 'OPTIONAL', ...elementOf(column.type) };
  });
  return [{ name: 'root', num_children: columns.length }, ...columns];
}

/** A type as Parquet has it. */
function elementOf(type: ColumnType): Omit<SchemaElement, 'name'> {
  switch (type.name) {
    case 'boolean':
      return { type: 'BOOLEAN' };
    case 'int':
      return { type: 'INT32' };
    case 'long':
      return { type: 'INT64' };
    case 'double':
      return { type: 'DOUBLE' };
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
    case 'bytes':
      return { type: 'BYTE_ARRAY' };
    case 'date':
      return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } };
    case 'timestamp':
      return {
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      };
    case 'decimal': {
      const { precision, scale } = type;
      const logical = { type: 'DECIMAL' as const, precision, scale };
      return { type: 'INT64', converted_type: 'DECIMAL', precision, scale, logical_type: logical };
    }
  }
}
