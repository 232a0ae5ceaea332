import { ColumnVector } from '@tidemark/columnar/column-vector';
import { encodeKey } from '@tidemark/columnar/key';
import type { Table } from '@tidemark/model/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitKeys } from './key-split.ts';

const TABLE: Table = {
  id: 1,
  name: 't',
  key: [1, 2, 3],
  dynamicColumnsMax: 0,
  dynamicColumns: 0,
  columns: [
    { id: 1, name: 'place', type: { name: 'string' }, dropped: false },
    { id: 2, name: 'tag', type: { name: 'bytes' }, dropped: false },
    { id: 3, name: 'line', type: { name: 'int' }, dropped: false },
  ],
};

const letters = fc.constantFrom('a', 'b', '\0', '\u0001', 'ÿ');
/** Of any length around a word, two words, and where texts are no longer looked for; few enough to come again. */
const text = fc.oneof(
  fc.string({ unit: letters, maxLength: 5 }),
  fc
    .tuple(fc.constantFrom(3, 4, 7, 8, 62, 63, 64, 65, 80), letters)
    .map(([count, last]) => 'a'.repeat(count - 1) + last),
);
const rows = fc
  .array(fc.tuple(text, text, fc.integer({ min: -2, max: 2 })), { minLength: 1, maxLength: 12 })
  .chain((few) => fc.array(fc.constantFrom(...few), { minLength: 1, maxLength: 1500 }));

const vectors = new Map<number, ColumnVector>();

function expectParts(parts: readonly (readonly [string, string, number])[]): void {
  const keys = new ColumnVector('bytes');
  for (const [row, [place, tag, line]] of parts.entries()) {
    keys.setBytes(row, encodeKey(TABLE, [place, Buffer.from(tag, 'latin1'), line]));
  }
  // Vectors that held other keys before, as those of a flush do.
  splitKeys(TABLE, keys, 0, parts.length, vectors);
  const got = parts.map((_, row) => [
    vectors.get(1)!.stringAt(row),
    Buffer.from(vectors.get(2)!.bytesAt(row)).toString('latin1'),
    vectors.get(3)!.i32[row],
  ]);
  expect(got).toEqual(parts);
}

describe('keys taken apart', () => {
  it('give the parts they were made of, however often a text comes again', () => {
    fc.assert(fc.property(rows, expectParts), { numRuns: 200 });
  });

  it('give them where different texts meet in what is remembered of them', () => {
    const parts = Array.from({ length: 5_000 }, (_, i) => {
      const number = (i * 7_919) % 200;
      return [`user${number}`, `${number % 100}`, i] as const;
    });
    expectParts(parts);
  });
});
