import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ColumnType, parseColumnType, type Value } from '../column-type.ts';
import type { Column } from '../table.ts';
import {
  cellToJson,
  cellToText,
  parseJsonValue,
  parseText,
  shown,
  valueFromJson,
  valueFromText,
} from './cell-value.ts';
import { DATE_DAYS_MAX, DATE_DAYS_MIN, TIMESTAMP_US_MAX } from './time.ts';

const column = (type: string): Column => ({ id: 1, name: 'c', type: parseColumnType(type), dropped: false });

/** A type with a value of it. */
const typed: fc.Arbitrary<[string, Value]> = fc.oneof(
  fc.tuple(fc.constant('boolean'), fc.boolean()),
  fc.tuple(fc.constant('int'), fc.integer()),
  fc.tuple(fc.constant('long'), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
  fc.tuple(fc.constant('long'), fc.bigInt({ min: -(1n << 54n), max: 1n << 54n })),
  fc.tuple(fc.constant('double'), fc.double()),
  fc.tuple(fc.constant('string'), fc.string({ unit: 'binary' })),
  fc.tuple(fc.constant('bytes'), fc.uint8Array()),
  fc.tuple(fc.constant('timestamp'), fc.integer({ min: -TIMESTAMP_US_MAX, max: TIMESTAMP_US_MAX })),
  fc.tuple(fc.constant('date'), fc.integer({ min: DATE_DAYS_MIN, max: DATE_DAYS_MAX })),
  fc.tuple(fc.constant('decimal(18,0)'), fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n })),
  fc.tuple(fc.constant('decimal(5,5)'), fc.bigInt({ min: -99_999n, max: 99_999n })),
  fc.tuple(fc.constant('decimal(9,2)'), fc.bigInt({ min: -999_999_999n, max: 999_999_999n })),
);
/** Bytes compare by what they hold, and −0 as 0, which is what JSON makes of it. */
const plain = (value: Value | undefined): unknown =>
  value instanceof Uint8Array ? [...value] : value === 0 ? 0 : value;

describe('cell value', () => {
  it('survives JSON, whatever its type', () => {
    fc.assert(
      fc.property(typed, ([type, value]) => {
        const json: unknown = JSON.parse(JSON.stringify(cellToJson(parseColumnType(type), value)));
        expect(plain(parseJsonValue(column(type), json))).toEqual(plain(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('survives being written as text, whatever its type', () => {
    fc.assert(
      fc.property(typed, ([type, value]) => {
        expect(plain(parseText(column(type), cellToText(parseColumnType(type), value)))).toEqual(plain(value));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['long', 2n ** 53n, '9007199254740992'],
    ['long', 2n ** 53n - 1n, 9_007_199_254_740_991],
    ['long', -(2n ** 53n), '-9007199254740992'],
    ['timestamp', 979_150_800_000_000, '2001-01-10T18:20:00Z'],
    ['date', 11_332, '2001-01-10'],
    ['decimal(9,2)', 5n, '0.05'],
    ['decimal(9,2)', -12_345n, '-123.45'],
    ['decimal(3,0)', -7n, '-7'],
    ['bytes', new Uint8Array([255, 0]), { $bytes: '/wA=' }],
    ['double', Number.NEGATIVE_INFINITY, '-Infinity'],
  ] as [string, Value, unknown][])('%s %s is %j in JSON', (type, value, json) => {
    expect(cellToJson(parseColumnType(type), value)).toEqual(json);
  });

  it.each([
    ['boolean', [0, 1, 'true', [], {}]],
    ['int', [1.5, 2_147_483_648, -2_147_483_649, '1', true, Number.NaN, 1e300]],
    ['long', [2 ** 53, 1.5, '9223372036854775808', '-9223372036854775809', '1.0', '', ' 1', '0x1']],
    ['double', ['1', 'nan', Number.POSITIVE_INFINITY, true]],
    ['string', [1, {}, [], '\ud800', 'x\udc00']],
    ['bytes', ['AA==', { $bytes: 'A' }, { $bytes: '****' }, { $bytes: 1 }, { $bytes: 'AA==', x: 1 }, {}]],
    ['timestamp', [979_150_800, '2001-02-30T00:00Z', '2001-01-10']],
    ['date', [11_332, '2001-02-30', '2001-01-10T00:00Z']],
    ['decimal(5,2)', ['1234', '1.234', '1e3', '1e-3', '', '.5', 1000, 0.001, 1e21, '1.', '+1']],
    ['decimal(18,2)', [1_234_567_890_123_456]],
  ] as [string, unknown[]][])('%s takes none of %j, and says what it got and expects', (type, raws) => {
    for (const raw of raws) {
      const fault = thrown(() => parseJsonValue(column(type), raw));
      expect(isFault(fault, 'invalid'), shown(raw)).toBe(true);
      expect((fault as Error).message).toMatch(/^column c: got .*, expected /);
    }
  });

  it('takes a decimal as a number while a double holds all its digits', () => {
    expect(valueFromJson(parseColumnType('decimal(9,2)'), 12.3)).toBe(1230n);
    expect(valueFromJson(parseColumnType('decimal(9,2)'), -0.05)).toBe(-5n);
    expect(valueFromText(parseColumnType('decimal(5,2)'), '1.2300')).toBe(123n);
  });

  it.each([
    ['boolean', ['1', 'TRUE', '']],
    ['int', ['1.0', '', '2147483648', 'x', '1e3', ' 1']],
    ['double', ['', '1e999', 'x', '1,5', '0x10', 'Infinity ']],
    ['bytes', ['*', 'A']],
    ['string', ['\ud800']],
  ])('%s takes none of the texts %j', (type, texts) => {
    for (const text of texts)
      expect(
        isFault(
          thrown(() => parseText(column(type), text)),
          'invalid',
        ),
        text,
      ).toBe(true);
  });

  it('is shown shortened in messages', () => {
    expect(shown('x'.repeat(10_000))).toHaveLength(81);
    expect([shown(undefined), shown(null), shown(5n), shown(new Uint8Array(3))]).toEqual([
      'nothing',
      'null',
      '5',
      '3 bytes',
    ]);
  });

  it('has a type for each of the names', () => {
    const names: ColumnType['name'][] = ['boolean', 'int', 'long', 'double', 'string', 'bytes', 'timestamp', 'date'];
    for (const name of names) expect(valueFromJson({ name } as ColumnType, undefined)).toBeUndefined();
  });
});

function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}
