/**
 * A scan never merges because of one invariant: at every moment each key is live in exactly one segment, and the row there
 * is the whole of it. What a scan reads, part by part, must therefore hold each key once and be the rows of the model.
 */

import type { Value } from '@tidemark/model/column-type';
import { planQuery, type Query } from '@tidemark/model/query';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { Scan } from '../query/scan.ts';
import type { StoredRow } from '../row/row-value.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { applyWrite, modelUpTo, randomWrites, TABLE } from './arbitraries.ts';
import { batchOf, Model, type ModelMutation } from './model.ts';
import { plainRows } from './query-model.ts';
import { readAll, readParts } from './read-all.ts';

const FOLDER = 'travel/flights/0';
describe('the parts that a scan reads', () => {
  it('hold each key once and are the rows of the model, whatever is flushed, merged and reopened meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const disk = new SimDisk();
        const open = () => Partition.open(disk, FOLDER, { blockRows: 4, compaction: false });
        let partition = await open();
        partition.setTable(TABLE);
        const writes = randomWrites(random, integerBetween(random, 5, 30), 6, 20);
        let compaction: Promise<void> = Promise.resolve();
        for (const write of writes) {
          applyWrite(partition, write);
          const act = integerBetween(random, 0, 9);
          if (act < 4) await partition.flush();
          // Not waited for: flushes clear bits of what is being merged.
          if (act === 4) compaction = partition.compact();
          if (act === 5) await partition.snapshot().then((snapshot) => snapshot.release());
          if (act === 6) {
            await compaction;
            await partition.flush();
            await partition.close();
            partition = await open();
          }
          if (act !== 7) continue;
          const { keys, rows } = await readParts(partition);
          expect(new Set(keys).size).toBe(keys.length);
          expect(rows).toEqual(modelUpTo(writes, (origin) => partition.position(origin)).live(TABLE));
        }
        await compaction;
        await partition.flush();
        const { keys, rows } = await readParts(partition);
        expect(new Set(keys).size).toBe(keys.length);
        expect(rows).toEqual(modelUpTo(writes, (origin) => partition.position(origin)).live(TABLE));
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});

describe('a scan over rows that are not flushed', () => {
  it('counts and sums as the model does, whether they are newer than what is flushed or not, and hold all columns or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const partition = await Partition.open(new SimDisk(), FOLDER, { blockRows: 4, compaction: false });
        partition.setTable(TABLE);
        const model = new Model();
        const isPartial = random.fraction() < 0.3;
        for (let seq = 0; seq < 12; seq++) {
          const mutations = Array.from({ length: integerBetween(random, 1, 8) }, (): ModelMutation => {
            const key = [`k${integerBetween(random, 1, 12)}`, 0];
            if (random.fraction() < 0.1) return { key, cells: 'delete' };
            const delay: [number, Value | null] = [3, random.fraction() < 0.1 ? null : integerBetween(random, 0, 99)];
            const distance: [number, Value | null] = [5, BigInt(integerBetween(random, 0, 99))];
            const cells = isPartial && random.fraction() < 0.5 ? [delay] : [delay, distance];
            return { key, cells: new Map(cells) };
          });
          // Now and then older than what is there.
          const late = random.fraction() < 0.2 ? -55 : 0;
          const stamp = { ms: 1000 + seq * 10 + late, counter: 0, site: 1, writer: 1 };
          partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq });
          model.apply(TABLE, mutations, stamp);
          if (random.fraction() < 0.4) await partition.flush();
          const select: Query['select'] = [
            { count: '*', as: 'n' },
            { sum: 'delay', as: 'd' },
            { sum: 'distance', as: 's' },
          ];
          const scan = new Scan([partition], planQuery(TABLE, { select, where: [['delay', '>=', 20]] }));
          let found: unknown = null;
          for await (const [row] of scan.rows()) found = row;
          expect(found).toEqual(totals(model.live(TABLE)));
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});

function totals(rows: readonly StoredRow[]): { n: bigint; d: bigint | null; s: bigint | null } {
  const valueIn = (row: StoredRow, id: number): Value | null =>
    row.cells.find(({ column }) => column === id)?.value ?? null;
  const chosen = rows.filter((row) => ((valueIn(row, 3) ?? -1) as number) >= 20);
  const sum = (id: number): bigint | null => {
    const values = chosen.map((row) => valueIn(row, id)).filter((value) => value !== null);
    return values.length === 0 ? null : values.reduce<bigint>((total, value) => total + BigInt(value as number), 0n);
  };
  return { n: BigInt(chosen.length), d: sum(3), s: sum(5) };
}

describe('a segment with a block that is wrong', () => {
  it('is set aside: writes, flushes and merges go on, and reads that do not touch the block are right', async () => {
    const disk = new SimDisk();
    const partition = await Partition.open(disk, FOLDER, { blockRows: 4, compaction: false, cache: new BlockCache(0) });
    partition.setTable(TABLE);
    const writes = randomWrites(new SeededRandom(3), 40, 6, 12);
    for (const write of writes.slice(0, 10)) applyWrite(partition, write);
    await partition.flush();
    const [segment] = (await disk.list(FOLDER)).filter((name) => name.startsWith('seg-'));
    const inode = disk.platter.folders.get(`${FOLDER}/${segment}`)!.get('3-delay.col')!;
    if (inode === 'folder') throw new Error('a file was expected');
    inode.bytes[12]! ^= 1;
    for (const write of writes.slice(10)) {
      applyWrite(partition, write);
      await partition.flush();
    }
    await partition.compact();
    expect(partition.damage).toHaveLength(1);
    expect(partition.damage[0]).toMatch(/3-delay\.col, block 0: found checksum \w+, expected checksum \w+/);
    expect(partition.segmentCount).toBeLessThan(8);
    await partition.close();

    const again = await Partition.open(disk, FOLDER, { blockRows: 4, compaction: false, cache: new BlockCache(0) });
    expect(again.damage).toEqual(partition.damage);
    await expect(readAll(again)).rejects.toMatchObject({ kind: 'corrupt' });
    inode.bytes[12]! ^= 1;
    // Nothing was lost meanwhile: with the byte as it was, all is there.
    const model = modelUpTo(writes, (origin) => again.position(origin));
    expect(await readAll(again)).toEqual(model.live(TABLE));
    expect((await readParts(again)).rows).toEqual(model.live(TABLE));
    // Ranges join what may be live in several segments.
    const bounds = { from: null, to: null, direction: 'ascending' } as const;
    const bytesMax = Number.POSITIVE_INFINITY;
    const page = await again.range({ bounds, columns: TABLE.columns, limit: 1_000, bytesMax, passes: null });
    const plain = plainRows(TABLE, model.live(TABLE));
    expect(page.rows).toEqual(plain.map((row) => TABLE.columns.map(({ name }) => row[name]!)));
    for (const row of model.live(TABLE)) expect(await again.get(row.key)).toEqual(row);
  });
});
