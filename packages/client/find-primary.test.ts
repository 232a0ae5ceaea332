import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claim, primaryAmong, successorAmong } from './find-primary.ts';

const claim = fc.record({
  url: fc.constantFrom('a', 'b', 'c'),
  isPrimary: fc.constantFrom(true, false, null),
  epoch: fc.integer({ min: 0, max: 3 }),
});
const claims = fc.uniqueArray(claim, { selector: ({ url }) => url, maxLength: 3 });
const at = (all: readonly Claim[], url: string | null) => all.find((one) => one.url === url);

describe('the primary among claims', () => {
  test('claims it, and nobody claims it with a later epoch', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const found = at(all, primaryAmong(all, 'a'));
        const claiming = all.filter((one) => one.isPrimary === true);
        if (found === undefined) expect(claiming).toEqual([]);
        else for (const one of claiming) expect(one.epoch).toBeLessThanOrEqual(found.epoch);
      }),
    );
  });

  test('is not the site that just failed when another has the same epoch', () => {
    const both = [
      { url: 'a', isPrimary: true, epoch: 2 },
      { url: 'b', isPrimary: true, epoch: 2 },
    ];
    expect(primaryAmong(both, 'a')).toBe('b');
    expect(primaryAmong(both, 'b')).toBe('a');
  });

  test('is a successor only with a later epoch than the one who still calls itself primary', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const own = at(all, 'a');
        const found = at(all, successorAmong(all, 'a'));
        if (found === undefined) return;
        expect(found.url).not.toBe('a');
        expect(found.isPrimary).toBe(true);
        if (own?.isPrimary === true) expect(found.epoch).toBeGreaterThan(own.epoch);
      }),
    );
  });
});
