import type { Reign } from '@tidemark/control/consensus/register-value';
import { NOWHERE } from '@tidemark/model/position';
import { describe, expect, it } from 'vitest';
import { promisable } from './catch-up-check.ts';

const at = (seq: number) => ({ seq, chain: seq < 0 ? '' : 'c' });
const reign = (epoch: number, site: string, cuts: readonly number[] | null): Reign => {
  return { epoch, site, writerId: `w${epoch}`, cuts: cuts === null ? null : cuts.map(at) };
};
const says = (epoch: number, seq: number, reigns: readonly Reign[] | null, holds = true, partition = 0) =>
  promisable('paris', partition, { epoch, seq }, reigns, () => holds);

describe('what a copy may promise', () => {
  it('is all it holds of the reign that goes on', () => {
    expect(says(1, 40, [reign(1, 'paris', null)])).toEqual({ epoch: 1, seq: 40 });
  });

  it('is nothing beyond the cut of a reign that is over, in that very partition', () => {
    const reigns = [reign(1, 'paris', [3, -1, 90]), reign(2, 'tokyo', null)];
    expect(says(1, 40, reigns)).toEqual({ epoch: 1, seq: 3 });
    expect(says(1, 40, reigns, true, 1)).toEqual(NOWHERE);
    expect(says(1, 40, reigns, true, 2)).toEqual({ epoch: 1, seq: 40 });
  });

  it('is nothing while an earlier reign is not held, its own reign is not known, or is of another origin', () => {
    const reigns = [reign(1, 'tokyo', [3]), reign(2, 'paris', null)];
    expect(says(2, 40, reigns, false)).toEqual(NOWHERE);
    expect(says(3, 40, reigns)).toEqual(NOWHERE);
    expect(says(1, 2, reigns)).toEqual(NOWHERE);
    expect(says(2, 40, null)).toEqual(NOWHERE);
  });
});
