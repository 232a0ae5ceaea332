import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import type { Appender, Entry } from './appender.ts';
import { entryOf } from './appender.ts';
import { Barriers } from './barriers.ts';

/** Two partitions whose records are sealed as they come, or stand in line while `isStuck`. */
function world({ tellsSoon = true } = {}) {
  const clock = new SimClock();
  const sleeps: number[] = [];
  const sleep = clock.sleep.bind(clock);
  clock.sleep = (ms, signal) => {
    sleeps.push(ms);
    return sleep(ms, signal);
  };
  const heads = [-1, -1];
  const committed = [-1, -1];
  const barriers: { readonly atMs: number; readonly committed: readonly number[] }[] = [];
  const state = { isHandingOver: false, isStuck: false };
  const line: Entry[] = [];
  const seal = (partition: number, entry: Entry): void => {
    entry.seq = ++heads[partition]!;
    const body = entry.body();
    if (body.kind === 'Barrier') barriers.push({ atMs: clock.monotonicMs(), committed: body.committed });
    told.onSealed(partition, entry);
  };
  const appenders = heads.map((_, partition) => ({
    get head() {
      return heads[partition]!;
    },
    rows: 0,
    enqueue: (entry: Entry) => (state.isStuck ? line.push(entry) : seal(partition, entry)),
  }));
  const told = new Barriers({
    clock,
    appenders: appenders as unknown as readonly Appender[],
    committed: (partition) => committed[partition]!,
    tellsSoon,
    isHandingOver: () => state.isHandingOver,
  });
  const stop = new AbortController();
  const running = told.run(stop.signal);
  return {
    clock,
    barriers,
    sleeps,
    state,
    write: (partition: number) => seal(partition, entryOf({ kind: 'Noop' })),
    commit: (partition: number) => {
      committed[partition] = heads[partition]!;
      told.onCommitted(partition, heads[partition]!);
    },
    unstick: () => {
      state.isStuck = false;
      for (const entry of line.splice(0)) seal(0, entry);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await clock.advance(200);
      await running;
    },
  };
}

/** Past the barriers that every writer begins with, and between two of a writer at rest. */
async function quiet(w: ReturnType<typeof world>): Promise<number> {
  await w.clock.advance(5_410);
  return w.barriers.length;
}

describe('barriers', () => {
  it('tell at once of a commit that no record tells of, and again while there may be news', async () => {
    await using w = world();
    const before = await quiet(w);
    const atMs = w.clock.monotonicMs();
    w.write(1);
    w.commit(1);
    await w.clock.advance(5);
    const news = w.barriers.slice(before);
    expect(news).toEqual([{ atMs: expect.any(Number), committed: [-1, 0] }]);
    expect(news[0]!.atMs - atMs).toBeLessThanOrEqual(5);
    await w.clock.advance(500);
    expect(w.barriers.length - before).toBe(4);
  });

  it('are not written for what the next record of the partition tells', async () => {
    await using w = world();
    const before = await quiet(w);
    w.write(1);
    for (let i = 0; i < 40; i++) {
      w.commit(1);
      await w.clock.advance(1);
      w.write(1);
    }
    expect(w.barriers.length - before).toBeLessThanOrEqual(1);
  });

  it('stand 20 ms apart, however fast other partitions are committed, and never wait twice in one line', async () => {
    await using w = world();
    const before = await quiet(w);
    for (let i = 0; i < 100; i++) {
      w.write(i % 2);
      w.commit(i % 2);
      await w.clock.advance(10);
    }
    const times = w.barriers.slice(before).map(({ atMs }) => atMs);
    expect(Math.min(...times.slice(1).map((at, i) => at - times[i]!))).toBeGreaterThanOrEqual(20);
    expect(times.length).toBeLessThanOrEqual(61);
    w.state.isStuck = true;
    w.write(1);
    w.commit(1);
    await w.clock.advance(90);
    const stuck = w.barriers.length;
    w.unstick();
    expect(w.barriers.length - stuck).toBeLessThanOrEqual(2);
  });

  it.each(['a term that is handed over', 'a local keyspace'])('of %s keep to their times', async (which) => {
    await using w = world({ tellsSoon: which !== 'a local keyspace' });
    const before = await quiet(w);
    w.state.isHandingOver = which !== 'a local keyspace';
    w.write(1);
    w.commit(1);
    await w.clock.advance(50);
    expect(w.barriers.length - before).toBe(0);
  });

  it('stand at whole seconds while nothing is written, one wake-up for each, whenever the last write was', async () => {
    await using w = world({ tellsSoon: false });
    await w.clock.advance(1_337);
    w.write(1);
    w.commit(1);
    const from = await quiet(w);
    const sleeps = w.sleeps.length;
    await w.clock.advance(10_000);
    const times = w.barriers.slice(from).map(({ atMs }) => atMs);
    expect(times.map((atMs) => atMs % 1_000)).toEqual(times.map(() => 0));
    expect(times).toHaveLength(10);
    expect(w.sleeps.length - sleeps).toBe(10);
  });

  it('come every 100 ms again once something is committed, as if it had been looked all along', async () => {
    await using w = world({ tellsSoon: false });
    await quiet(w);
    const before = w.barriers.length;
    w.write(1);
    w.commit(1);
    await w.clock.advance(100);
    expect(w.barriers.length - before).toBe(1);
    await w.clock.advance(200);
    expect(w.barriers.length - before).toBe(3);
    await w.clock.advance(200);
    expect(w.barriers.length - before).toBe(3);
  });
});
