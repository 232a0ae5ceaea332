import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimClock } from '../sim/sim-clock.ts';
import { within } from './deadline.ts';
import { Mutex } from './mutex.ts';
import { Notifier } from './notifier.ts';

const { signal } = new AbortController();

describe('a mutex', () => {
  it('is held by one at a time, in the order they asked, however each ends', async () => {
    const ends = fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(ends, async (all) => {
        const mutex = new Mutex();
        const story: string[] = [];
        const work = all.map(async ({ turns, fails }, i) => {
          using _turn = await mutex.lock();
          story.push(`${i} begins`);
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          story.push(`${i} ends`);
          if (fails) throw new Error('fails');
        });
        const settled = Promise.allSettled(work);
        await mutex.settled();
        expect(story).toEqual(all.flatMap((_, i) => [`${i} begins`, `${i} ends`]));
        expect((await settled).map(({ status }) => status === 'rejected')).toEqual(all.map(({ fails }) => fails));
      }),
    );
  });
});

describe('a notifier', () => {
  it('wakes all who wait, and at once those who have missed something', async () => {
    const news = new Notifier();
    const woken: string[] = [];
    const { count } = news;
    const waiting = ['a', 'b'].map((name) => news.after(count).then(() => woken.push(name)));
    await Promise.resolve();
    expect(woken).toEqual([]);
    news.notify();
    await Promise.all(waiting);
    expect(woken).toEqual(['a', 'b']);
    await news.after(count);
    await news.within(new SimClock(), 1_000, count, signal);
  });

  it('lets go of who gives up, and of who has waited long enough', async () => {
    const news = new Notifier();
    const clock = new SimClock();
    const stop = new AbortController();
    const stopped = news.after(news.count, stop.signal);
    stop.abort();
    await stopped;
    await news.after(news.count, stop.signal);
    let over = false;
    const late = news.within(clock, 1_000, news.count, signal).then(() => {
      over = true;
    });
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    await late;
    const soon = news.within(clock, 1_000, news.count, signal);
    news.notify();
    await soon;
    expect(clock.monotonicMs()).toBe(1_000);
  });
});

describe('a deadline', () => {
  const after = <T>(clock: SimClock, ms: number, end: () => T): Promise<T> => clock.sleep(ms).then(end);

  it('gives what the work gives in time, and null for anything later, which nobody hears of', async () => {
    const clock = new SimClock();
    const fail = (): never => {
      throw new Error('fails');
    };
    const all = Promise.allSettled([
      within(
        clock,
        10,
        after(clock, 9, () => 'done'),
      ),
      within(clock, 10, after(clock, 9, fail)),
      within(
        clock,
        10,
        after(clock, 11, () => 'done'),
      ),
      within(clock, 10, after(clock, 11, fail)),
    ]);
    await clock.advance(20);
    const [soon, wrong, late, lateWrong] = await all;
    expect(soon).toMatchObject({ value: { value: 'done' } });
    expect(wrong).toMatchObject({ reason: { message: 'fails' } });
    expect([late, lateWrong]).toMatchObject([{ value: null }, { value: null }]);
  });

  it('is over when the signal aborts', async () => {
    const clock = new SimClock();
    const stop = new AbortController();
    const waiting = within(clock, 1_000, new Promise(() => {}), stop.signal);
    stop.abort();
    expect(await waiting).toBe(null);
    expect(clock.monotonicMs()).toBe(0);
  });
});
