import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BytesChunk } from '../encoding/chunk.ts';
import { SLICE_LIMITS, sliceAt } from './result-slice.ts';

function chunkOf(lengths: readonly number[]): BytesChunk {
  const rowCount = lengths.length;
  return {
    ...{ form: 'bytes', kind: 'bytes', rowCount, presence: null, codes: null, entryCount: rowCount },
    ...{ runEnds: null, runPrefixes: null, arena: Buffer.alloc(0), starts: new Uint32Array(rowCount) },
    lengths: Uint32Array.from(lengths),
  };
}

describe('slices of a result', () => {
  it('are all rows, each once, in order, within rows, values and bytes, or one row', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        const rowCount = integerBetween(random, 1, 3_000);
        const largest = [4, 400, 300_000][integerBetween(random, 0, 2)]!;
        const texts = Array.from({ length: integerBetween(random, 0, 3) }, () =>
          chunkOf(Array.from({ length: rowCount }, () => integerBetween(random, 0, largest))),
        );
        const columns = [...texts, ...new Array(integerBetween(random, 1, 100)).fill(undefined)];
        const rows = Uint32Array.from({ length: rowCount }, (_, i) => i);
        let from = 0;
        while (from < rowCount) {
          const { end, bytes } = sliceAt(rows, from, columns);
          const held = texts.reduce(
            (sum, { lengths }) => sum + lengths.subarray(from, end).reduce((a, b) => a + b, 0),
            0,
          );
          expect(bytes).toBe(held);
          expect(end).toBeGreaterThan(from);
          expect(end - from).toBeLessThanOrEqual(SLICE_LIMITS.rowsMax);
          if (end - from > 1) {
            expect(bytes).toBeLessThanOrEqual(SLICE_LIMITS.bytesMax);
            expect((end - from) * columns.length).toBeLessThanOrEqual(SLICE_LIMITS.valuesMax);
          }
          from = end;
        }
        expect(from).toBe(rowCount);
      }),
      { numRuns: 60 },
    );
  });
});
