import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pickCompaction, TIER_BYTES_MIN, tierOf, type Weight } from './compact.ts';

const ROW_BYTES = 16;

type Load = {
  readonly seed: number;
  readonly flushes: number;
  /** Of a flush, a fifth more or less. */
  readonly flushRows: number;
  /** Of which so many are new forms of rows there are already. */
  readonly updateShare: number;
};

/** Flushes, with every compaction that becomes due. */
function run({ seed, flushes, flushRows, updateShare }: Load): {
  written: number;
  flushed: number;
  segments: Weight[];
} {
  const random = new SeededRandom(seed);
  let segments: Weight[] = [];
  let [written, flushed] = [0, 0];
  const segmentOf = (rows: number): Weight => ({
    rows,
    bytes: rows * ROW_BYTES,
    dead: 0,
    forgettable: 0,
    isDamaged: false,
  });
  for (let flush = 0; flush < flushes; flush++) {
    const rows = integerBetween(random, Math.ceil(flushRows * 0.8), Math.floor(flushRows * 1.2));
    const live = segments.reduce((sum, segment) => sum + segment.rows - segment.dead, 0);
    const updates = Math.min(live, Math.floor(rows * updateShare));
    // Spread over the live rows there are.
    segments = segments.map((segment) => {
      const dead = segment.dead + Math.floor((updates * (segment.rows - segment.dead)) / live);
      return { ...segment, dead };
    });
    segments.push(segmentOf(rows));
    flushed += rows;
    written += rows;
    for (let picked = pickCompaction(segments); picked.length > 0; picked = pickCompaction(segments)) {
      const merged = segmentOf(picked.reduce((sum, i) => sum + segments[i]!.rows - segments[i]!.dead, 0));
      written += merged.rows;
      segments = segments.filter((_, i) => !picked.includes(i));
      if (merged.rows > 0) segments.push(merged);
    }
  }
  return { written, flushed, segments };
}

describe('compaction', () => {
  it('writes a row at most once a tier, and three times more; what is stored is at most 1.5 times what is live', () => {
    const load = fc.record({
      seed: fc.nat(),
      flushes: fc.integer({ min: 100, max: 400 }),
      flushRows: fc.constantFrom(20, 1_000, 10_000, 100_000),
      updateShare: fc.constantFrom(0, 0.25, 0.5, 0.9, 1),
    });
    fc.assert(
      fc.property(load, (given) => {
        const { written, flushed, segments } = run(given);
        const tiers = Math.max(...segments.map(({ bytes }) => tierOf(bytes)));
        // Beyond that the first tier is written again at every third flush.
        const firstTier = (TIER_BYTES_MIN / ROW_BYTES) * (given.flushes / 3);
        expect(written).toBeLessThanOrEqual(flushed * (tiers + 3) + (given.flushRows < 20_000 ? firstTier : 0));
        const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
        const dead = segments.reduce((sum, segment) => sum + segment.dead, 0);
        expect(rows).toBeLessThanOrEqual((rows - dead) * 1.5);
        expect(segments.length).toBeLessThanOrEqual(3 * (tiers + 1));
      }),
      { numRuns: 100 },
    );
  });

  it('leaves damaged segments alone', () => {
    const segment = { rows: 100, bytes: 1600, dead: 0, forgettable: 0, isDamaged: false };
    expect(pickCompaction([segment, segment, segment, { ...segment, isDamaged: true }])).toEqual([]);
    expect(pickCompaction([segment, { ...segment, dead: 100, isDamaged: true }])).toEqual([]);
  });
});
