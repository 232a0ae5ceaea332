import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ColumnType, Value } from '../column-type.ts';
import { cellToJson } from './cell-value.ts';
import { cellJsonText, quoted, RowText } from './json-text.ts';

const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary', minLength: 60, maxLength: 80 }));
const cells: fc.Arbitrary<[ColumnType, Value]> = fc.oneof(
  fc.tuple(fc.constant<ColumnType>({ name: 'string' }), texts),
  fc.tuple(fc.constant<ColumnType>({ name: 'int' }), fc.integer()),
  fc.tuple(fc.constant<ColumnType>({ name: 'boolean' }), fc.boolean()),
  fc.tuple(fc.constant<ColumnType>({ name: 'double' }), fc.double()),
  fc.tuple(fc.constant<ColumnType>({ name: 'long' }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  fc.tuple(fc.constant<ColumnType>({ name: 'timestamp' }), fc.integer({ min: -(2 ** 53), max: 2 ** 53 })),
  fc.tuple(fc.constant<ColumnType>({ name: 'date' }), fc.integer({ min: -719_528, max: 2_932_896 })),
  fc.tuple(fc.constant<ColumnType>({ name: 'bytes' }), fc.uint8Array()),
  fc.tuple(
    fc.constant<ColumnType>({ name: 'decimal', precision: 18, scale: 3 }),
    fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }),
  ),
);

describe('JSON text', () => {
  it('of a text is what JSON.stringify makes of it', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(quoted(text)).toBe(JSON.stringify(text));
      }),
    );
    for (const text of ['"', '\\', '\u001f', '\ud800', 'a\u007f', 'é', '😀'])
      expect(quoted(text)).toBe(JSON.stringify(text));
  });

  it('of a cell of any type is what JSON.stringify makes of its JSON', () => {
    fc.assert(
      fc.property(cells, ([type, value]) => {
        expect(cellJsonText(type, value)).toBe(JSON.stringify(cellToJson(type, value)));
      }),
    );
  });

  it('of a row has its cells by name, those without a value left out or null', () => {
    const columns = [
      { name: 'a"b', type: { name: 'int' as const } },
      { name: 'c', type: { name: 'string' as const } },
      { name: 'd', type: { name: 'boolean' as const } },
    ];
    expect(new RowText(columns, false).of([null, 'x', false])).toBe('{"c":"x","d":false}');
    expect(new RowText(columns, true).of([1, null, null])).toBe('{"a\\"b":1,"c":null,"d":null}');
    expect(new RowText(columns, false).of([null, null, null])).toBe('{}');
  });
});
