import { encodeKey, prefixEnd } from '@tidemark/columnar/key';
import type { Value } from '@tidemark/model/column-type';
import type { Table } from '@tidemark/model/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BytesChunk } from '../encoding/chunk.ts';
import { chunkOfVector } from '../encoding/chunk.ts';
import { keyKindsOf } from '../key/key-search.ts';
import { joinKeys } from '../segment/key-columns.ts';
import { columnsOf, KEY_TABLE, keys, keysInRuns } from '../testing/key-harness.ts';
import { KeyBlock, KeyBytes } from './key-block.ts';

/** The same keys as columns, and whole. */
function blocksOf(sorted: readonly Buffer[], table: Table = KEY_TABLE): KeyBlock[] {
  const columns = columnsOf(sorted, table);
  const whole = chunkOfVector(joinKeys(columns, sorted.length), sorted.length) as BytesChunk;
  const kinds = keyKindsOf(table);
  return [new KeyBlock(columns, kinds, null, sorted.length), new KeyBlock([], kinds, whole, sorted.length)];
}

/** Keys, shorter ones, longer ones, and what follows all that begin with one. */
const bounds = fc.tuple(fc.oneof(keys, keysInRuns), fc.nat()).map(([some, at]) => boundsBy(some, at));

function boundsBy(some: readonly Buffer[], at: number): Buffer[] {
  const key = some[at % some.length]!;
  const cut = key.subarray(0, at % (key.length + 1));
  return [key, cut, Buffer.concat([key, Buffer.of(0)]), prefixEnd(key), prefixEnd(cut)].filter((one) => one !== null);
}

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
          for (const other of [...others, ...boundsBy(sorted, a), ...boundsBy(sorted, b)]) {
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

  it('are searched by bounds beyond the last value that a part may have', () => {
    const [late, share] = (['boolean', 'double'] as const).map((name, i) => {
      return { id: i + 1, name, type: { name }, dropped: false };
    });
    for (const columns of [
      [late!, share!],
      [share!, late!],
    ]) {
      const table: Table = { ...KEY_TABLE, columns, key: columns.map(({ id }) => id) };
      const values = {
        boolean: [false, true],
        double: [Number.NEGATIVE_INFINITY, -5e-324, 0, 1.5, Number.POSITIVE_INFINITY, Number.NaN],
      };
      const of = (name: string): readonly Value[] => values[name as keyof typeof values];
      const all = of(columns[0]!.name).flatMap((a) => of(columns[1]!.name).map((b) => encodeKey(table, [a, b])));
      const sorted = all.toSorted(Buffer.compare);
      for (const block of blocksOf(sorted, table)) {
        for (const key of sorted) {
          for (let length = 1; length <= key.length; length++) {
            for (const other of [key.subarray(0, length), prefixEnd(key.subarray(0, length)) ?? key]) {
              const found = sorted.findIndex((one) => Buffer.compare(one, other) >= 0);
              expect([other, block.firstFrom(other, 0, sorted.length)]).toEqual([
                other,
                found === -1 ? sorted.length : found,
              ]);
            }
          }
        }
      }
    }
  });
});
