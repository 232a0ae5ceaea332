import { SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { fnv64, latest, scrambled, zipfian } from './distributions.ts';
import { keyOf, operations, WORKLOADS } from './workloads.ts';

const COUNT = 1_000;
const DRAWS = 200_000;

function sharesOf(draw: () => number): Float64Array {
  const shares = new Float64Array(COUNT);
  for (let i = 0; i < DRAWS; i++) shares[draw()]! += 1 / DRAWS;
  return shares;
}

describe('YCSB', () => {
  it('draws a number the less often the larger it is, as Zipf says', () => {
    const shares = sharesOf(zipfian(COUNT, new SeededRandom(1)));
    let zeta = 0;
    for (let i = 1; i <= COUNT; i++) zeta += 1 / i ** 0.99;
    for (const rank of [1, 2]) expect(shares[rank - 1]).toBeCloseTo(1 / rank ** 0.99 / zeta, 2);
    // The method is exact for the first two, and near for sums of the others.
    let sum = 0;
    let expected = 0;
    for (let rank = 1; rank <= 100; rank++) {
      sum += shares[rank - 1]!;
      expected += 1 / rank ** 0.99 / zeta;
    }
    expect(sum).toBeCloseTo(expected, 1);
  });

  it('scrambled, the same few are asked for and lie anywhere; latest, they are the newest', () => {
    const random = new SeededRandom(2);
    const plain = [...sharesOf(zipfian(COUNT, random))].sort((a, b) => b - a);
    const draw = scrambled(COUNT, random);
    const shares = sharesOf(() => draw(COUNT));
    expect([...shares].sort((a, b) => b - a)[0]).toBeCloseTo(plain[0]!, 1);
    expect(shares[Number(fnv64(0) % BigInt(COUNT))]).toBe(Math.max(...shares));
    const newest = latest(COUNT, random);
    expect(sharesOf(() => newest(COUNT))[COUNT - 1]).toBeCloseTo(plain[0]!, 2);
  });

  it('names rows as YCSB does', () => {
    expect(keyOf(0)).toBe('user6284781860667377211');
  });

  it('has of each workload the shares it says, and inserts each new row once', () => {
    for (const [name, { shares }] of Object.entries(WORKLOADS)) {
      const wanted = operations(name, COUNT, 20_000, 7);
      for (const [kind, share] of Object.entries(shares))
        expect(wanted.filter((one) => one.kind === kind).length / 20_000).toBeCloseTo(share, 1);
      const inserted = wanted.flatMap(({ kind, row }) => (kind === 'insert' ? [row] : []));
      expect(inserted).toEqual(inserted.map((_, i) => COUNT + i));
    }
  });
});
