import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Heard, lagOf, QUIET_MS_MAX } from './lag.ts';

const ms = fc.integer({ min: 0, max: 10_000_000 });
const heards: fc.Arbitrary<Heard> = fc.record({ barrierMs: ms, heardMs: ms, isCaughtUp: fc.boolean() });

describe('lag', () => {
  it('with no barrier ever applied is unknown, not zero', () => {
    expect(lagOf(null, { wallMs: 5, monotonicMs: 5 })).toEqual({ lagMs: null, state: 'unknown' });
  });

  it('an idle origin shows the age of its last barrier, and a silent one a growing age', () => {
    const heard = { barrierMs: 43_200_000, heardMs: 100, isCaughtUp: true };
    const later = (sinceMs: number) => lagOf(heard, { wallMs: 43_200_040 + sinceMs, monotonicMs: 100 + sinceMs });
    expect(later(0)).toEqual({ lagMs: 40, state: 'live' });
    expect(later(1_000)).toEqual({ lagMs: 1_040, state: 'live' });
    expect(later(59_960)).toEqual({ lagMs: 60_000, state: 'stale' });
  });

  it('silence of exactly the limit is still live', () => {
    const heard = { barrierMs: 0, heardMs: 0, isCaughtUp: true };
    expect(lagOf(heard, { wallMs: 0, monotonicMs: QUIET_MS_MAX }).state).toBe('live');
    expect(lagOf(heard, { wallMs: 0, monotonicMs: QUIET_MS_MAX + 0.1 }).state).toBe('stale');
  });

  it('is never less than the time since the last barrier was applied, whatever the wall clocks say', () => {
    fc.assert(
      fc.property(heards, ms, ms, (heard, wallMs, sinceMs) => {
        const { lagMs } = lagOf(heard, { wallMs, monotonicMs: heard.heardMs + sinceMs });
        expect(lagMs).toBeGreaterThanOrEqual(sinceMs);
      }),
    );
  });

  it('is never less than the age of what was applied, so a backlog in the mirror is not hidden', () => {
    fc.assert(
      fc.property(heards, ms, ms, (heard, wallMs, monotonicMs) => {
        expect(lagOf(heard, { wallMs, monotonicMs }).lagMs).toBeGreaterThanOrEqual(wallMs - heard.barrierMs);
      }),
    );
  });

  it('when nothing arrives any more it grows by at least the time that passes once it is stale', () => {
    fc.assert(
      fc.property(heards, ms, ms, (heard, wallMs, passedMs) => {
        const stopMs = heard.heardMs + QUIET_MS_MAX + 1;
        const before = lagOf(heard, { wallMs, monotonicMs: stopMs });
        const after = lagOf(heard, { wallMs: wallMs + passedMs, monotonicMs: stopMs + passedMs });
        expect(before.state).toBe('stale');
        expect(after.lagMs).toBe(before.lagMs! + passedMs);
      }),
    );
  });

  it('with something left to apply it is never zero', () => {
    fc.assert(
      fc.property(heards, ms, ms, (heard, wallMs, monotonicMs) => {
        expect(lagOf({ ...heard, isCaughtUp: false }, { wallMs, monotonicMs }).lagMs).toBeGreaterThan(0);
      }),
    );
  });

  it('is zero only in the very moment a barrier of this instant is applied with nothing left behind it', () => {
    fc.assert(
      fc.property(heards, fc.integer({ min: 0, max: 3 }), fc.integer({ min: -3, max: 3 }), (heard, since, age) => {
        const now = { wallMs: heard.barrierMs + age, monotonicMs: heard.heardMs + since };
        expect(lagOf(heard, now).lagMs === 0).toBe(since === 0 && age <= 0 && heard.isCaughtUp);
      }),
    );
  });

  it('a fraction of a millisecond is not rounded away', () => {
    const heard = { barrierMs: 10, heardMs: 10, isCaughtUp: true };
    expect(lagOf(heard, { wallMs: 10, monotonicMs: 10.2 }).lagMs).toBe(1);
  });
});
