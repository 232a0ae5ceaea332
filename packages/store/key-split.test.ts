import { ColumnVector } from '@tidemark/schema/column-vector';
import { encodeKey } from '@tidemark/schema/key';
import type { Table } from '@tidemark/schema/table';
import fc from 'fast-check';
import { expect, it } from 'vitest';
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
const line = fc.integer({ min: -2, max: 2 });
const some = fc.array(fc.tuple(text, text, line), { minLength: 1, maxLength: 12 });
/** So many that different ones meet in what is remembered of them. */
const many = fc.array(fc.tuple(fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 9 }), text, line), {
  minLength: 150,
  maxLength: 150,
});
const rows = fc.oneof(some, many).chain((few) => fc.array(fc.constantFrom(...few), { minLength: 1, maxLength: 3000 }));

it('gives each key its parts, however often a text comes again', () => {
  const vectors = new Map<number, ColumnVector>();
  fc.assert(
    fc.property(rows, (parts) => {
      const keys = new ColumnVector('bytes');
      const bytes = (word: string): Buffer => Buffer.from(word, 'latin1');
      for (const [row, [place, tag, line]] of parts.entries()) {
        keys.setBytes(row, encodeKey(TABLE, [place, bytes(tag), line]));
      }
      // Vectors that held other keys before, as those of a flush do.
      splitKeys(TABLE, keys, 0, parts.length, vectors);
      const got = parts.map((_, row) => [
        vectors.get(1)!.stringAt(row),
        Buffer.from(vectors.get(2)!.bytesAt(row)).toString('latin1'),
        vectors.get(3)!.i32[row],
      ]);
      expect(got).toEqual(parts);
    }),
    { numRuns: 100 },
  );
});
