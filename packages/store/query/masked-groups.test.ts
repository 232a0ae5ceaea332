/**
 * Counting and adding by a mask must say what counting and adding rows one by one says. Blocks are of few rows, but of more
 * than a run needs; not a multiple of eight, so that deletion vector begin anywhere.
 */

import type { Value } from '@tidemark/model/column-type';
import { planQuery, type Query } from '@tidemark/model/query';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Partition } from '../partition.ts';
import { TABLE } from '../testing/arbitraries.ts';
import { batchOf, Model, type ModelMutation } from '../testing/model.ts';
import { type PlainRow, plainRows } from '../testing/query-model.ts';
import { maskKernels } from './mask-kernels.ts';
import { type ResultRow, Scan } from './scan.ts';

const OPERATORS = ['=', '!=', '<', '<=', '>', '>='] as const;
/** Widths of delays: a byte, two, four; and what spares the kernels nothing. */
const DELAYS = [
  [0, 9],
  [-120, 1_500],
  [-2_147_483_648, 2_147_483_647],
  [7, 7],
] as const;

type Data = { readonly partition: Partition; readonly rows: readonly PlainRow[]; readonly bounds: readonly number[] };

/** In no order: each has a code in its block. */
const PLACES = ['Wien', 'Oslo-Gardermoen', 'Rom'] as const;

/** Rows in a few runs, some written again, some deleted, some flushed and some not. */
async function dataOf(random: Random): Promise<Data> {
  const blockRows = [37, 64, 300][integerBetween(random, 0, 2)]!;
  const partition = await Partition.open(new SimDisk(), 'k/flights/0', { blockRows, compaction: false });
  partition.setTable(TABLE);
  const model = new Model();
  const bounds = DELAYS[integerBetween(random, 0, DELAYS.length - 1)]!;
  const unit = 10n ** BigInt(integerBetween(random, 0, 12));
  const origins = integerBetween(random, 1, 3);
  const nulls = random.fraction() < 0.3 ? 0.1 : 0;
  for (let seq = 0; seq < 3; seq++) {
    const mutations = new Map<string, ModelMutation>();
    for (let n = integerBetween(random, 20, 120); n > 0; n--) {
      const key = [`k${integerBetween(random, 1, origins)}`, integerBetween(random, 0, 80)];
      const cells = new Map<number, Value | null>([
        [3, random.fraction() < nulls ? null : integerBetween(random, bounds[0], bounds[1])],
        [4, random.fraction() < nulls ? null : PLACES[integerBetween(random, 0, PLACES.length - 1)]!],
        [5, BigInt(integerBetween(random, -3, 200)) * unit],
        [11, BigInt(integerBetween(random, -500, 500))],
      ]);
      mutations.set(key.join(), { key, cells: seq > 0 && random.fraction() < 0.1 ? 'delete' : cells });
    }
    const stamp = { ms: 1000 + seq, counter: 0, site: 1, writer: 1 };
    const all = [...mutations.values()];
    partition.apply(batchOf(TABLE, all), stamp, 'paris', { epoch: 1, seq });
    model.apply(TABLE, all, stamp);
    if (random.fraction() < 0.9) await partition.flush();
    if (random.fraction() < 0.2) await partition.compact();
  }
  return { partition, rows: plainRows(TABLE, model.live(TABLE)), bounds };
}

const SELECT = [
  { count: '*', as: 'n' },
  { count: 'distance', as: 'd' },
  { sum: 'distance', as: 's' },
  { avg: 'delay', as: 'a' },
  { sum: 'price', as: 'p' },
] as const;

type Test = { readonly json: readonly [string, string, unknown]; readonly holds: (row: PlainRow) => boolean };

function randomTest(random: Random, name: string, value: number | bigint): Test {
  const operator = OPERATORS[integerBetween(random, 0, OPERATORS.length - 1)]!;
  return {
    json: [name, operator, typeof value === 'bigint' ? String(value) : value],
    holds: (row) => {
      const own = row[name] as number | bigint | null | undefined;
      if (own === null || own === undefined) return false;
      const order = own < value ? -1 : own > value ? 1 : 0;
      return {
        '=': order === 0,
        '!=': order !== 0,
        '<': order < 0,
        '<=': order <= 0,
        '>': order > 0,
        '>=': order >= 0,
      }[operator];
    },
  };
}

/** The aggregates of some rows, as simply as they can be said. */
function totals(rows: readonly PlainRow[]): ResultRow {
  const of = (name: string): bigint[] =>
    rows.flatMap((row) => (typeof row[name] === 'number' || typeof row[name] === 'bigint' ? BigInt(row[name]) : []));
  const sum = (name: string): bigint | null =>
    of(name).length === 0 ? null : of(name).reduce((total, value) => total + value, 0n);
  const [count, late] = [of('delay').length, sum('delay')];
  const a = late === null ? null : Number(late / BigInt(count)) + Number(late % BigInt(count)) / count;
  return { n: BigInt(rows.length), d: BigInt(of('distance').length), s: sum('distance'), a, p: sum('price') };
}

async function scanned(partition: Partition, query: Query): Promise<ResultRow[]> {
  const found: ResultRow[] = [];
  for await (const rows of new Scan([partition], planQuery(TABLE, query)).rows()) found.push(...rows);
  return found;
}

describe('counting and adding by a mask', () => {
  it('equals counting and adding row by row, whatever the filter, the groups and the width of numbers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const { partition, rows, bounds } = await dataOf(random);
        for (let i = 0; i < 6; i++) {
          const tests = [
            randomTest(random, 'delay', integerBetween(random, bounds[0]!, bounds[1]!)),
            randomTest(random, 'distance', BigInt(integerBetween(random, -5, 205))),
          ].filter(() => random.fraction() < 0.5);
          const where = tests.map(({ json }) => json);
          const chosen = rows.filter((row) => tests.every(({ holds }) => holds(row)));
          // Now and then some only: one that needs a list makes all of them need it.
          const some = SELECT.filter(() => random.fraction() < 0.4);
          const wanted = some.length === 0 ? [...SELECT] : some;
          const shown = (all: readonly PlainRow[]): ResultRow => {
            const every = totals(all);
            return Object.fromEntries(wanted.map(({ as }) => [as, every[as]!]));
          };
          expect(await scanned(partition, { select: wanted, where })).toEqual([shown(chosen)]);
          for (const by of ['origin', 'Ziel/Ort']) {
            const values = [...new Set(chosen.map((row) => row[by] as string | null))];
            const groups = values.map((value) => ({
              [by]: value,
              ...shown(chosen.filter((row) => row[by] === value)),
            }));
            const found = await scanned(partition, { select: [by, ...wanted], where, groupBy: [by] });
            const sorted = (all: readonly ResultRow[]): ResultRow[] =>
              [...all].sort((a, b) => (String(a[by]) < String(b[by]) ? -1 : 1));
            expect(sorted(found)).toEqual(sorted(groups));
          }
        }
        await partition.close();
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('is what a sum over runs of groups does', async () => {
    const partition = await Partition.open(new SimDisk(), 'k/flights/0', { blockRows: 64, compaction: false });
    partition.setTable(TABLE);
    const mutations = Array.from({ length: 128 }, (_, i) => ({
      key: [i < 64 ? 'a' : 'b', i],
      cells: new Map([[3, i]]),
    }));
    const stamp = { ms: 1, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq: 0 });
    await partition.flush();
    const sum = vi.spyOn(maskKernels, 'sum');
    const query: Query = { select: ['origin', { sum: 'delay', as: 's' }], groupBy: ['origin'] };
    expect(await scanned(partition, query)).toEqual([
      { origin: 'a', s: 2016n },
      { origin: 'b', s: 6112n },
    ]);
    expect(sum).toHaveBeenCalledTimes(2);
    sum.mockRestore();
    await partition.close();
  });

  it('is what a sum over groups in no order does', async () => {
    const partition = await Partition.open(new SimDisk(), 'k/flights/0', { blockRows: 64, compaction: false });
    partition.setTable(TABLE);
    const mutations = Array.from({ length: 128 }, (_, i) => ({
      key: ['a', i],
      cells: new Map<number, Value>([
        [3, i],
        [4, PLACES[(i * 7) % 3]!],
      ]),
    }));
    const stamp = { ms: 1, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq: 0 });
    await partition.flush();
    const sum = vi.spyOn(maskKernels, 'sumByCode');
    const orderBy: Query['orderBy'] = [['Ziel/Ort', 'asc']];
    expect(
      await scanned(partition, { select: ['Ziel/Ort', { sum: 'delay', as: 's' }], groupBy: ['Ziel/Ort'], orderBy }),
    ).toEqual([
      { 'Ziel/Ort': 'Oslo-Gardermoen', s: 2752n },
      { 'Ziel/Ort': 'Rom', s: 2667n },
      { 'Ziel/Ort': 'Wien', s: 2709n },
    ]);
    expect(sum).toHaveBeenCalledTimes(2);
    sum.mockRestore();
    await partition.close();
  });
});
