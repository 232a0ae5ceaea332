import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arrivals } from '../failover/freshness.ts';
import type { Beat } from '../heartbeats/heartbeat-store.ts';
import { BEATS_OF_THE_LIVING, type Doer, elderOf } from './twins.ts';

const beatOf = ({ process, roles, beganMs }: Doer, nonce = 1): Beat => {
  const facts = { roles, beganMs, url: 'http://paris' };
  return { site: 'paris', role: roles.join('+'), process, nonce, timeMs: 0, facts };
};
const role = fc.constantFrom('writer', 'mirror', 'applier', 'watchdog');
const doer: fc.Arbitrary<Doer> = fc.record({
  process: fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5'),
  roles: fc.uniqueArray(role, { minLength: 1 }),
  beganMs: fc.nat(3),
});
const doers = fc.uniqueArray(doer, { selector: ({ process }) => process, minLength: 1 });

describe('processes of one site', () => {
  it('that do the same: whoever stays, no two of them do, and the first of all stays', () => {
    fc.assert(
      fc.property(doers, (all) => {
        const staying = all.filter(
          (own) =>
            elderOf(
              own,
              all.map((one) => beatOf(one)),
            ) === null,
        );
        expect(staying.length).toBeGreaterThan(0);
        for (const one of staying)
          for (const other of staying)
            if (one !== other) expect(one.roles.some((same) => other.roles.includes(same))).toBe(false);
      }),
    );
  });

  it('that share the work are no twins, nor is one that does not say when it began', () => {
    const own: Doer = { process: 'p2', roles: ['writer'], beganMs: 9 };
    const elder: Doer = { process: 'p1', roles: ['mirror', 'applier'], beganMs: 1 };
    expect(elderOf(own, [beatOf(elder)])).toBeNull();
    expect(elderOf(own, [beatOf({ ...elder, roles: ['mirror', 'writer'] })])?.process).toBe('p1');
    expect(elderOf(own, [{ ...beatOf({ ...elder, roles: ['writer'] }), facts: { roles: ['writer'] } }])).toBeNull();
  });

  it('live when their beats go on changing: what lies on the board, or lands late, is nobody', () => {
    const arrivals = new Arrivals(3_000);
    const dead: Doer = { process: 'p1', roles: ['writer'], beganMs: 1 };
    for (let at = 0; at < 20; at++) arrivals.observe('paris', [beatOf(dead, at === 3 ? 8 : 9)], at * 250);
    expect(arrivals.living('paris', BEATS_OF_THE_LIVING, 20 * 250)).toEqual([]);
    for (let at = 20; at < 24; at++) arrivals.observe('paris', [beatOf(dead, at)], at * 250);
    expect(arrivals.living('paris', BEATS_OF_THE_LIVING, 24 * 250)).toHaveLength(1);
    // Silence of exactly the limit is still alive.
    expect(arrivals.living('paris', BEATS_OF_THE_LIVING, 23 * 250 + 3_000)).toHaveLength(1);
    expect(arrivals.living('paris', BEATS_OF_THE_LIVING, 23 * 250 + 3_001)).toEqual([]);
  });
});
