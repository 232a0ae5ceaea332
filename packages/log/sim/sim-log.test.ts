import { isFault } from '@tidemark/platform/fault';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { describeBreakableLog } from '../contract/contract.ts';
import { bytes, readAll, texts, topic } from '../contract/values.ts';
import { type AppendFate, SimLog, SimLogStore } from './sim-log.ts';

describeBreakableLog('sim', async () => {
  const store = new SimLogStore(new SystemClock());
  return {
    log: new SimLog(store),
    another: async () => new SimLog(store),
    deleteTopic: async (name) => store.deleteTopic(name),
    loseEnd: async (name, partition, end) => store.loseEnd(name, partition, end),
    outage: async () => {
      store.reachable = false;
      return {
        [Symbol.asyncDispose]: async () => {
          store.reachable = true;
        },
      };
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

const x = [{ value: bytes('x') }];
const y = [{ value: bytes('y') }];

async function storeWith(flushed: boolean): Promise<{ store: SimLogStore; log: SimLog; clock: SimClock }> {
  const clock = new SimClock();
  const store = new SimLogStore(clock);
  const log = new SimLog(store);
  await log.ensureTopic(topic('t', { flushed }));
  return { store, log, clock };
}

describe('sim log', () => {
  it.each([
    ['now', ['x', 'y']],
    ['never', ['y']],
    [{ afterMs: 10 }, ['y', 'x']],
  ] as const)('an append without an answer lands %j', async (lands, expected) => {
    const { store, log, clock } = await storeWith(true);
    store.fate = () => ({ answer: 'unknown', lands });
    await expect(log.append('t', 0, x)).rejects.toMatchObject({ kind: 'unknown' });
    store.fate = () => ({ answer: 'stored' });
    await log.append('t', 0, y);
    await clock.advance(10);
    expect(texts(await readAll(log, 't', 0))).toEqual(expected);
  });

  it('a refused append is not stored', async () => {
    const { store, log } = await storeWith(true);
    store.fate = () => ({ answer: 'refused' });
    await expect(log.append('t', 0, x)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await log.bounds('t', 0)).toEqual({ start: 0, end: 0 });
  });

  it('a power loss takes what an unflushed topic appended since the last flush, and nothing of a flushed one', async () => {
    for (const flushed of [true, false]) {
      const { store, log } = await storeWith(flushed);
      await log.append('t', 0, x);
      store.flush();
      await log.append('t', 0, y);
      store.losePower();
      expect(texts(await readAll(log, 't', 0))).toEqual(flushed ? ['x', 'y'] : ['x']);
    }
  });

  it('one process can be cut off while another still appends', async () => {
    const { store, log } = await storeWith(true);
    const other = new SimLog(store);
    other.connected = false;
    await expect(other.append('t', 0, x)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await log.append('t', 0, y)).toBe(0);
    other.connected = true;
    expect(await other.append('t', 0, x)).toBe(1);
  });

  it('an append takes its time on the clock, and a partition cut off meanwhile did not take it', async () => {
    const { store, log, clock } = await storeWith(true);
    store.appendMs = () => 5;
    const slow = log.append('t', 0, x).catch((error: unknown) => error);
    await clock.advance(4);
    expect(await log.bounds('t', 0)).toEqual({ start: 0, end: 0 });
    log.connected = false;
    await clock.advance(1);
    expect(await slow).toMatchObject({ kind: 'unavailable' });
  });

  it('the same seed ends in the same log', async () => {
    const run = async (seed: number): Promise<string> => {
      const { store, log, clock } = await storeWith(false);
      const random = new SeededRandom(seed);
      const fates: AppendFate[] = [
        { answer: 'stored' },
        { answer: 'refused' },
        { answer: 'unknown', lands: 'now' },
        { answer: 'unknown', lands: 'never' },
        { answer: 'unknown', lands: { afterMs: 3 } },
      ];
      store.fate = () => fates[integerBetween(random, 0, 4)]!;
      store.appendMs = () => integerBetween(random, 0, 4);
      const writers = [0, 1, 2].map(async (partition) => {
        for (let i = 0; i < 30; i++)
          await log.append('t', partition, [{ value: bytes(`${partition}:${i}`) }]).catch((error: unknown) => {
            if (!isFault(error)) throw error;
          });
      });
      await clock.advance(1_000);
      await Promise.all(writers);
      const records = await Promise.all([0, 1, 2].map((partition) => readAll(log, 't', partition)));
      return JSON.stringify(records.map((one) => one.map((r) => [r.offset, r.timeMs, ...texts([r])])));
    };
    expect(await run(7)).toBe(await run(7));
    expect(await run(7)).not.toBe(await run(8));
  });
});
