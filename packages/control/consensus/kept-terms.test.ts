import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGISTER } from '../testing/sample-register.ts';
import { keptTerms, type RegisterValue, TERMS_MAX, type Term, termBefore } from './register-value.ts';

const SITES = ['paris', 'tokyo', 'quito'];
const PARTITIONS = 2;

/** One term after the other: whose, and how many records of it count in each partition. */
const turn = fc.record({
  site: fc.constantFrom(...SITES, 'paris', 'paris', 'paris'),
  seqs: fc.array(fc.integer({ min: -1, max: 1 }), { minLength: PARTITIONS, maxLength: PARTITIONS }),
});

function termsOf(turns: readonly { site: string; seqs: number[] }[]): Term[] {
  return turns.map(({ site, seqs }, at) => {
    const epochEnds = seqs.map((seq) => ({ seq, chain: seq < 0 ? '' : `${at}` }));
    return { epoch: at + 1, site, writerId: `w${at}`, epochEnds: at === turns.length - 1 ? null : epochEnds };
  });
}

describe('terms that are kept', () => {
  it('name what every next epoch has to follow, however many there were since', () => {
    fc.assert(
      fc.property(
        fc.array(turn, { minLength: 1, maxLength: 9 }),
        fc.array(turn, { minLength: TERMS_MAX + 1, maxLength: 99 }),
        (first, later) => {
          // One site alone for longer than the register remembers.
          const turns = [...first, ...later.map((one) => ({ ...one, site: 'paris' }))];
          const all: RegisterValue = { ...REGISTER, terms: termsOf(turns) };
          // One at a time, as commits make them.
          let terms: Term[] = [];
          for (const term of all.terms) terms = keptTerms([...terms, term]);
          const kept = { ...all, terms };
          for (const site of [undefined, ...SITES])
            for (let partition = 0; partition < PARTITIONS; partition++)
              expect(termBefore(kept, Infinity, partition, site)).toEqual(termBefore(all, Infinity, partition, site));
          expect(terms.length).toBeLessThanOrEqual(TERMS_MAX + SITES.length * PARTITIONS);
          expect(terms.map(({ epoch }) => epoch)).toEqual(terms.map(({ epoch }) => epoch).toSorted((a, b) => a - b));
          expect(terms.slice(-TERMS_MAX)).toEqual(all.terms.slice(-TERMS_MAX));
        },
      ),
    );
  });
});
