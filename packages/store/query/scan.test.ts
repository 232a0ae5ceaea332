import { decodeKey, encodeKey, partitionKeyLength } from '@tidemark/columnar/key';
import type { Value } from '@tidemark/model/column-type';
import type { Filter } from '@tidemark/model/filter';
import { partitionOf } from '@tidemark/model/hash';
import { parseQuery, planQuery, type Query } from '@tidemark/model/query';
import { cellToJson } from '@tidemark/model/text/cell-value';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { randomValue, randomWrites, TABLE } from '../testing/arbitraries.ts';
import { batchOf, Model } from '../testing/model.ts';
import { compareValues } from './order.ts';
import { type ResultRow, Scan } from './scan.ts';

const PARTITIONS = 3;
type Plain = Record<string, Value | null>;

/** Partitions filled by random writes with flushes in between, and the same rows as plain objects. */
async function filled(random: Random, records: number): Promise<{ partitions: Partition[]; rows: Plain[] }> {
  const model = new Model();
  const disk = new SimDisk();
  const partitions: Partition[] = [];
  for (let i = 0; i < PARTITIONS; i++) {
    partitions.push(await Partition.open(disk, `p/${i}`, { blockRows: 4, compaction: false }));
    partitions[i]!.setTable(TABLE);
  }
  for (const write of randomWrites(random, records, 12, 40)) {
    model.apply(TABLE, write.mutations, write.stamp);
    for (const [number, partition] of partitions.entries()) {
      const batch = batchOf(TABLE, write.mutations);
      // The stamps of the rows that stay must be what they were among all rows.
      const mine = write.mutations.flatMap((mutation, i) => {
        const key = encodeKey(TABLE, mutation.key);
        return partitionOf(key.subarray(0, partitionKeyLength(TABLE, key)), PARTITIONS) === number ? [i] : [];
      });
      if (mine.length === 0) continue;
      const part = batchOf(
        TABLE,
        mine.map((i) => write.mutations[i]!),
      );
      mine.forEach((i, row) => {
        part.stampOffsets[row] = batch.stampOffsets[i]!;
      });
      partition.apply(part, write.stamp, write.origin, write.at);
      if (random.fraction() < 0.15) await partition.flush();
      if (random.fraction() < 0.05) await partition.compact();
    }
  }
  return { partitions, rows: model.live(TABLE).map(plainRow) };
}

function plainRow(row: ReturnType<Model['live']>[number]): Plain {
  const plain: Plain = Object.fromEntries(TABLE.columns.map((column) => [column.name, null]));
  decodeKey(TABLE, row.key).forEach((value, i) => {
    plain[TABLE.columns[i]!.name] = value;
  });
  for (const { column, value } of row.cells) plain[TABLE.columns.find((c) => c.id === column)!.name] = value;
  return plain;
}

/** The filter, said as simply as can be: null is unknown. */
function holds(filter: Filter, row: Plain): boolean | null {
  if ('parts' in filter) {
    const parts = filter.parts.map((part) => holds(part, row));
    const decisive = filter.kind === 'or';
    if (parts.includes(decisive)) return decisive;
    return parts.includes(null) ? null : !decisive;
  }
  if ('part' in filter) {
    const inner = holds(filter.part, row);
    return inner === null ? null : !inner;
  }
  const value = row[filter.column.name]!;
  if (filter.kind === 'null') return (value === null) === filter.isNull;
  if (value === null) return null;
  if (filter.kind === 'in') return filter.values.some((one) => compareValues(value, one) === 0);
  if (filter.kind === 'prefix') return Buffer.from(value as string).indexOf(filter.prefix) === 0;
  const order = compareValues(value, filter.value);
  const tests = {
    '=': order === 0,
    '!=': order !== 0,
    '<': order < 0,
    '<=': order <= 0,
    '>': order > 0,
    '>=': order >= 0,
  };
  return tests[filter.operator];
}

type Condition = NonNullable<Query['where']>[number];

function randomCondition(random: Random, depth: number): Condition {
  const draw = random.fraction();
  const some = (): Condition[] =>
    Array.from({ length: integerBetween(random, 0, 3) }, () => randomCondition(random, depth - 1));
  if (depth > 0 && draw < 0.15) return { and: some() };
  if (depth > 0 && draw < 0.3) return { or: some() };
  if (depth > 0 && draw < 0.4) return { not: randomCondition(random, depth - 1) };
  const column = TABLE.columns[integerBetween(random, 0, TABLE.columns.length - 1)]!;
  const json = (): unknown => {
    if (column.id === 1) return `k\0${integerBetween(random, 1, 40)}`;
    if (column.id === 2) return integerBetween(random, -1, 1);
    return cellToJson(column.type, randomValue(random, column.type.name));
  };
  const operators = ['=', '!=', '<', '<=', '>', '>=', 'in', 'between', 'is-null', 'is-not-null', 'prefix'];
  const operator = operators[integerBetween(random, 0, column.type.name === 'string' ? 10 : 9)]!;
  if (operator === 'in') return [column.name, operator, [json(), json()]];
  if (operator === 'between') return [column.name, operator, [json(), json()]];
  return [column.name, operator, operator.startsWith('is') ? undefined : json()];
}

async function run(partitions: readonly Partition[], query: Query): Promise<{ rows: ResultRow[]; scan: Scan }> {
  const scan = new Scan(partitions, planQuery(TABLE, parseQuery(JSON.parse(JSON.stringify(query)))));
  const rows: ResultRow[] = [];
  for await (const block of scan.rows()) rows.push(...block);
  return { rows, scan };
}

const text = (row: Plain): string =>
  JSON.stringify(Object.entries(row).map(([k, v]) => [k, typeof v === 'object' && v !== null ? [...v] : String(v)]));
const sorted = (rows: readonly Plain[]): string[] => rows.map(text).sort();

describe('scan', () => {
  it('selects the rows a plain loop selects, whatever the filter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const { partitions, rows } = await filled(random, 25);
        for (let turn = 0; turn < 6; turn++) {
          const query = {
            where: Array.from({ length: integerBetween(random, 0, 2) }, () => randomCondition(random, 2)),
          };
          const { filter } = planQuery(TABLE, parseQuery(JSON.parse(JSON.stringify(query))));
          const expected = rows.filter((row) => holds(filter, row) === true);
          const found = await run(partitions, query);
          expect(sorted(found.rows)).toEqual(sorted(expected));
          expect(found.scan.end).toMatchObject({ rows: expected.length, cursor: null });
        }
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  it('goes through all rows once by limits and cursors, by partition and by key either way', async () => {
    const { partitions, rows } = await filled(new SeededRandom(4), 30);
    const byKey = (direction: 'asc' | 'desc'): NonNullable<Query['orderBy']> => [
      ['origin', direction],
      ['line', direction],
    ];
    for (const direction of [undefined, 'asc', 'desc'] as const) {
      const orderBy = direction && byKey(direction);
      for (const limit of [1, 3, 1000]) {
        const all: Plain[] = [];
        let cursor: string | null = null;
        do {
          const query: Query = { limit, ...(orderBy && { orderBy }), ...(cursor !== null && { cursor }) };
          const { rows: page, scan } = await run(partitions, query);
          all.push(...page);
          cursor = scan.end!.cursor;
        } while (cursor !== null);
        // The model's rows are in key order.
        if (orderBy === undefined) expect(sorted(all)).toEqual(sorted(rows));
        else expect(all.map(text)).toEqual((direction === 'asc' ? rows : rows.toReversed()).map(text));
      }
    }
  });

  it('goes backwards through a range of one partition key, page by page', async () => {
    const { partitions, rows } = await filled(new SeededRandom(6), 40);
    for (const origin of new Set(rows.map((row) => row.origin as string))) {
      const where: Query['where'] = [
        ['origin', '=', origin],
        ['line', '<=', 0],
      ];
      const expected = rows.filter((row) => row.origin === origin && (row.line as number) <= 0).reverse();
      const all: Plain[] = [];
      let cursor: string | null = null;
      do {
        const query: Query = {
          where,
          orderBy: [
            ['origin', 'desc'],
            ['line', 'desc'],
          ],
          limit: 1,
          ...(cursor && { cursor }),
        };
        const { rows: page, scan } = await run(partitions, query);
        all.push(...page);
        cursor = scan.end!.cursor;
      } while (cursor !== null);
      expect(all.map(text)).toEqual(expected.map(text));
    }
  });

  it('orders by any column, missing values last, and keeps the first ones', async () => {
    const { partitions, rows } = await filled(new SeededRandom(8), 30);
    for (const column of TABLE.columns) {
      for (const direction of ['asc', 'desc'] as const) {
        const query: Query = { select: [column.name], orderBy: [[column.name, direction]], limit: 7 };
        const { rows: found } = await run(partitions, query);
        const sign = direction === 'asc' ? 1 : -1;
        const values = rows.map((row) => row[column.name]!);
        const present = values.filter((value) => value !== null).sort((a, b) => sign * compareValues(a, b));
        const expected = [...present, ...values.filter((value) => value === null)].slice(0, 7);
        const key = (v: Value | null | undefined): unknown => (v instanceof Uint8Array ? [...v] : v === 0 ? 0 : v);
        expect(found.map((row) => key(row[column.name]))).toEqual(expected.map(key));
      }
    }
  });

  it('groups and aggregates as a plain loop does, sums of whole numbers exactly', async () => {
    const { partitions, rows } = await filled(new SeededRandom(15), 40);
    const { rows: found } = await run(partitions, {
      select: [
        'late',
        'day',
        { count: '*', as: 'n' },
        { count: 'delay' },
        { sum: 'distance', as: 'sum' },
        { avg: 'delay', as: 'avg' },
        { min: 'Ziel/Ort', as: 'first' },
        { max: 'share', as: 'most' },
        { sum: 'price', as: 'paid' },
        { countDistinct: 'Ziel/Ort', as: 'places' },
        { countDistinctApprox: 'distance', as: 'about' },
        { quantile: 'delay', at: 0.5, as: 'median' },
        { quantile: 'price', at: 0.9, as: 'dear' },
      ],
      groupBy: ['late', 'day'],
    });
    const groups = new Map<string, Plain[]>();
    for (const row of rows) {
      const name = `${row.late} ${row.day}`;
      groups.set(name, [...(groups.get(name) ?? []), row]);
    }
    expect(found.length).toBe(groups.size);
    for (const row of found) {
      const members = groups.get(`${row.late} ${row.day}`)!;
      const of = (name: string): Value[] => members.map((member) => member[name]!).filter((value) => value !== null);
      const sum = (name: string): bigint | null =>
        of(name).length === 0 ? null : of(name).reduce<bigint>((total, value) => total + BigInt(value as bigint), 0n);
      const delays = of('delay') as number[];
      expect(row.n).toBe(BigInt(members.length));
      expect(row['count(delay)']).toBe(BigInt(delays.length));
      expect(row.sum).toBe(sum('distance'));
      expect(row.paid).toBe(sum('price'));
      expect(row.first).toBe(of('Ziel/Ort').sort(compareValues)[0] ?? null);
      // 0 and −0 are equal; either may be the largest.
      const most = of('share').sort(compareValues).at(-1) ?? null;
      expect(row.most === 0 ? 0 : row.most).toEqual(most === 0 ? 0 : most);
      expect(row.places).toBe(BigInt(new Set(of('Ziel/Ort')).size));
      // So few that none shares a register with another.
      expect(row.about).toBe(BigInt(new Set(of('distance')).size));
      const at = (values: Value[], share: number): Value | null =>
        values.sort(compareValues)[Math.max(1, Math.ceil(values.length * share)) - 1] ?? null;
      expect(row.median).toBe(at(of('delay'), 0.5));
      expect(row.dear).toBe(at(of('price'), 0.9));
      if (delays.length === 0) expect(row.avg).toBe(null);
      else expect(row.avg).toBeCloseTo(delays.reduce((a, b) => a + b, 0) / delays.length, 3);
    }
  });

  it('says about how many values there are, when they are many', async () => {
    const partition = await Partition.open(new SimDisk(), 'p/0', { compaction: false });
    partition.setTable(TABLE);
    const count = 30_000;
    const mutations = Array.from({ length: count }, (_, i) => ({ key: [`${i}`, 0], cells: new Map([[3, i * 17]]) }));
    const stamp = { ms: 1, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq: 1 });
    await partition.flush();
    const select: Query['select'] = [{ countDistinctApprox: 'delay' }, { countDistinctApprox: 'origin' }];
    const [row] = (await run([partition], { select })).rows;
    // Three times what it is off by in two thirds of all cases.
    for (const about of Object.values(row!)) expect(Math.abs(Number(about) - count) / count).toBeLessThan(0.05);
  });

  it('gives one row for aggregates without groups, also when nothing is selected', async () => {
    const { partitions, rows } = await filled(new SeededRandom(2), 10);
    const select: Query['select'] = [
      { count: '*', as: 'n' },
      { sum: 'delay', as: 's' },
    ];
    expect((await run(partitions, { select })).rows[0]).toMatchObject({ n: BigInt(rows.length) });
    const nothing = await run(partitions, { select, where: [['origin', '=', 'nowhere']] });
    expect(nothing.rows).toEqual([{ n: 0n, s: null }]);
  });

  it('asks one partition, and few blocks, when the key is given', async () => {
    const { partitions, rows } = await filled(new SeededRandom(3), 60);
    for (const partition of partitions) {
      await partition.flush();
      await partition.compact();
    }
    const origin = rows[5]!.origin as string;
    const { rows: found, scan } = await run(partitions, { where: [['origin', '=', origin]] });
    expect(sorted(found)).toEqual(sorted(rows.filter((row) => row.origin === origin)));
    expect(scan.end!.scanned).toBeLessThan(rows.length / 2);
  });

  it('stops with the signal, and lets go of what it read', async () => {
    const { partitions } = await filled(new SeededRandom(6), 60);
    const stop = new AbortController();
    const scan = new Scan(partitions, planQuery(TABLE, {}));
    const seen = (async () => {
      for await (const _ of scan.rows(stop.signal)) stop.abort(new Error('enough'));
    })();
    await expect(seen).rejects.toThrow('enough');
    expect(scan.end).toBe(null);
  });

  it('refuses what makes no sense, naming the column and both values', () => {
    const wrong: [Query, RegExp][] = [
      [{ select: ['delays'] }, /no column "delays" \(nearest: delay\)/],
      [{ where: [['delay', '>', 'much']] }, /delay.*"much".*int/],
      [{ where: [['delay', '~', 1]] }, /operator "~"; expected one of = !=/],
      [{ where: [['delay', 'in', 5]] }, /delay in 5; expected a list/],
      [{ where: [['delay', 'between', [5]]] }, /between \[5\]; expected \[low, high\]/],
      [{ where: [['delay', 'prefix', 'x']] }, /prefix of type int/],
      [{ select: [{ sum: 'origin', as: 's' }] }, /sum\(origin\) of type string; expected a column of numbers/],
      [{ select: ['delay', { count: '*' }] }, /"delay" beside aggregates/],
      [{ select: ['delay', 'delay'] }, /"delay" twice/],
      [{ select: [{ quantile: '*', at: 0.5 }] }, /quantile\(\*\); expected count\(\*\)/],
      [{ select: [{ sum: '*' }] }, /sum\(\*\); expected count\(\*\)/],
      [{ groupBy: ['late'], orderBy: [['delay', 'asc']] }, /orderBy "delay"/],
      [{ groupBy: ['late'], cursor: '0.' }, /a cursor; expected a scan of rows/],
    ];
    for (const [query, message] of wrong) {
      const error = thrown(() => planQuery(TABLE, parseQuery(query)));
      expect(isFault(error, 'invalid')).toBe(true);
      expect(String(error)).toMatch(message);
    }
    for (const json of [{ limit: 0 }, { limits: 1 }, { where: [5] }, { orderBy: [['a', 'up']] }, 7, null]) {
      expect(
        isFault(
          thrown(() => parseQuery(json)),
          'invalid',
        ),
      ).toBe(true);
    }
  });
});

function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}
