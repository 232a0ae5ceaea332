import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hear, NOT_HEARD, type PhiState, phiOf } from './phi.ts';

const intervals = fc.array(fc.integer({ min: 50, max: 2_000 }), { minLength: 4, maxLength: 150 });

/** Heard at each of these intervals, from 0 on. */
function heard(gaps: readonly number[]): PhiState {
  return gaps.reduce((state, gap) => hear(state, (state.heardMs ?? 0) + gap), NOT_HEARD);
}

describe('phi accrual', () => {
  it('never falls while nothing is heard, is a number for ever, and is nothing at a beat that comes on time', () => {
    fc.assert(
      fc.property(intervals, fc.array(fc.nat(120_000), { maxLength: 20 }), (gaps, later) => {
        const state = heard(gaps);
        const nowMs = state.heardMs!;
        let last = 0;
        for (const ms of [...later].sort((a, b) => a - b)) {
          const phi = phiOf(state, nowMs + ms)!;
          expect(phi).toBeGreaterThanOrEqual(last);
          last = phi;
        }
        expect(phiOf(state, nowMs)).toBeLessThan(1);
        expect(phiOf(state, nowMs + 86_400_000)).toBeGreaterThan(8);
      }),
    );
  });

  it('is what the normal distribution says: 1 wrong in 2 at the mean, 1 in 44 two deviations later', () => {
    const state = heard(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 500 : 1_500)));
    const nowMs = state.heardMs!;
    expect(10 ** -phiOf(state, nowMs + 1_000)!).toBeCloseTo(0.5, 2);
    expect(10 ** -phiOf(state, nowMs + 2_000)!).toBeCloseTo(0.023, 2);
  });

  it('an irregular one is given more time than a regular one', () => {
    const [regular, irregular] = [heard(Array(20).fill(500)), heard(Array(20).fill([100, 900]).flat())];
    const late = (state: typeof regular) => phiOf(state, state.heardMs! + 1_500)!;
    expect(late(regular)).toBeGreaterThan(late(irregular));
  });

  it('says nothing of one that was hardly heard', () => {
    expect(phiOf(NOT_HEARD, 5)).toBeNull();
    expect(phiOf(hear(hear(NOT_HEARD, 0), 500), 90_000)).toBeNull();
  });
});
