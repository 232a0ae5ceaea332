import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGISTER } from '../testing/sample-register.ts';
import { keptReigns, REIGNS_MAX, type RegisterValue, type Reign, reignBefore } from './register-value.ts';

const SITES = ['paris', 'tokyo', 'quito'];
const PARTITIONS = 2;

/** One reign after the other: whose, and how many records of it count in each partition. */
const turn = fc.record({
  site: fc.constantFrom(...SITES, 'paris', 'paris', 'paris'),
  seqs: fc.array(fc.integer({ min: -1, max: 1 }), { minLength: PARTITIONS, maxLength: PARTITIONS }),
});

function reignsOf(turns: readonly { site: string; seqs: number[] }[]): Reign[] {
  return turns.map(({ site, seqs }, at) => {
    const cuts = seqs.map((seq) => ({ seq, chain: seq < 0 ? '' : `${at}` }));
    return { epoch: at + 1, site, writerId: `w${at}`, cuts: at === turns.length - 1 ? null : cuts };
  });
}

describe('reigns that are kept', () => {
  it('name what every next epoch has to follow, however many there were since', () => {
    fc.assert(
      fc.property(
        fc.array(turn, { minLength: 1, maxLength: 9 }),
        fc.array(turn, { minLength: REIGNS_MAX + 1, maxLength: 99 }),
        (first, later) => {
          // One site alone for longer than the register remembers.
          const turns = [...first, ...later.map((one) => ({ ...one, site: 'paris' }))];
          const all: RegisterValue = { ...REGISTER, reigns: reignsOf(turns) };
          // One at a time, as commits make them.
          let reigns: Reign[] = [];
          for (const reign of all.reigns) reigns = keptReigns([...reigns, reign]);
          const kept = { ...all, reigns };
          for (const site of [undefined, ...SITES])
            for (let partition = 0; partition < PARTITIONS; partition++)
              expect(reignBefore(kept, Infinity, partition, site)).toEqual(reignBefore(all, Infinity, partition, site));
          expect(reigns.length).toBeLessThanOrEqual(REIGNS_MAX + SITES.length * PARTITIONS);
          expect(reigns.map(({ epoch }) => epoch)).toEqual(reigns.map(({ epoch }) => epoch).toSorted((a, b) => a - b));
          expect(reigns.slice(-REIGNS_MAX)).toEqual(all.reigns.slice(-REIGNS_MAX));
        },
      ),
    );
  });
});
