import { decodeKey, encodeKey } from '@tidemark/columnar/key';
import { keyColumns, type Table } from '@tidemark/model/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_TABLE, keys } from '../testing/key-harness.ts';
import { KeyValues } from './key-values.ts';

describe('the parts of a key', () => {
  it('are the values that were encoded, those of the columns that are wanted, wherever the key lies', () => {
    fc.assert(
      fc.property(keys, fc.subarray(keyColumns(KEY_TABLE)), fc.boolean(), (some, wanted, isTurned) => {
        const columns = [
          ...(isTurned ? wanted.toReversed() : wanted),
          { ...KEY_TABLE.columns[0]!, id: 99, name: 'cell' },
        ];
        const values = new KeyValues(KEY_TABLE, columns);
        for (const key of some) {
          const parts = decodeKey(KEY_TABLE, key);
          const expected = columns.map(({ id }) => (id === 99 ? null : parts[KEY_TABLE.key.indexOf(id)]!));
          expect(values.of(Buffer.concat([Buffer.of(1, 0), key, Buffer.of(0, 1)]), 2, key.length)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('may be of every other type', () => {
    const types = [{ name: 'boolean' }, { name: 'date' }, { name: 'decimal', precision: 18, scale: 2 }] as const;
    const columns = types.map((type, i) => ({ id: i + 1, name: type.name, type, dropped: false }));
    const table: Table = { ...KEY_TABLE, columns, key: [1, 2, 3] };
    for (const parts of [
      [true, -719_528, 10n ** 17n],
      [false, 0, -(10n ** 17n)],
    ]) {
      const key = encodeKey(table, parts);
      expect(new KeyValues(table, columns).of(key, 0, key.length)).toEqual(parts);
    }
  });

  it('are refused when the key ends before them', () => {
    const key = encodeKey(KEY_TABLE, ['a', 5]);
    const values = new KeyValues(KEY_TABLE, keyColumns(KEY_TABLE));
    expect(() => values.of(key, 0, key.length)).toThrow(/a key of \d+ bytes ends within part 3/);
  });
});
