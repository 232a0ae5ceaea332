import type { Term } from '@tidemark/control/consensus/register-value';
import { NOWHERE } from '@tidemark/model/position';
import { describe, expect, it } from 'vitest';
import { promisable } from './catch-up-check.ts';

const at = (seq: number) => ({ seq, chain: seq < 0 ? '' : 'c' });
const term = (epoch: number, site: string, epochEnds: readonly number[] | null): Term => {
  return { epoch, site, writerId: `w${epoch}`, epochEnds: epochEnds === null ? null : epochEnds.map(at) };
};
const says = (epoch: number, seq: number, terms: readonly Term[] | null, holds = true, partition = 0) =>
  promisable('paris', partition, { epoch, seq }, terms, () => holds);

describe('what a copy may promise', () => {
  it('is all it holds of the term that goes on', () => {
    expect(says(1, 40, [term(1, 'paris', null)])).toEqual({ epoch: 1, seq: 40 });
  });

  it('is nothing beyond the epoch end of a term that is over, in that very partition', () => {
    const terms = [term(1, 'paris', [3, -1, 90]), term(2, 'tokyo', null)];
    expect(says(1, 40, terms)).toEqual({ epoch: 1, seq: 3 });
    expect(says(1, 40, terms, true, 1)).toEqual(NOWHERE);
    expect(says(1, 40, terms, true, 2)).toEqual({ epoch: 1, seq: 40 });
  });

  it('is nothing while an earlier term is not held, its own term is not known, or is of another origin', () => {
    const terms = [term(1, 'tokyo', [3]), term(2, 'paris', null)];
    expect(says(2, 40, terms, false)).toEqual(NOWHERE);
    expect(says(3, 40, terms)).toEqual(NOWHERE);
    expect(says(1, 2, terms)).toEqual(NOWHERE);
    expect(says(2, 40, null)).toEqual(NOWHERE);
  });
});
