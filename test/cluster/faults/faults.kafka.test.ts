/**
 * Rows of the table of faults on real processes, brokers and Redis, at sizes that fit a test run, one after the other
 * on one stage. `npm run faults` holds all of them at any size.
 */

import { Reaper } from '@tidemark/dev/reaper';
import { SeededRandom } from '@tidemark/platform/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { minority } from './minority.ts';
import { noRedis } from './no-redis.ts';
import { ROWS } from './rows.ts';
import { FaultStage } from './stage/fault-stage.ts';
import { switchover } from './switchover.ts';
import { wanCut } from './wan-cut.ts';
import { zombie } from './zombie.ts';

const MINUTE_MS = 60_000;

describe('on three sites with real Kafka and Redis', () => {
  let reaper: Reaper;
  let stage: FaultStage;
  beforeAll(async () => {
    reaper = Reaper.start();
    stage = await FaultStage.open(reaper, { say: () => {} });
  }, 2 * MINUTE_MS);
  afterAll(async () => {
    await reaper[Symbol.asyncDispose]();
  });

  for (const row of [switchover, minority, zombie, noRedis, wanCut]) {
    it(
      `row ${row.row}, ${row.fault}: ${row.promise}`,
      async () => {
        await stage.run(row, row.small, new SeededRandom(1));
      },
      3 * MINUTE_MS,
    );
  }

  it('has each row once', () => {
    expect(new Set(ROWS.map(({ row }) => row)).size).toBe(ROWS.length);
  });
});
