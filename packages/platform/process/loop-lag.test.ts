import { describe, expect, it } from 'vitest';
import type { Clock } from '../clock.ts';
import { LoopLag } from './loop-lag.ts';

/** A clock whose sleeper is woken when the test says so, however late. */
class LateClock implements Clock {
  elapsedMs = 0;
  wake: () => void = () => {};

  nowMs(): number {
    return this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}

async function sleepFor(clock: LateClock, ms: number): Promise<void> {
  clock.elapsedMs += ms;
  clock.wake();
  for (let turn = 0; turn < 4; turn++) await Promise.resolve();
}

describe('loop lag', () => {
  it('tells the longest time the loop was held up since it was last asked', async () => {
    const clock = new LateClock();
    using lag = new LoopLag(clock);
    for (const ms of [100, 1_600, 150]) await sleepFor(clock, ms);
    expect(lag.takeMaxMs()).toBe(1_500);
    await sleepFor(clock, 100);
    expect(lag.takeMaxMs()).toBe(0);
  });

  it('tells of a hold-up whose sleeper has not been woken yet', () => {
    const clock = new LateClock();
    using lag = new LoopLag(clock);
    clock.elapsedMs += 900;
    expect(lag.takeMaxMs()).toBe(800);
  });
});
