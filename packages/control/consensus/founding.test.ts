import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SiteCopies } from '../failover/site-copies.ts';
import { foundIn } from './founding.ts';

const SITES = ['paris', 'tokyo'] as const;
type Heads = Readonly<Record<string, readonly number[]>>;
/** @param heads origin → by partition, the epoch of the last record */
function copiesAt(site: string, heads: Heads, fencedBelow = 0): SiteCopies {
  const copies = Object.entries(heads).map(([origin, epochs]) => {
    const positions = epochs.map((epoch) => [epoch, epoch === 0 ? -1 : 3, 'c'] as const);
    return { origin, logId: 'x', trusted: true, vouched: null, fencedBelow, positions };
  });
  return { site, copies };
}

describe('what the logs hold of a keyspace whose register is empty', () => {
  const epochs = fc.array(fc.nat(3), { minLength: 2, maxLength: 2 });
  const site = fc.record({ paris: epochs, tokyo: epochs, fenced: fc.nat(6) });

  it('no epoch is begun that any copy holds or was fenced for, and nothing is said to be there that is not', () => {
    fc.assert(
      fc.property(site, site, (first, second) => {
        const copies = [first, second].map(({ fenced, ...heads }, i) => copiesAt(SITES[i]!, heads, fenced));
        const all = [first, second].flatMap(({ paris, tokyo }) => [...paris, ...tokyo]);
        const found = foundIn(copies, 2);
        expect(found.kind === 'nothing').toBe(all.every((epoch) => epoch === 0));
        if (found.kind !== 'term') return;
        expect(found.epoch).toBe(Math.max(...all));
        expect(found.above).toBeGreaterThanOrEqual(Math.max(...all, first.fenced, second.fenced));
      }),
    );
  });

  it('is nothing where no copy holds a record, whatever was fenced', () => {
    expect(foundIn([], 2)).toEqual({ kind: 'nothing' });
    const none = { paris: [0, 0], tokyo: [0, 0] };
    expect(foundIn([copiesAt('paris', none, 4), copiesAt('tokyo', none)], 2)).toEqual({ kind: 'nothing' });
  });

  it('is unclear where a site lacks an earlier term, or the newest was not begun everywhere', () => {
    const whole = { paris: [1, 1], tokyo: [2, 2] };
    const lacking = foundIn([copiesAt('paris', { paris: [0, 0], tokyo: [0, 0] }), copiesAt('tokyo', whole)], 2);
    expect(lacking).toMatchObject({
      kind: 'unclear',
      words: expect.stringMatching(/paris lacks .* epoch 1.*tokyo has/),
    });
    expect(foundIn([copiesAt('tokyo', { paris: [1, 1], tokyo: [2, 0] })], 2)).toMatchObject({ kind: 'unclear' });
    expect(foundIn([copiesAt('tokyo', { paris: [2, 2], tokyo: [2, 2] })], 2)).toMatchObject({ kind: 'unclear' });
    expect(foundIn([copiesAt('tokyo', whole)], 2)).toMatchObject({ kind: 'term', epoch: 2, site: 'tokyo', above: 2 });
  });
});
