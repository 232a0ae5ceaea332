import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Tick } from '../follow/closed-timestamp.ts';
import { AppliedByMembers } from './tombstone-gc.ts';

const SITES = ['paris', 'tokyo', 'quito'];

describe('what every member has applied', () => {
  it('is never more than what any of them said in this term, and nothing while one has said nothing', () => {
    const said = fc.record({
      site: fc.constantFrom(...SITES),
      ms: fc.integer({ min: 1, max: 40 }),
      epoch: fc.integer({ min: 1, max: 3 }),
      isNull: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(said), (all) => {
        const applied = new AppliedByMembers(2);
        const newest = new Map<string, number>();
        for (const { site, ms, epoch, isNull } of all) {
          const asOf: Tick | null = isNull ? null : { ms, counter: 0 };
          applied.learn(site, { asOf, epoch });
          if (!isNull && epoch === 2) newest.set(site, Math.max(ms, newest.get(site) ?? 0));
          const least = applied.least(SITES)?.ms ?? null;
          expect(least).toBe(newest.size < SITES.length ? null : Math.min(...newest.values()));
        }
      }),
    );
  });
});
