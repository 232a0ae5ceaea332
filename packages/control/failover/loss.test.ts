import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mark } from '../consensus/loss-rule.ts';
import {
  chosenLoss,
  farthest,
  isWhole,
  type LossChoices,
  lossOf,
  markOf,
  UNHEARD_MS_MAX,
  UNKNOWN_ROWS,
  unheardRowsAfter,
} from './loss.ts';

const mark = (heads: number[], rows: number[]): Mark => ({ heads, rows });
const choices = (received: number, consistent: number | null): LossChoices => ({
  received: { records: 1, rows: received },
  consistent: consistent === null ? null : { records: 2, rows: consistent },
});

describe('what an epoch end loses', () => {
  it('is what is known to have been written and is not kept, in each partition by itself, and what may be unheard', () => {
    expect(lossOf(mark([6, 4], [60, 40]), mark([9, 4], [75, 40]), 150)).toEqual({ records: 3, rows: 165 });
    // What one partition has beyond what was heard makes up for nothing in another.
    expect(lossOf(mark([20, 0], [200, 0]), mark([9, 4], [75, 40]), 0)).toEqual({ records: 4, rows: 40 });
    expect(lossOf(mark([-1, -1], [0, 0]), mark([0, 2], [0, 7]), 0)).toEqual({ records: 4, rows: 7 });
  });

  it('is counted from the most that anybody knows', () => {
    expect(farthest([mark([3, 9], [30, 90]), mark([5], [51]), mark([], [])])).toEqual(mark([5, 9], [51, 90]));
  });

  it('what nobody heard is bounded by how fast the barriers say it wrote', () => {
    const at = (stampMs: number, rows: number) => ({ seq: 1, stampMs, ...mark([1, 1], [rows, rows]) });
    expect(unheardRowsAfter(at(9_000, 500), at(4_000, 250))).toBe((500 / 5_000) * UNHEARD_MS_MAX);
    expect(unheardRowsAfter(at(9_000, 10), null)).toBe(UNKNOWN_ROWS);
  });

  it('a barrier is whole where everything it speaks of was received, itself included', () => {
    const epochEnds = (...seqs: number[]) => seqs.map((seq) => ({ seq, chain: '' }));
    const barrier = { seq: 4, stampMs: 0, ...mark([3, 3], [9, 9]) };
    expect([
      isWhole(barrier, epochEnds(4, 3)),
      isWhole(barrier, epochEnds(3, 3)),
      isWhole(barrier, epochEnds(4, 2)),
    ]).toEqual([true, false, false]);
    expect(markOf(barrier).heads).toEqual([4, 3]);
  });
});

describe('which epoch end is taken', () => {
  const modeFor = (all: LossChoices, rowsMax: number, mode: 'consistent' | 'received' = 'consistent') =>
    chosenLoss(all, { rowsMax, mode })?.mode ?? 'refused';

  it('back to one moment where that was accepted, else all that was received, else none', () => {
    expect([98, 97, 8, 7].map((rowsMax) => modeFor(choices(8, 98), rowsMax))).toEqual([
      'consistent',
      'received',
      'received',
      'refused',
    ]);
    expect([modeFor(choices(8, null), 8), modeFor(choices(8, null), 7), modeFor(choices(0, 0), 0)]).toEqual([
      'received',
      'refused',
      'consistent',
    ]);
    expect(modeFor(choices(8, 9), 100, 'received')).toBe('received');
  });

  it('never loses more than was accepted', () => {
    const rows = fc.nat(100);
    fc.assert(
      fc.property(rows, fc.option(rows), rows, (received, consistent, rowsMax) => {
        const chosen = chosenLoss(choices(received, consistent), { rowsMax, mode: 'consistent' });
        if (chosen !== null) expect(chosen.loss.rows).toBeLessThanOrEqual(rowsMax);
        else expect(received).toBeGreaterThan(rowsMax);
      }),
    );
  });
});
