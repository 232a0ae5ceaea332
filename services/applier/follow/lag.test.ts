import { SimClock } from '@tidemark/platform/sim/sim-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, Lag } from './lag.ts';

describe('lag', () => {
  it('gives quantiles to within 5 % upward', () => {
    const durations = fc.array(fc.integer({ min: 0, max: 3_600_000 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(durations, (all) => {
        const histogram = new Histogram();
        for (const ms of all) histogram.add(ms);
        const sorted = [...all].sort((a, b) => a - b);
        const { count, p50, p99 } = histogram.quantiles();
        expect(count).toBe(all.length);
        for (const [share, got] of [
          [0.5, p50],
          [0.99, p99],
        ] as const) {
          const exact = sorted[Math.ceil(all.length * share) - 1]!;
          expect(got).toBeGreaterThanOrEqual(exact - 0.1);
          expect(got).toBeLessThanOrEqual(exact * 1.05 + 0.1);
        }
      }),
    );
  });

  it('forgets what is older than a minute, and the run does not', async () => {
    const clock = new SimClock();
    const lag = new Lag(clock);
    lag.add(clock.nowMs() - 500);
    await clock.advance(30_000);
    lag.add(clock.nowMs() - 20);
    expect(lag.quantiles().minute.count).toBe(2);
    await clock.advance(31_000);
    expect(lag.quantiles().minute).toMatchObject({ count: 1 });
    await clock.advance(600_000);
    expect(lag.quantiles().minute.count).toBe(0);
    expect(lag.quantiles().run.count).toBe(2);
  });

  it('counts a stamp of the future as no lag', () => {
    const clock = new SimClock();
    const lag = new Lag(clock);
    lag.add(clock.nowMs() + 400);
    expect(lag.quantiles().run).toEqual({ count: 1, p50: 0, p99: 0 });
  });
});
