import { setImmediate } from 'node:timers/promises';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { tableNamed } from '@tidemark/model/table';
import { Progress } from '@tidemark/platform/progress';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import type { KeyspaceApplier } from '../applier.ts';
import type { TableStore } from '../keyspace/stores.ts';
import { BarrierCalls, Freshness } from './freshness.ts';
import { planRange, readRange } from './range.ts';

const KEYSPACE = evolve(
  null,
  parseKeyspaceFile({
    ...{ keyspace: 'travel', mode: 'single', primary: 'paris', ack: 'local', partitions: 1 },
    sites: { paris: 'data' },
    tables: { t: { columns: { k: 'string', n: 'int' }, partitionKey: 'k', sortKey: ['n'] } },
  }),
).keyspace;

/** In how many turns of the event loop `count` of them are over. */
async function turnsOf(count: number, one: () => Promise<unknown>): Promise<number> {
  let [turns, left] = [0, count];
  const seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    void one().then(() => {
      seen.add(turns);
      left--;
    });
  }
  for (; left > 0; turns++) await setImmediate();
  return seen.size;
}

describe('many reads at once', () => {
  it('that waited for the same write go on in as many turns of the event loop', async () => {
    let isThere = false;
    const clock = new SystemClock();
    const progress = new Progress(clock);
    const origins = { applied: () => ({ epoch: 1, seq: isThere ? 7 : 6 }), isCutOff: () => false };
    const applier = { stores: { keyspace: KEYSPACE }, origins, progress } as unknown as KeyspaceApplier;
    const freshness = new Freshness({
      ...{ site: 'paris', clock, readTimeoutMs: 60_000 },
      ...{ requestBarrier: undefined, primaryOf: undefined, primaryUrl: undefined },
    });
    const wish = { read: undefined, timeoutMs: undefined, atLeast: 'travel/paris/0=1:7' };
    setTimeout(() => {
      isThere = true;
      progress.tell();
    });
    expect(await turnsOf(50, () => freshness.reach(applier, wish, new AbortController()))).toBe(50);
  });

  it('of pages of many rows are begun in as many turns', async () => {
    const table = tableNamed(KEYSPACE, 't');
    const range = () => ({ rows: [], after: null, scanned: 0, bytes: 0, isUnfinished: false });
    const store = { table, partitions: [{ range }] } as unknown as TableStore;
    const plan = planRange(table, ['A'], { limit: '1000' });
    expect(await turnsOf(50, () => readRange(store, plan))).toBe(50);
  });
});

describe('barriers asked for', () => {
  it('are shared only by those who came before one was asked for', async () => {
    const answers: (() => void)[] = [];
    const calls = new BarrierCalls(() => new Promise<void>((resolve) => answers.push(resolve)));
    const done: string[] = [];
    const ask = (name: string): Promise<unknown> => calls.next().then(() => done.push(name));
    const all = [ask('first'), ask('second'), ask('third')];
    expect(answers).toHaveLength(1);
    answers[0]!();
    await all[0];
    expect(done).toEqual(['first']);
    await Promise.resolve();
    expect(answers).toHaveLength(2);
    answers[1]!();
    await Promise.all(all);
    expect(answers).toHaveLength(2);
  });

  it('go on after one that failed', async () => {
    let count = 0;
    const calls = new BarrierCalls(async () => {
      if (count++ === 0) throw new Error('no');
    });
    const [first, second] = [calls.next(), calls.next()];
    await expect(first).rejects.toThrow('no');
    await second;
    expect(count).toBe(2);
  });
});
