import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Move, search } from './search.ts';
import { Seen } from './seen.ts';

/** Two counters up to a bound; some pair is wrong. */
const counters = (max: number, wrong: readonly [number, number]) => ({
  start: [0, 0] as readonly [number, number],
  *moves([a, b]: readonly [number, number]): Iterable<Move<readonly [number, number]>> {
    if (a < max) yield { name: 'a', state: [a + 1, b] };
    if (b < max) yield { name: 'b', state: [a, b + 1] };
  },
  key: (state: readonly [number, number]) => state.join(),
  broken: ([a, b]: readonly [number, number]) => (a === wrong[0] && b === wrong[1] ? 'wrong' : null),
});

describe('search', () => {
  it('sees every state once', () => {
    const all = search(counters(50, [-1, -1]), 1_000_000);
    expect(all).toEqual({ states: 51 * 51, moves: 2 * 50 * 51, depth: 100, complete: true, found: null });
  });

  it('tells a shortest story, whose moves lead to what is wrong', () => {
    const place = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }));
    fc.assert(
      fc.property(place, ([a, b]) => {
        fc.pre(a + b > 0);
        const { found } = search(counters(9, [a, b]), 1_000);
        expect([...found!.story].sort().join('')).toBe('a'.repeat(a) + 'b'.repeat(b));
      }),
    );
  });

  it('stops at the most it may look at, and says so', () => {
    expect(search(counters(50, [40, 40]), 100)).toMatchObject({ states: 100, complete: false, found: null });
  });
});

describe('Seen', () => {
  it('knows what was added, however much there is', () => {
    const seen = new Seen();
    const textOf = (n: number): string => `state ${n}`;
    for (let n = 0; n < 200_000; n++) expect(seen.add(textOf(n), n - 1, n % 7)).toBe(n);
    for (let n = 0; n < 200_000; n += 997) {
      expect(seen.add(textOf(n), 0, 0)).toBe(-1);
      expect([seen.parentOf(n), seen.moveOf(n)]).toEqual([n - 1, n % 7]);
    }
    expect(seen.count).toBe(200_000);
  });
});
