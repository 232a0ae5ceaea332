/** What a Parquet file holds arrives as it is, or is refused by its place: nothing is rounded, guessed or left out. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ArrowWriter } from '@tidemark/columnar/arrow-write';
import { type ColumnType, parseColumnType, type Value } from '@tidemark/model/column-type';
import { valueFromJson } from '@tidemark/model/text/cell-value';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it } from 'vitest';
import { writeParquet } from '../export/parquet-export.ts';
import { COLUMNS, rowOf } from '../testing/export-edges.ts';
import { ParquetFile, parquetSource } from './parquet.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-parquet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Json = Readonly<Record<string, unknown>>;

function types(columns: Readonly<Record<string, string>>): Map<string, ColumnType> {
  return new Map(Object.entries(columns).map(([name, type]) => [name, parseColumnType(type)]));
}

async function rowsOf(path: string, columns: Readonly<Record<string, string>>): Promise<Json[]> {
  const source = parquetSource('f.parquet', await ParquetFile.open(path), types(columns));
  const rows: Json[] = [];
  for await (const lines of source.lines(0)) rows.push(...lines.map((line) => JSON.parse(line) as Json));
  return rows;
}

async function copy(name: string, query: string): Promise<string> {
  const path = join(folder, name);
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run(`copy (${query}) to '${path}' (format parquet)`);
  connection.closeSync();
  instance.closeSync();
  return path;
}

function written(name: string, element: Omit<SchemaElement, 'name'>, data: unknown[]): string {
  const path = join(folder, name);
  const schema = [
    { name: 'root', num_children: 1 },
    { name: 'v', repetition_type: 'OPTIONAL' as const, ...element },
  ];
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'v', data }], schema })));
  return path;
}

describe('decimals of a Parquet file', () => {
  it.each([
    ['decimal(4,2)', 'INT32'],
    ['decimal(9,2)', 'INT32'],
    ['decimal(18,2)', 'INT64'],
    ['decimal(38,2)', 'FIXED_LEN_BYTE_ARRAY'],
  ])('of type %s, stored as %s, are exact', async (type) => {
    const digits = type === 'decimal(4,2)' ? ['1.15', '-0.07', '19.99'] : ['1.15', '-0.07', '8117.94', '1234567.89'];
    const wide = ['811746360046752.94', '-9999999999999999.99'];
    const all = type.startsWith('decimal(18') || type.startsWith('decimal(38') ? [...digits, ...wide] : digits;
    const values = all.map((text) => `('${text}'::${type}), (null)`).join(', ');
    const path = await copy(`${type}.parquet`, `select v from (values ${values}) t(v)`);
    const rows = await rowsOf(path, { v: 'decimal(18,2)' });
    expect(rows).toEqual(all.flatMap((v) => [{ v }, {}]));
    expect(await rowsOf(path, { v: 'decimal(18,3)' })).toContainEqual({ v: '1.150' });
  });

  it('stored as bytes of any length are exact, with and without the newer mark', async () => {
    const data = [Uint8Array.of(0x73), Uint8Array.of(0xff), Uint8Array.of(), Uint8Array.of(0x00, 0xff), undefined];
    const expected = [{ v: '1.15' }, { v: '-0.01' }, { v: '0.00' }, { v: '2.55' }, {}];
    const element = { type: 'BYTE_ARRAY' as const, precision: 18, scale: 2 };
    const old = written('bytes.parquet', { ...element, converted_type: 'DECIMAL' }, [115n, -1n, 0n, 255n, undefined]);
    expect(await rowsOf(old, { v: 'decimal(18,2)' })).toEqual(expected);
    const logical = { type: 'DECIMAL' as const, precision: 18, scale: 2 };
    const newer = written('newer.parquet', { ...element, logical_type: logical }, data);
    expect(await rowsOf(newer, { v: 'decimal(18,2)' })).toEqual(expected);
  });

  it('of all prices from 0.00 to 19.99 are the prices', async () => {
    const path = await copy('prices.parquet', 'select (i / 100)::decimal(9,2) as v from range(2000) t(i)');
    const rows = await rowsOf(path, { v: 'decimal(9,2)' });
    expect(rows.map(({ v }) => v)).toEqual(Array.from({ length: 2_000 }, (_, i) => (i / 100).toFixed(2)));
  });

  it('go into other columns as numbers, and what does not fit keeps its digits for the refusal', async () => {
    const path = await copy(
      'other.parquet',
      `select * from (values ('5.00'::decimal(9,2)), ('1.25'::decimal(9,2))) t(v)`,
    );
    expect(await rowsOf(path, { v: 'double' })).toEqual([{ v: 5 }, { v: 1.25 }]);
    expect(await rowsOf(path, { v: 'int' })).toEqual([{ v: 5 }, { v: 1.25 }]);
    expect(await rowsOf(path, { v: 'decimal(9,1)' })).toEqual([{ v: '5.0' }, { v: '125e-2' }]);
    const wide = await copy('wide.parquet', `select '123456789012345678901234567890.12'::decimal(38,2) as v`);
    expect(await rowsOf(wide, { v: 'decimal(18,2)' })).toEqual([{ v: '12345678901234567890123456789012e-2' }]);
  });
});

describe('text and bytes of a Parquet file', () => {
  const bad = [Buffer.from('ok'), Uint8Array.of(0x61, 0xff)];

  it('that are not UTF-8 are refused by row, column and byte, whether the file calls them text or not', async () => {
    for (const [name, mark] of [
      ['utf8', { converted_type: 'UTF8' as const }],
      ['binary', {}],
    ] as const) {
      const path = written(`${name}.parquet`, { type: 'BYTE_ARRAY', ...mark }, bad);
      await expect(rowsOf(path, { v: 'string' })).rejects.toThrow(
        'f.parquet: row 2, column "v", line 1, byte 2: 0xff is not UTF-8',
      );
    }
  });

  it('without a mark go into strings as text and into bytes as they are', async () => {
    const binary = written('plain.parquet', { type: 'BYTE_ARRAY' }, [Buffer.from('é'), Uint8Array.of()]);
    expect(await rowsOf(binary, { v: 'string' })).toEqual([{ v: 'é' }, { v: '' }]);
    expect(await rowsOf(binary, { v: 'bytes' })).toEqual([{ v: { $bytes: 'w6k=' } }, { v: { $bytes: '' } }]);
    const fixed = written('fixed.parquet', { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2 }, [Uint8Array.of(255, 0)]);
    expect(await rowsOf(fixed, { v: 'bytes' })).toEqual([{ v: { $bytes: '/wA=' } }]);
  });
});

describe('a Parquet file', () => {
  it.each([
    ['[1, 2]', 'a list'],
    ["{'a': 1}", 'a struct'],
    ["map {'a': 1}", 'a map'],
  ])('with %s in a cell is refused by the column', async (cell, what) => {
    const path = await copy(`${what}.parquet`, `select 1 as k, ${cell} as v`);
    await expect(rowsOf(path, { k: 'int', v: 'string' })).rejects.toThrow(`f.parquet: column "v" is ${what}`);
  });

  it('with a column twice is refused by its name', async () => {
    const path = join(folder, 'twice.parquet');
    const column = { repetition_type: 'OPTIONAL' as const, type: 'INT32' as const };
    const schema = [
      { name: 'root', num_children: 2 },
      { name: 'v', ...column },
      { name: 'v', ...column },
    ];
    const columnData = [1, 2].map((n) => ({ name: 'v', data: [n] }));
    writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, schema })));
    await expect(rowsOf(path, { v: 'int' })).rejects.toThrow('column "v" comes twice, as number 1 and 2');
  });

  it('that is damaged anywhere is refused as such, or read; nothing else happens', async () => {
    const path = await copy('whole.parquet', 'select i as v, repeat(i::varchar, 3) as w from range(3000) t(i)');
    const whole = readFileSync(path);
    const columns = { v: 'long', w: 'string' };
    for (let at = 0; at < whole.length; at += 97) {
      const damaged = join(folder, 'damaged.parquet');
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x5a;
      writeFileSync(damaged, bytes);
      await rowsOf(damaged, columns).catch((error: unknown) =>
        expect(error, `byte ${at}`).toMatchObject({ kind: 'invalid' }),
      );
      if (at % 5 !== 0) continue;
      writeFileSync(damaged, whole.subarray(0, at));
      await expect(rowsOf(damaged, columns)).rejects.toMatchObject({ kind: 'invalid' });
    }
  });

  it('of our own export loads as what was exported', async () => {
    const path = join(folder, 'own.parquet');
    const writer = new ArrowWriter(COLUMNS);
    const rows = Array.from({ length: 84 }, (_, i) => rowOf(i));
    const stream = Buffer.concat([writer.head, writer.batch(rows), ARROW_END]);
    await writeParquet(path, readArrow([stream] as unknown as AsyncIterable<Uint8Array>, 'a test'));
    const columns = new Map(COLUMNS.map(({ name, type }) => [name, type]));
    const source = parquetSource('f', await ParquetFile.open(path), columns);
    const found: Json[] = [];
    for await (const lines of source.lines(0)) found.push(...lines.map((line) => JSON.parse(line) as Json));
    const plain = (value: Value | null | undefined): unknown =>
      value instanceof Uint8Array ? [...value] : value === 0 ? 0 : (value ?? null);
    for (const [i, row] of rows.entries()) {
      for (const { name, type } of COLUMNS) {
        const json = found[i]![name];
        expect(plain(json === undefined ? null : valueFromJson(type, json)), `${name} of row ${i}`).toEqual(
          plain(row[name]),
        );
      }
    }
  });
});
