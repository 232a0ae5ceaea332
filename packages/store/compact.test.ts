import { integerBetween, SeededRandom } from '@tidemark/world/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pickCompaction, tierOf, type Weight } from './compact.ts';

const ROW_BYTES = 16;

/** Flushes of which so many rows are new forms of rows there are already, with every compaction that becomes due. */
function run(
  seed: number,
  flushes: number,
  updateShare: number,
): { written: number; flushed: number; segments: Weight[] } {
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
    const rows = integerBetween(random, 80_000, 120_000);
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
  it('writes a row at most once a tier, and twice more for updates; what is stored is at most 1.5 times what is live', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(0, 0.25, 0.5, 0.9, 1), (seed, updateShare) => {
        const { written, flushed, segments } = run(seed, 400, updateShare);
        const tiers = Math.max(...segments.map(({ bytes }) => tierOf(bytes)));
        expect(written / flushed).toBeLessThanOrEqual(1 + tiers + 2);
        const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
        const dead = segments.reduce((sum, segment) => sum + segment.dead, 0);
        expect(rows).toBeLessThanOrEqual((rows - dead) * 1.5);
        expect(segments.length).toBeLessThanOrEqual(3 * (tiers + 1));
      }),
      { numRuns: 60 },
    );
  });

  it('leaves damaged segments alone', () => {
    const segment = { rows: 100, bytes: 1600, dead: 0, forgettable: 0, isDamaged: false };
    expect(pickCompaction([segment, segment, segment, { ...segment, isDamaged: true }])).toEqual([]);
    expect(pickCompaction([segment, { ...segment, dead: 100, isDamaged: true }])).toEqual([]);
  });
});
