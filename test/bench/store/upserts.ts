/** P3: how fast writes come in for good, a quarter of them updates, the newest of each key staying. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MutateBody } from '@tidemark/record/envelope';
import type { Click } from './click.ts';
import { contest, type Row, type Run } from './contest.ts';
import type { Dataset } from './dataset.ts';
import type { Duck } from './duck.ts';
import { bodiesOf, OurTable } from './our-table.ts';
import { startWatch } from './stopwatch.ts';
import { streamWrite } from './writes.ts';

export type Sides = {
  readonly folder: string;
  readonly data: Dataset;
  readonly duck: Duck;
  readonly click: Click;
  readonly runs: number;
};

/** The time ends when every write is on the disk and synced. */
export async function measureUpserts(sides: Sides, upserts: number): Promise<Row> {
  const { duck, click, data, runs } = sides;
  const bodies = [...bodiesOf(data, upserts, streamWrite)];
  let number = 0;
  const ours = async (): Promise<Run> => {
    const folder = join(sides.folder, `upserts-${number++}`);
    const run = await upsertOurs(folder, data, bodies);
    await rm(folder, { recursive: true });
    return { value: (upserts / run.ms) * 1_000, answer: run.answer };
  };
  const rate = ({ ms, answer }: { ms: number; answer: string }): Run => ({ value: (upserts / ms) * 1_000, answer });
  return await contest({
    id: 'P3',
    measure: `durable upserts, 25 % updates, ${upserts.toLocaleString('en')} writes`,
    unit: 'rows/s',
    better: 'more',
    runs,
    ours: { name: 'ours', run: ours },
    peers: [
      {
        name: 'ClickHouse ReplacingMergeTree',
        run: async () => rate(click.upsertStream()),
        goal: { atLeast: 1, aim: 2 },
      },
      {
        name: 'DuckDB on conflict',
        run: async () => rate(await duck.upsertStream(data, upserts)),
        goal: { atLeast: 5, aim: 15 },
      },
    ],
  });
}

/** With compaction as it comes, like the others'. */
export async function upsertOurs(
  folder: string,
  { table: definition, roles }: Dataset,
  bodies: readonly MutateBody[],
): Promise<{ ms: number; answer: string }> {
  const table = await OurTable.open(folder, {}, definition);
  const elapsedMs = startWatch();
  await table.apply(bodies);
  await table.partition.flush();
  const ms = elapsedMs();
  const answer = await table.answer({ select: [{ count: '*' }, { sum: roles.updated }, { sum: roles.summed }] });
  await table.close();
  return { ms, answer };
}
