import { prefixEnd } from '@tidemark/columnar/key';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BytesChunk } from '../encoding/chunk.ts';
import { chunkOfVector } from '../encoding/chunk.ts';
import { keyKindsOf } from '../key/key-search.ts';
import { joinKeys } from '../segment/key-columns.ts';
import { columnsOf, KEY_TABLE, keys, keysInRuns } from '../testing/key-harness.ts';
import { KeyBlock, KeyBytes } from './key-block.ts';

/** The same keys as columns, and whole. */
function blocksOf(sorted: readonly Buffer[]): KeyBlock[] {
  const columns = columnsOf(sorted);
  const whole = chunkOfVector(joinKeys(columns, sorted.length), sorted.length) as BytesChunk;
  const kinds = keyKindsOf(KEY_TABLE);
  return [new KeyBlock(columns, kinds, null, sorted.length), new KeyBlock([], kinds, whole, sorted.length)];
}

/** Keys, shorter ones, longer ones, and what follows all that begin with one. */
const bounds = fc.tuple(fc.oneof(keys, keysInRuns), fc.nat()).map(([some, at]) => {
  const key = some[at % some.length]!;
  const cut = key.subarray(0, at % (key.length + 1));
  return [key, cut, Buffer.concat([key, Buffer.of(0)]), prefixEnd(key), prefixEnd(cut)].filter((one) => one !== null);
});

describe('the keys of a block', () => {
  it('compare with any bytes as the whole keys do, and are put together as they were', () => {
    fc.assert(
      fc.property(fc.oneof(keys, keysInRuns), bounds, (some, others) => {
        const sorted = some.toSorted(Buffer.compare);
        const padding = Buffer.of(7, 0, 1);
        const made = new KeyBytes();
        for (const block of blocksOf(sorted)) {
          for (const [row, key] of sorted.entries()) {
            for (const other of [...others, key]) {
              expect(Math.sign(block.compare(row, Buffer.concat([padding, other]), padding.length, other.length))).toBe(
                Buffer.compare(key, other),
              );
            }
            block.write(row, made);
            expect(Buffer.from(made.copy()).equals(key)).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are searched for the first that is not before any bytes, among all or some of them', () => {
    fc.assert(
      fc.property(fc.oneof(keys, keysInRuns), bounds, fc.nat(), fc.nat(), (some, others, a, b) => {
        const sorted = some.toSorted(Buffer.compare);
        const [from, to] = [a % (sorted.length + 1), b % (sorted.length + 1)].toSorted((x, y) => x - y) as [
          number,
          number,
        ];
        for (const block of blocksOf(sorted)) {
          for (const other of [...others, ...sorted.slice(0, 3)]) {
            for (const [begin, end] of [
              [0, sorted.length],
              [from, to],
            ] as const) {
              const found = sorted.findIndex((key, row) => row >= begin && Buffer.compare(key, other) >= 0);
              expect(block.firstFrom(other, begin, end)).toBe(found === -1 || found > end ? end : found);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
