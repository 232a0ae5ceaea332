/** Values at the edges of their types, through everything that holds them: memtable, segment, merged segment, reopened. */

import { crc32 } from 'node:zlib';
import { encodeKey } from '@tidemark/columnar/key';
import { planQuery, type Query } from '@tidemark/model/query';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { type ResultRow, Scan } from '../query/scan.ts';
import { TABLE } from './arbitraries.ts';
import { batchOf, type ModelMutation } from './model.ts';
import { readAll } from './read-all.ts';

const FOLDER = 'travel/flights/0';
const OPTIONS = { blockRows: 4, compaction: false };
const STAMP = { ms: 1_700_000_000_000, counter: 0, site: 1, writer: 1 };

type Cells = Exclude<ModelMutation['cells'], 'delete'>;
type CellValue = Cells extends ReadonlyMap<number, infer V> ? V : never;

const COLUMN = Object.fromEntries(TABLE.columns.map(({ name, id }) => [name, id]));
const LONG = [-(1n << 63n), (1n << 63n) - 1n, (1n << 53n) + 1n, -(1n << 53n) - 1n] as const;

/** By column, values that something between writing and reading might not hold. */
const EDGES: readonly (readonly [string, readonly CellValue[]])[] = [
  ['delay', [-2_147_483_648, 2_147_483_647, 0, -1]],
  ['distance', LONG],
  ['share', [-0, 0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, Number.MAX_VALUE]],
  ['Ziel/Ort', ['', 'x'.repeat(1024 * 1024), 'é\0ü', '\u{10ffff}', '\ufffd']],
  ['photo', [new Uint8Array(0), new Uint8Array(1024 * 1024).fill(0), Uint8Array.of(0, 255)]],
  ['seen', [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0]],
  ['late', [true, false]],
  ['day', [2_932_896, -719_528]],
  ['price', [999_999_999_999n, -999_999_999_999n, 0n]],
];

/** Cells as they are read, whatever happened to them on the way. */
async function everyWay(mutations: readonly ModelMutation[], look: (partition: Partition) => Promise<void>) {
  const disk = new SimDisk();
  const partition = await Partition.open(disk, FOLDER, OPTIONS);
  partition.setTable(TABLE);
  const half = Math.ceil(mutations.length / 2);
  const put = (some: readonly ModelMutation[], seq: number): void => {
    partition.apply(batchOf(TABLE, some), { ...STAMP, ms: STAMP.ms + seq }, 'paris', { epoch: 1, seq });
  };
  put(mutations.slice(0, half), 0);
  put(mutations.slice(half), 1);
  await look(partition);
  await partition.flush();
  await look(partition);
  // The same rows in more segments, so that a merge is due.
  for (let seq = 2; seq < 6; seq++) {
    put(mutations, seq);
    await partition.flush();
  }
  await partition.compact();
  await look(partition);
  await partition.close();
  const again = await Partition.open(disk.restart(), FOLDER, OPTIONS);
  await look(again);
  await again.verify();
  await again.close();
}

describe('values at the edges', () => {
  it.each(EDGES)('of %s are read as they were written, bit for bit', async (name, values) => {
    const id = COLUMN[name]!;
    const mutations = values.map((value, i) => ({ key: [`k${i}`, i], cells: new Map([[id, value]]) }));
    await everyWay(mutations, async (partition) => {
      const rows = await readAll(partition);
      expect(rows.length).toBe(values.length);
      for (const [i, value] of values.entries()) {
        expect(rows[i]!.cells.map((cell) => cell.column)).toEqual([id]);
        expectSame(rows[i]!.cells[0]!.value, value);
        const got = await partition.get(encodeKey(TABLE, [`k${i}`, i]));
        expectSame(got!.cells[0]!.value, value);
      }
    });
  });

  it('of keys are kept and in order: the smallest and largest int, empty and long strings, zero bytes', async () => {
    const keys = ['', '\0', 'a', 'a\0', 'a\0b', 'x'.repeat(1_000)].flatMap((origin) =>
      [-2_147_483_648, -1, 0, 2_147_483_647].map((line) => [origin, line] as const),
    );
    const mutations = keys.map((key) => ({ key, cells: new Map([[COLUMN.delay!, 1]]) }));
    await everyWay(mutations, async (partition) => {
      expect(await rowsOf(partition, { select: ['origin', 'line'] }, true)).toEqual(
        keys.map(([origin, line]) => ({ origin, line })),
      );
    });
  });

  it('of tables: no row, one row, a row without a cell, rows whose every cell is deleted', async () => {
    await everyWay([], async (partition) => expect(await readAll(partition)).toEqual([]));
    await everyWay([{ key: ['a', 1], cells: new Map() }], async (partition) => {
      expect((await readAll(partition)).map(({ cells }) => cells)).toEqual([[]]);
    });
    const gone = TABLE.columns.slice(2).map(({ id }) => [id, null] as const);
    const mutations = Array.from({ length: 9 }, (_, line) => ({ key: ['a', line], cells: new Map(gone) }));
    await everyWay(mutations, async (partition) => {
      const rows = await readAll(partition);
      expect(rows.length).toBe(9);
      for (const { cells } of rows) expect(cells.map(({ value }) => value)).toEqual(gone.map(() => null));
      expect(
        await rowsOf(partition, {
          select: [
            { count: 'delay', as: 'n' },
            { sum: 'delay', as: 's' },
          ],
        }),
      ).toEqual([{ n: 0n, s: null }]);
    });
  });

  it('of sums are exact: they leave 64 bits and never wrap, with groups and without', async () => {
    const largest = LONG[1];
    const mutations = Array.from({ length: 9 }, (_, line) => ({
      key: ['a', line],
      cells: new Map<number, CellValue>([
        [COLUMN.distance!, line === 8 ? -5n : largest],
        [COLUMN.delay!, 2_147_483_647],
      ]),
    }));
    const select = [
      { sum: 'distance', as: 'far' },
      { sum: 'delay', as: 'late' },
    ];
    const sums = { far: largest * 8n - 5n, late: 2_147_483_647n * 9n };
    await everyWay(mutations, async (partition) => {
      expect(await rowsOf(partition, { select })).toEqual([sums]);
      expect(await rowsOf(partition, { select: ['origin', ...select], groupBy: ['origin'] })).toEqual([
        { origin: 'a', ...sums },
      ]);
    });
  });
});

describe('a store of a newer version', () => {
  it('is refused, saying both versions, and stays as it is', async () => {
    const disk = new SimDisk();
    const partition = await Partition.open(disk, FOLDER, OPTIONS);
    partition.setTable(TABLE);
    partition.apply(batchOf(TABLE, [{ key: ['a', 1], cells: new Map() }]), STAMP, 'paris', { epoch: 1, seq: 0 });
    await partition.flush();
    await partition.close();
    const newest = (await disk.list(FOLDER)).findLast((name) => name.startsWith('manifest'))!;
    const [json] = Buffer.from(await disk.read(`${FOLDER}/${newest}`))
      .toString()
      .split('\n');
    const newer = json!.replace(/"format":\d+/, '"format":99');
    const file = await disk.create(`${FOLDER}/${newest}`);
    await file.append(Buffer.from(`${newer}\ncrc32 ${crc32(newer).toString(16).padStart(8, '0')}\n`));
    await file.sync();
    // Things of ours that an opening would clear away.
    await (await disk.create(`${FOLDER}/manifest.000099.tmp`)).close();
    await disk.makeFolder(`${FOLDER}/seg-000777`);
    const before = await everyFile(disk, FOLDER);
    await expect(Partition.open(disk, FOLDER, OPTIONS)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/manifest\.\d+ has format version 99; this program reads version \d/) as string,
    });
    expect(await everyFile(disk, FOLDER)).toEqual(before);
  });
});

function expectSame(got: unknown, value: unknown): void {
  if (typeof value === 'number') expect(Object.is(got, value), `got ${got}, expected ${value}`).toBe(true);
  else if (value instanceof Uint8Array) expect(Buffer.from(got as Uint8Array).equals(value)).toBe(true);
  else expect(got).toBe(value);
}

async function rowsOf(partition: Partition, query: Query, inOrder = false): Promise<ResultRow[]> {
  const byKey: Query = inOrder
    ? {
        ...query,
        orderBy: [
          ['origin', 'asc'],
          ['line', 'asc'],
        ],
      }
    : query;
  const found: ResultRow[] = [];
  for await (const block of new Scan([partition], planQuery(TABLE, byKey)).rows()) found.push(...block);
  return found;
}

async function everyFile(disk: SimDisk, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`;
    const inside = await everyFile(disk, path).catch(() => []);
    const bytes = inside.length > 0 ? null : await disk.read(path).catch(() => null);
    files.push(...inside, bytes === null ? path : `${path} ${crc32(bytes)}`);
  }
  return files;
}
