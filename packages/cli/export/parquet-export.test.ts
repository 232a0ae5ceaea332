/** An export as other programs see it: DuckDB reads every type and every value as they were. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ArrowWriter } from '@tidemark/columnar/arrow-write';
import { afterAll, describe, expect, it } from 'vitest';
import { COLUMNS, rowOf, wordsOf } from '../testing/export-edges.ts';
import { writeParquet } from './parquet-export.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-export-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** `rows` rows in batches of `batchRows`, as an Arrow stream in chunks of some bytes. */
function arrowOf(rows: number, batchRows: number, chunkBytes = 65_536): AsyncIterable<Uint8Array> {
  const writer = new ArrowWriter(COLUMNS);
  const parts = [writer.head];
  for (let from = 0; from < rows; from += batchRows) {
    parts.push(writer.batch(Array.from({ length: Math.min(batchRows, rows - from) }, (_, i) => rowOf(from + i))));
  }
  return chunksOf(Buffer.concat([...parts, ARROW_END]), chunkBytes);
}

async function askDuckDb(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run("set timezone = 'UTC'");
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

describe('an export to Parquet', () => {
  it('has the types that DuckDB knows them by', async () => {
    const path = join(folder, 'types.parquet');
    expect(await writeParquet(path, readArrow(arrowOf(0, 1), 'a test'))).toMatchObject({ rows: 0 });
    const described = await askDuckDb(`describe select * from '${path}'`);
    expect(described.map(([name, type]) => [name, type])).toEqual([
      ['late', 'BOOLEAN'],
      ['delay', 'INTEGER'],
      ['distance', 'BIGINT'],
      ['share', 'DOUBLE'],
      ['Ziel/Ort', 'VARCHAR'],
      ['photo', 'BLOB'],
      ['seen', 'TIMESTAMP WITH TIME ZONE'],
      ['day', 'DATE'],
      ['price', 'DECIMAL(18,2)'],
    ]);
  });

  it.each([
    [7, 1],
    [84, 5],
    [1_000, 400],
  ])('has every value: %i rows in batches of %i', async (rows, batchRows) => {
    const path = join(folder, `${rows}.parquet`);
    const written = await writeParquet(path, readArrow(arrowOf(rows, batchRows, 1_000), 'a test'));
    expect(written.rows).toBe(rows);
    const columns = COLUMNS.map(({ name }) => `"${name}"::varchar`).join(', ');
    const found = await askDuckDb(`select ${columns} from '${path}'`);
    expect(found).toEqual(Array.from({ length: rows }, (_, i) => wordsOf(i)));
    const codecs = await askDuckDb(`select distinct compression from parquet_metadata('${path}')`);
    expect(codecs).toEqual([['ZSTD']]);
  });

  it('leaves nothing behind when the stream is cut short', async () => {
    const path = join(folder, 'cut.parquet');
    const whole: Uint8Array[] = [];
    for await (const chunk of arrowOf(50, 10)) whole.push(chunk);
    const bytes = Buffer.concat(whole);
    for (const length of [0, 5, 100, bytes.length - ARROW_END.length, bytes.length - 1]) {
      const cut = readArrow(chunksOf(bytes.subarray(0, length), 777), 'a test');
      await expect(writeParquet(path, cut)).rejects.toMatchObject({ kind: 'unknown' });
    }
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('cut'))).toEqual([]);
  });
});
