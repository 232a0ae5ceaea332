/** P5, P6, P7: scans of the settled table, and of one of which a quarter of the rows was just updated. */

import { join } from 'node:path';
import type { Query } from '@tidemark/model/query';
import { type Contestant, contest, type Goal, type Row } from './contest.ts';
import type { Dataset } from './dataset.ts';
import { bodiesOf, type Cells, OurTable } from './our-table.ts';
import { timed } from './stopwatch.ts';
import type { Sides } from './upserts.ts';
import { updateOf } from './writes.ts';

/** A question to ours and the same to the peers, of a table of theirs. */
type Question = { readonly words: string; readonly query: Query; readonly sql: (table: string) => string };

/** The filtered sum, and the mean by group. */
function questionsOf({ roles }: Dataset): readonly [sum: Question, mean: Question] {
  const { updated, above, summed, grouped } = roles;
  const mean: Query = {
    select: [grouped, { avg: updated, as: 'mean' }],
    groupBy: [grouped],
    orderBy: [[grouped, 'asc']],
  };
  return [
    {
      words: `sum(${summed}) where ${updated} > ${above}`,
      query: { select: [{ sum: summed }], where: [[updated, '>', above]] },
      sql: (table) => `select sum(${summed})::bigint from ${table} where ${updated} > ${above}`,
    },
    {
      words: `avg(${updated}) group by ${grouped}`,
      query: mean,
      sql: (table) =>
        `select ${grouped}, avg(${updated}) as mean from ${table} group by ${grouped} order by ${grouped}`,
    },
  ];
}

/** All rows, settled: one segment. */
export async function openSettled({ folder, data }: Sides, name = 'settled'): Promise<OurTable> {
  const table = await OurTable.open(join(folder, name), { compaction: false }, data.table);
  await table.apply(bodiesOf(data, data.rowCount, (row) => ({ row, update: null })));
  await table.partition.flush();
  await table.partition.compact();
  return table;
}

/** P5 and P6. */
export async function measureSettled(sides: Sides, table: OurTable): Promise<Row[]> {
  const { data, duck, click, runs } = sides;
  const [sum, mean] = questionsOf(data);
  const parquet = `read_parquet('${duck.path('rows.parquet')}')`;
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
      measure: sum.words,
      ours: contestant('ours', () => table.answer(sum.query)),
      peers: [
        duckdb('DuckDB file', sum.sql('t.settled'), { atLeast: 1.2, aim: 3 }),
        duckdb('DuckDB on zstd Parquet', sum.sql(parquet), { atLeast: 4, aim: 12 }),
        clickhouse(sum.sql('bench.settled'), { atLeast: 3, aim: 8 }),
      ],
    }),
    await contest({
      ...common,
      id: 'P6',
      measure: mean.words,
      ours: contestant('ours', () => table.answer(mean.query)),
      peers: [
        duckdb('DuckDB file', mean.sql('t.settled'), { atLeast: 2, aim: 8 }),
        clickhouse(mean.sql('bench.settled'), { atLeast: 1.5, aim: 4 }),
      ],
    }),
  ];
}

/** P7: both scans after updates, before compaction; ClickHouse has to write rows whole either way. */
export async function measureUpdated(sides: Sides): Promise<Row[]> {
  const rows: Row[] = [];
  const [sum, mean] = questionsOf(sides.data);
  for (const cells of ['all', 'updated'] as const) {
    const table = await openUpdated(sides, cells);
    const what = cells === 'all' ? '25 % of rows rewritten' : `25 % of rows got another ${sides.data.roles.updated}`;
    rows.push(await measureFinal(sides, table, `sum where, ${what}`, sum));
    rows.push(await measureFinal(sides, table, `avg group by, ${what}`, mean));
    await table.close();
  }
  return rows;
}

async function openUpdated(sides: Sides, cells: Cells): Promise<OurTable> {
  const { data } = sides;
  const table = await openSettled(sides, `updated-${cells}`);
  const updates = Math.floor(data.rowCount / 4);
  await table.apply(bodiesOf(data, updates, (n) => updateOf(n, data.rowCount), cells));
  await table.partition.flush();
  return table;
}

async function measureFinal(
  { click, runs }: Sides,
  table: OurTable,
  measure: string,
  { query, sql }: Question,
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
