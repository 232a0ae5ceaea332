import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lossProbability, modelsOf, recoveryFactor, replicationDelayMs } from './models.ts';

const share = fc.double({ min: 0, max: 1, noNaN: true });
const ms = fc.double({ min: 0, max: 1e6, noNaN: true });

describe('models of the source paper', () => {
  it('the delay is the sum of its parts', () => {
    expect(replicationDelayMs(40, 12.5)).toBe(52.5);
  });

  it('the loss probability stays within 0 and 1 and never falls with either of its arguments', () => {
    fc.assert(
      fc.property(share, share, fc.nat(1e6), fc.nat(1e6), (p, q, n, m) => {
        const [low, high] = [
          lossProbability(Math.min(p, q), Math.min(n, m)),
          lossProbability(Math.max(p, q), Math.max(n, m)),
        ];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(high).toBeGreaterThanOrEqual(low);
      }),
    );
    expect([lossProbability(0.5, 0), lossProbability(1, 0), lossProbability(1, 3), lossProbability(0, 9)]).toEqual([
      0, 0, 1, 0,
    ]);
    expect(lossProbability(0.1, 2)).toBeCloseTo(0.19, 12);
    // As it is written it would be 0 here.
    expect(lossProbability(1e-18, 1_000)).toBeCloseTo(1e-15, 25);
  });

  it('the recovery factor is one half when the time allowed is the time it takes, and falls with the time it takes', () => {
    fc.assert(
      fc.property(ms, ms, ms, fc.double({ min: 1, max: 1e5, noNaN: true }), (allowed, a, b, scale) => {
        expect(recoveryFactor(allowed, allowed, scale)).toBe(0.5);
        const [fast, slow] = [
          recoveryFactor(allowed, Math.min(a, b), scale),
          recoveryFactor(allowed, Math.max(a, b), scale),
        ];
        expect(fast).toBeGreaterThanOrEqual(slow);
        expect(slow).toBeGreaterThanOrEqual(0);
        expect(fast).toBeLessThanOrEqual(1);
      }),
    );
    expect(recoveryFactor(60_000, 4_000, 4_000)).toBeCloseTo(1 / (1 + Math.exp(-14)), 12);
  });

  it('what was not measured is shown as not known, never as a comfortable number', () => {
    const nothing = {
      storedMs: null,
      appliedAgeMs: null,
      failing: null,
      behindRecords: null,
      failoversMs: [],
      lostRows: null,
    };
    const models = modelsOf(nothing, { failoverMs: 4_500 });
    expect(models.delay).toEqual({ storedMs: null, appliedMs: null, totalMs: null, measuredMs: null });
    expect(models.loss).toMatchObject({ probability: null, measuredRows: null });
    const lossOf = (failing: number | null, behindRecords: number | null): number | null =>
      modelsOf({ ...nothing, failing, behindRecords }, { failoverMs: 1 }).loss.probability;
    expect([lossOf(null, 2), lossOf(0.1, null), lossOf(0.1, 2)]).toEqual([null, null, expect.closeTo(0.19, 12)]);
    expect(models.recovery).toMatchObject({ failoverMs: 4_500, measuredMs: null });
    const known = modelsOf(
      { ...nothing, storedMs: 30, appliedAgeMs: 50, failoversMs: [4_000, 6_000] },
      { failoverMs: 1 },
    );
    expect(known.delay).toEqual({ storedMs: 30, appliedMs: 20, totalMs: 50, measuredMs: 50 });
    expect(known.recovery).toMatchObject({ failoverMs: 5_000, measuredMs: 4_000 });
  });
});
