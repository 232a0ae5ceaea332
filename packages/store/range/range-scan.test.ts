/** Scans that fix the partition key are ranges: the same answers as the model's, whatever else they ask, in whole or in pages. */

import type { Value } from '@tidemark/model/column-type';
import { planQuery, type Query } from '@tidemark/model/query';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { keyRangeOf } from '../key/key-range.ts';
import { Partition } from '../partition.ts';
import { Scan } from '../query/scan.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { randomValue, TABLE } from '../testing/arbitraries.ts';
import { batchOf, type ModelMutation } from '../testing/model.ts';
import { cellText, randomRowsQuery } from '../testing/query-model.ts';
import { RangeScan } from './range-scan.ts';

const ORIGINS = 3;
const LINES = 60;
const OPERATORS = ['=', '<', '<=', '>', '>=', '!='] as const;

function randomMutation(random: Random): ModelMutation {
  const key = [`k\0${integerBetween(random, 1, ORIGINS)}`, integerBetween(random, 0, LINES)];
  if (random.fraction() < 0.1) return { key, cells: 'delete' };
  const cells = new Map<number, Value | null>();
  for (const { id, type } of TABLE.columns.slice(TABLE.key.length)) {
    if (random.fraction() < 0.6) cells.set(id, random.fraction() < 0.1 ? null : randomValue(random, type.name));
  }
  return { key, cells };
}

/** A partition whose rows lie in several segments and in memory. */
async function filled(random: Random): Promise<Partition> {
  const partition = await Partition.open(new SimDisk(), 'p', { blockRows: 16, compaction: false });
  partition.setTable(TABLE);
  for (let seq = 0; seq < 12; seq++) {
    const mutations = Array.from({ length: 40 }, () => randomMutation(random));
    // Some come late.
    const ms = 1_700_000_000_000 + seq * 100 - integerBetween(random, 0, 1) * 250;
    const stamp = { ms, counter: 0, site: 1, writer: seq + 1 };
    partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq });
    if (random.fraction() < 0.4) await partition.flush();
    if (random.fraction() < 0.1) await partition.compact();
  }
  return partition;
}

async function scanned(partition: Partition, query: Query): Promise<{ rows: string[]; cursor: string | null }> {
  const scan = new Scan([partition], planQuery(TABLE, query));
  const rows: string[] = [];
  for await (const block of scan.rows()) {
    for (const row of block) {
      rows.push(
        Object.entries(row)
          .map(([name, cell]) => `${name}=${cellText(cell)}`)
          .join(' '),
      );
    }
  }
  return { rows, cursor: scan.end!.cursor };
}

function isRange(partition: Partition, query: Query): boolean {
  const plan = planQuery(TABLE, query);
  return RangeScan.of(plan, keyRangeOf(TABLE, plan.filter), [partition]) !== null;
}

/** What a scan asks for beside the partition key; in the order of the line, which no two rows of one key share. */
function randomRest(random: Random): { where: NonNullable<Query['where']>; rest: Omit<Query, 'where'> } {
  const { query } = randomRowsQuery(random, TABLE);
  const bounds = Array.from({ length: integerBetween(random, 0, 2) }, (): [string, string, unknown] => {
    const operator = OPERATORS[integerBetween(random, 0, OPERATORS.length - 1)]!;
    return ['line', operator, integerBetween(random, -1, LINES + 1)];
  });
  const orderBy: [string, 'asc' | 'desc'][] = [['line', random.fraction() < 0.5 ? 'asc' : 'desc']];
  const { where, orderBy: _, ...rest } = query;
  return { where: [...bounds, ...(where ?? [])], rest: { ...rest, orderBy } };
}

describe('a scan that fixes the partition key', () => {
  it('gives what the same scan gives when it is not read as a range, whatever else it asks', async () => {
    const random = new SeededRandom(41);
    const partition = await filled(random);
    for (let i = 0; i < 400; i++) {
      const origin = `k\0${integerBetween(random, 1, ORIGINS)}`;
      const { where, rest } = randomRest(random);
      const ranged = { ...rest, where: [...where, ['origin', '=', origin]] } as Query;
      const plain = { ...rest, where: [...where, ['origin', 'in', [origin]]] } as Query;
      expect(isRange(partition, ranged)).toBe(true);
      // What is asked at random may fix the partition key too.
      if (isRange(partition, plain)) continue;
      const { rows } = await scanned(partition, plain);
      expect([ranged, (await scanned(partition, ranged)).rows]).toEqual([ranged, rows]);
      if (rest.limit === undefined) continue;
      const all: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await scanned(partition, cursor === undefined ? ranged : { ...ranged, cursor });
        all.push(...page.rows);
        ({ cursor } = page);
      }
      const { limit: _, ...unlimited } = plain;
      expect([ranged, all]).toEqual([ranged, (await scanned(partition, unlimited)).rows]);
    }
  });

  it('and asks nothing else is one range while its rows are few, in whatever order', async () => {
    const random = new SeededRandom(42);
    const partition = await filled(random);
    const where: Query['where'] = [['origin', '=', 'k\u00001']];
    expect(isRange(partition, { where })).toBe(true);
    const ranged = (await scanned(partition, { where })).rows;
    const plain = (await scanned(partition, { where: [['origin', 'in', ['k\u00001']]] })).rows;
    expect(ranged.toSorted()).toEqual(plain.toSorted());
    // Asked block by block, groups, and other orders are none.
    for (const query of [
      { where: [...where, ['late', '=', true]] },
      { where, select: [{ count: '*' }] },
      { where, orderBy: [['delay', 'asc']] },
      {
        where,
        orderBy: [
          ['line', 'asc'],
          ['delay', 'asc'],
        ],
      },
      { orderBy: [['origin', 'asc']], limit: 5 },
    ]) {
      expect([query, isRange(partition, query as Query)]).toEqual([query, false]);
    }
    // The partition key says nothing in an order, wherever it stands.
    for (const orderBy of [
      [
        ['origin', 'desc'],
        ['line', 'asc'],
      ],
      [
        ['line', 'desc'],
        ['origin', 'asc'],
      ],
      [['origin', 'asc']],
    ]) {
      expect([orderBy, isRange(partition, { where, orderBy } as Query)]).toEqual([orderBy, true]);
    }
  });

  it('gives all rows of a key that has thousands, whatever part of them it is asked for', async () => {
    const disk = new SimDisk();
    const partition = await Partition.open(disk, 'p', { blockRows: 512, compaction: false });
    partition.setTable(TABLE);
    const count = 6_000;
    for (let from = 0; from < count; from += 2_000) {
      const mutations = Array.from({ length: 2_000 }, (_, i): ModelMutation => {
        // Every line in turn of one of three batches, so that places in each segment go side by side.
        const line = i * 3 + from / 2_000;
        return { key: ['k', line], cells: new Map([[3, line % 1_500]]) };
      });
      const stamp = { ms: 1_700_000_000_000 + from, counter: 0, site: 1, writer: 1 };
      partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq: from });
      if (from < 4_000) await partition.flush();
    }
    const linesOf = async (query: Query): Promise<number[]> => {
      const { rows } = await scanned(partition, { select: ['line'], ...query });
      return rows.map((row) => Number(row.replace('line=', '')));
    };
    const all = Array.from({ length: count }, (_, line) => line);
    const where: NonNullable<Query['where']> = [['origin', '=', 'k']];
    expect((await linesOf({ where })).toSorted((a, b) => a - b)).toEqual(all);
    expect(await linesOf({ where, orderBy: [['line', 'desc']] })).toEqual(all.toReversed());
    expect(await linesOf({ where, orderBy: [['line', 'asc']], limit: 2_500 })).toEqual(all.slice(0, 2_500));
    // Few of very many that are looked at.
    const few: Query['where'] = [...where, ['delay', '=', 7]];
    expect(await linesOf({ where: few, orderBy: [['line', 'asc']] })).toEqual([7, 1_507, 3_007, 4_507]);
    expect(await linesOf({ where: few, limit: 3 })).toEqual([7, 1_507, 3_007]);
    // When its blocks have to be read, and when they are there.
    await partition.flush();
    const cold = await Partition.open(disk, 'p', { blockRows: 512, compaction: false, cache: new BlockCache(2 ** 24) });
    for (let i = 0; i < 2; i++) {
      const { rows, cursor } = await scanned(cold, { select: ['line'], where: few, limit: 4 });
      expect([rows.length, cursor]).toEqual([4, null]);
    }
    const bounds = { from: null, to: null, direction: 'ascending' } as const;
    const wish = { bounds, columns: [TABLE.columns[1]!], bytesMax: Number.POSITIVE_INFINITY, passes: null };
    const page = await partition.range({ ...wish, limit: 2_500 });
    expect([page.rows.map(([line]) => line), page.after === null]).toEqual([all.slice(0, 2_500), false]);
    const whole = await partition.range({ ...wish, limit: count });
    expect([whole.rows.length, whole.after]).toEqual([count, null]);
  });
});
