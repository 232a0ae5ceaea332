/**
 * The page on the files' bytes is enough to read them: a reader in Python, written from the page alone, finds in every
 * golden partition what ours does.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { decodeKey } from '@tidemark/columnar/key';
import type { Stamp } from '@tidemark/model/stamp';
import { columnById, keyColumns, type Table } from '@tidemark/model/table';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { Partition } from '@tidemark/store/partition';
import type { StoredCell, StoredRow } from '@tidemark/store/row/row-value';
import { readAll } from '@tidemark/store/testing/read-all';
import { afterAll, describe, expect, it } from 'vitest';
import { FOLDER } from './store-v4.ts';

const DATA = fileURLToPath(new URL('data', import.meta.url));
const READER = fileURLToPath(new URL('reader.py', import.meta.url));
const partitions = readdirSync(DATA).filter((name) => name.startsWith('store-'));
/** In the length of a page: it is one zstd frame. */
const ZSTD = 0x8000_0000;
const scratch = mkdtempSync(join(tmpdir(), 'tidemark-reader-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Read = {
  readonly positions: unknown;
  readonly rows: readonly {
    readonly key: string;
    readonly parts: readonly string[];
    readonly stamp: readonly number[];
    readonly cells: Readonly<Record<string, readonly [readonly number[], string | null]>>;
  }[];
};

describe('the reader in Python', () => {
  it('has golden partitions to read', () => {
    expect(partitions).toContain('store-v4');
  });

  it.each(partitions)('agrees with ours on %s', async (name) => {
    const folder = join(scratch, name);
    cpSync(join(DATA, name), folder, { recursive: true });
    const partition = await Partition.open(new NodeDisk(folder), FOLDER, { compaction: false });
    const ours = await readAll(partition);
    const table = partition.table!;
    const positions = Object.fromEntries(
      partition.origins.map((origin) => [origin, partition.durablePosition(origin)]),
    );
    await partition.close();
    const theirs = readInPython(join(folder, FOLDER));
    expect(theirs.positions).toEqual(positions);
    expect(theirs.rows).toEqual(ours.map((row) => asTheirs(table, row)));
  });

  it('notices a byte that is not as it was written', () => {
    const folder = join(scratch, 'damaged');
    cpSync(join(DATA, partitions[0]!, FOLDER), folder, { recursive: true });
    const [file] = columnFiles(folder);
    const bytes = readFileSync(file!);
    bytes[12]! ^= 1;
    writeFileSync(file!, bytes);
    expect(() => readInPython(folder)).toThrow(relative(folder, file!));
  });
});

/** @throws {Error} Python is missing, or the reader found something wrong: its own words. */
function readInPython(folder: string): Read {
  const unpacked = mkdtempSync(join(scratch, 'unpacked-'));
  for (const file of columnFiles(folder)) unpack(file, join(unpacked, relative(folder, file)));
  const words = [READER, folder, unpacked];
  return JSON.parse(execFileSync('python3', words, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 28 })) as Read;
}

function columnFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.col'))
    .sort()
    .map((name) => join(folder, name));
}

/** Python learned zstd with 3.14: every compressed page of a file is laid beside, unpacked, under its number. */
function unpack(path: string, to: string): void {
  const bytes = readFileSync(path);
  const footerAt = bytes.length - 12 - bytes.readUInt32LE(bytes.length - 12);
  const footer = JSON.parse(bytes.toString('utf8', footerAt, bytes.length - 12)) as {
    readonly directory: { readonly bytes: number };
    readonly blocks: readonly { at: number; stored: number }[];
  };
  mkdirSync(dirname(to), { recursive: true });
  const directoryAt = footerAt - footer.directory.bytes;
  let page = 0;
  for (const { at, stored } of footer.blocks) {
    for (let from = at; from < at + stored; page++) {
      const word = bytes.readUInt32LE(directoryAt + page * 8);
      const end = from + (word % ZSTD);
      // A damaged frame may not unpack; whoever reads it checks its sum first.
      if (word >= ZSTD)
        writeFileSync(
          `${to}.${page}`,
          orNothing(() => zstdDecompressSync(bytes.subarray(from, end))),
        );
      from = end;
    }
  }
}

function orNothing(unpacked: () => Buffer): Buffer {
  try {
    return unpacked();
  } catch {
    return Buffer.alloc(0);
  }
}

function asTheirs(table: Table, { key, stamp, cells }: StoredRow): Read['rows'][number] {
  const parts = decodeKey(table, key);
  return {
    key: Buffer.from(key).toString('hex'),
    parts: keyColumns(table).map(({ type }, i) => textOf(type.name, parts[i]!)),
    stamp: numbersOf(stamp),
    cells: Object.fromEntries(
      cells
        .filter(({ column }) => !columnById(table, column).dropped)
        .map((cell) => [cell.column, cellOf(table, cell)] as const),
    ),
  };
}

function cellOf(table: Table, { column, value, stamp }: StoredCell): readonly [readonly number[], string | null] {
  return [numbersOf(stamp), value === null ? null : textOf(columnById(table, column).type.name, value)];
}

function numbersOf({ ms, counter, site, writer }: Stamp): number[] {
  return [ms, counter, site, writer];
}

function textOf(type: string, value: NonNullable<StoredCell['value']>): string {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('hex');
  if (typeof value === 'object') return Buffer.from(value).toString('hex');
  if (type !== 'double')
    return String(Number.isInteger(value) ? value : typeof value === 'boolean' ? Number(value) : value);
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value as number);
  return bytes.toString('hex');
}
