/** P5, P6, P7: scans of the settled table, and of one of which a quarter of the rows was just updated. */

import { join } from 'node:path';
import type { Query } from '@tidemark/schema/query';
import { type Contestant, contest, type Goal, type Row } from './contest.ts';
import { updateOf } from './flights.ts';
import { bodiesOf, type Cells, OurTable } from './our-table.ts';
import { timed } from './stopwatch.ts';
import type { Sides } from './upserts.ts';

const FILTERED: Query = { select: [{ sum: 'distance' }], where: [['delay', '>', 30]] };
const FILTERED_SQL = (table: string): string => `select sum(distance)::bigint from ${table} where delay > 30`;
const GROUPED: Query = {
  select: ['origin', { avg: 'delay', as: 'late' }],
  groupBy: ['origin'],
  orderBy: [['origin', 'asc']],
};
const GROUPED_SQL = (table: string): string =>
  `select origin, avg(delay) as late from ${table} group by origin order by origin`;

/** All rows, settled: one segment. */
export async function openSettled(sides: Sides): Promise<OurTable> {
  const table = await OurTable.open(join(sides.folder, 'settled'), { compaction: false });
  await table.apply(bodiesOf(sides.flights, sides.flights.rowCount, (row) => ({ row, update: null })));
  await table.partition.flush();
  await table.partition.compact();
  return table;
}

/** P5 and P6. */
export async function measureSettled(sides: Sides, table: OurTable): Promise<Row[]> {
  const { duck, click, runs } = sides;
  const parquet = `read_parquet('${duck.path('flights.parquet')}')`;
  const duckdb = (name: string, sql: string, goal: Goal) => ({
    ...contestant(name, () => duck.answer(sql)),
    goal,
  });
  const clickhouse = (sql: string, goal: Goal) => ({
    ...contestant('ClickHouse MergeTree', async () => click.answer(sql)),
    goal,
  });
  const common = { unit: 'ms', better: 'less', runs } as const;
  return [
    await contest({
      ...common,
      id: 'P5',
      measure: 'sum(distance) where delay > 30',
      ours: contestant('ours', () => table.answer(FILTERED)),
      peers: [
        duckdb('DuckDB file', FILTERED_SQL('t.flights'), { atLeast: 1.2, aim: 3 }),
        duckdb('DuckDB on zstd Parquet', FILTERED_SQL(parquet), { atLeast: 4, aim: 12 }),
        clickhouse(FILTERED_SQL('bench.flights'), { atLeast: 3, aim: 8 }),
      ],
    }),
    await contest({
      ...common,
      id: 'P6',
      measure: 'avg(delay) group by origin',
      ours: contestant('ours', () => table.answer(GROUPED)),
      peers: [
        duckdb('DuckDB file', GROUPED_SQL('t.flights'), { atLeast: 2, aim: 8 }),
        clickhouse(GROUPED_SQL('bench.flights'), { atLeast: 1.5, aim: 4 }),
      ],
    }),
  ];
}

/** P7: both scans after updates, before compaction; ClickHouse has to write rows whole either way. */
export async function measureUpdated(sides: Sides): Promise<Row[]> {
  const rows: Row[] = [];
  for (const cells of ['all', 'delay'] as const) {
    const table = await openUpdated(sides, cells);
    const what = cells === 'all' ? '25 % of rows rewritten' : '25 % of rows got another delay';
    rows.push(await measureFinal(sides, table, `sum where, ${what}`, FILTERED, FILTERED_SQL));
    rows.push(await measureFinal(sides, table, `avg group by, ${what}`, GROUPED, GROUPED_SQL));
    await table.close();
  }
  return rows;
}

async function openUpdated(sides: Sides, cells: Cells): Promise<OurTable> {
  const { flights } = sides;
  const table = await OurTable.open(join(sides.folder, `updated-${cells}`), { compaction: false });
  await table.apply(bodiesOf(flights, flights.rowCount, (row) => ({ row, update: null })));
  await table.partition.flush();
  await table.partition.compact();
  const updates = Math.floor(flights.rowCount / 4);
  await table.apply(bodiesOf(flights, updates, (n) => updateOf(n, flights.rowCount), cells));
  await table.partition.flush();
  return table;
}

async function measureFinal(
  { click, runs }: Sides,
  table: OurTable,
  measure: string,
  query: Query,
  sql: (table: string) => string,
): Promise<Row> {
  return await contest({
    id: 'P7',
    measure,
    unit: 'ms',
    better: 'less',
    runs,
    ours: contestant('ours', () => table.answer(query)),
    peers: [
      {
        ...contestant('ClickHouse FINAL', async () => click.answer(sql('bench.updated final'))),
        goal: { atLeast: 5, aim: 30 },
      },
    ],
  });
}

/** The middle of a few: one scan of a small table is too short to time. */
const SCANS = 3;

function contestant(name: string, ask: () => Promise<string>): Contestant {
  return {
    name,
    run: async () => {
      const times: number[] = [];
      let answer = '';
      for (let scan = 0; scan < SCANS; scan++) {
        const { ms, result } = await timed(ask);
        times.push(ms);
        answer = result;
      }
      return { value: times.sort((a, b) => a - b)[Math.floor(SCANS / 2)]!, answer };
    },
  };
}
