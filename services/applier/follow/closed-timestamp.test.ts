import type { Position } from '@tidemark/model/position';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClosedTimestamp, compareTicks } from './closed-timestamp.ts';

const ORIGINS = ['paris', 'tokyo'];

describe('asOf', () => {
  it('never goes back, and covers only what is applied, whatever the order of barriers and records', () => {
    const step = fc.record({
      origin: fc.constantFrom(...ORIGINS),
      ms: fc.integer({ min: 1, max: 30 }),
      heads: fc.tuple(fc.integer({ min: -1, max: 9 }), fc.integer({ min: -1, max: 9 })),
      moves: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const asOf = new ClosedTimestamp();
        const applied = new Map(ORIGINS.map((origin) => [origin, [-1, -1]]));
        const at = (origin: string, partition: number): Position => ({
          epoch: 1,
          seq: applied.get(origin)![partition]!,
        });
        const given = new Map<string, readonly number[]>();
        let before = asOf.current;
        for (const [seq, { origin, ms, heads, moves }] of steps.entries()) {
          moves.forEach((count, p) => {
            applied.get(origin)![p]! += count;
          });
          given.set(`${origin}/${seq}`, heads);
          asOf.add({ origin, at: { epoch: 1, seq }, stamp: { ms, counter: 0 }, heads });
          asOf.settle(at, seq);
          const { current } = asOf;
          if (before !== null) expect(compareTicks(current!, before)).toBeGreaterThanOrEqual(0);
          before = current;
          for (const one of ORIGINS) {
            const reached = asOf.reached(one);
            if (reached === null) continue;
            for (const [p, head] of given.get(`${one}/${reached.at.seq}`)!.entries()) {
              expect(applied.get(one)![p]).toBeGreaterThanOrEqual(head);
            }
          }
        }
      }),
    );
  });

  it('keeps a bounded number of barriers that wait, and still reaches the newest', () => {
    const asOf = new ClosedTimestamp();
    let head = 0;
    const applied = (): Position => ({ epoch: 1, seq: head });
    for (let seq = 0; seq < 100_000; seq++) {
      asOf.add({ origin: 'paris', at: { epoch: 1, seq }, stamp: { ms: seq, counter: 0 }, heads: [seq + 1] });
    }
    asOf.settle(applied, 1);
    expect(asOf.reached('paris')).toBeNull();
    head = 100_000;
    asOf.settle(applied, 2);
    expect(asOf.reached('paris')).toMatchObject({ at: { epoch: 1, seq: 99_999 }, monotonicMs: 2 });
    expect(asOf.current).toEqual({ ms: 99_999, counter: 0 });
  });
});
