import { SimClock } from '@tidemark/platform/sim/sim-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareStamps, formatStamp, type Stamp, StampClock, stampFromColumns, stampLow, tickAfter } from './stamp.ts';

const stamp: fc.Arbitrary<Stamp> = fc.record({
  ms: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 ** 48 - 1 })),
  counter: fc.constantFrom(0, 1, 65_535),
  site: fc.constantFrom(0, 1, 255),
  writer: fc.constantFrom(0, 1, 2 ** 24 - 1),
});
const tick = ({ ms, counter }: { ms: number; counter: number }): bigint => BigInt(ms) * 65_536n + BigInt(counter);

describe('stamp', () => {
  it('comes back from its two columns, and is ordered by them', () => {
    fc.assert(
      fc.property(stamp, stamp, (a, b) => {
        const [lowA, lowB] = [stampLow(a.counter, a.site, a.writer), stampLow(b.counter, b.site, b.writer)];
        expect(stampFromColumns(a.ms, lowA)).toEqual(a);
        expect(Math.sign(a.ms - b.ms || lowA - lowB)).toBe(Math.sign(compareStamps(a, b)));
      }),
      { numRuns: 2000 },
    );
  });

  it('has 65,536 ticks to the ms', () => {
    fc.assert(
      fc.property(stamp, fc.nat(200_000), (a, offset) => {
        expect(tick(tickAfter(a.ms, a.counter, offset))).toBe(tick(a) + BigInt(offset));
      }),
    );
  });

  it('says which is which', () => {
    expect(formatStamp({ ms: 1_700_000_000_000, counter: 17, site: 2, writer: 5 })).toBe('1700000000000.17@2.5');
  });
});

describe('stamp clock', () => {
  type Step = { readonly take: number } | { readonly passMs: number } | { readonly lift: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ take: fc.constantFrom(1, 2, 1000, 70_000) }),
    fc.record({ passMs: fc.constantFrom(-5, 0, 1, 3) }),
    fc.record({ lift: fc.constantFrom(-1, 0, 1, 5) }),
  );

  it('gives each tick once, rising, never behind the wall, above all it was lifted over', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const wall = new SimClock();
        const clock = new StampClock(wall);
        let above = -1n;
        for (const s of steps) {
          if ('passMs' in s) wall.skewMs += s.passMs;
          else if ('lift' in s) {
            const seen = { ms: wall.nowMs() + s.lift, counter: 65_535 };
            clock.liftAbove(seen.ms, seen.counter);
            above = tick(seen) > above ? tick(seen) : above;
          } else {
            const first = clock.take(s.take);
            expect(tick(first)).toBeGreaterThan(above);
            expect(first.ms).toBeGreaterThanOrEqual(wall.nowMs());
            above = tick(first) + BigInt(s.take) - 1n;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('does not follow a wall clock that is wrong, and goes on with it once it is right', () => {
    const wall = new SimClock();
    let isRight = true;
    const stamps = new StampClock(wall, () => isRight);
    const before = stamps.take(1);
    isRight = false;
    wall.skewMs += 3_600_000;
    const meanwhile = stamps.take(1);
    expect(meanwhile.ms).toBe(before.ms);
    expect(tick(meanwhile)).toBeGreaterThan(tick(before));
    isRight = true;
    expect(stamps.take(1).ms).toBe(wall.nowMs());
  });

  it('says how far it runs ahead of the wall', () => {
    const wall = new SimClock();
    const clock = new StampClock(wall);
    clock.take(1);
    expect(clock.aheadMs()).toBe(0);
    clock.liftAbove(wall.nowMs() + 20, 0);
    expect(clock.aheadMs()).toBe(20);
  });
});
