/** A number of JSON is the double that stands for it, or it is told that none does. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseColumnType } from '../column-type.ts';
import { valueFromJson } from './cell-value.ts';
import { ExactNumber, parseExactJson } from './exact-json.ts';

describe('exact JSON', () => {
  it('is what JSON.parse gives for whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseExactJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['1.0000000000000000001', 'int'],
    ['9007199254740990.6', 'long'],
    ['9007199254740993', 'long'],
    ['811746360046752.999999999', 'decimal(18,2)'],
    ['0.1234567890123456789', 'decimal(18,18)'],
  ])('does not round %s into a column of %s', (digits, type) => {
    const value = parseExactJson(`{"v":${digits}}`) as { v: unknown };
    expect(valueFromJson(parseColumnType(type), value.v)).toBeUndefined();
    expect(valueFromJson(parseColumnType('double'), value.v)).toBe(Number(digits));
  });

  it('finds a number it would round wherever it stands', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.integer({ min: 16, max: 30 }), fc.nat(15), (before, length, point) => {
        const digits = `1${'2'.repeat(length - 2)}3`;
        const number = point === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
        const [, found] = parseExactJson(`[${JSON.stringify('x'.repeat(before))},${number}]`) as [string, unknown];
        const isExact = String(Number(number)) === number;
        expect(found).toEqual(isExact ? Number(number) : new ExactNumber(number));
      }),
    );
  });

  it('takes zeros around a number for nothing', () => {
    expect(parseExactJson('[5.0000000000000000000, 0.00000000000000000, 100000000000000000000]')).toEqual([5, 0, 1e20]);
    expect(parseExactJson('12345678901234567.5')).toEqual(new ExactNumber('12345678901234567.5'));
  });
});

describe('decimals', () => {
  const decimal = (type: string, json: unknown): unknown => valueFromJson(parseColumnType(type), json);

  it('with powers of ten are exact, or are none', () => {
    expect(decimal('decimal(18,8)', 1e-7)).toBe(10n);
    expect(decimal('decimal(18,8)', '1e-7')).toBe(10n);
    expect(decimal('decimal(18,8)', '1E+3')).toBe(100_000_000_000n);
    expect(decimal('decimal(18,8)', '12300e-10')).toBe(123n);
    expect(decimal('decimal(18,8)', '1e-9')).toBeUndefined();
    expect(decimal('decimal(18,0)', '1e18')).toBeUndefined();
    expect(decimal('decimal(18,0)', '1e999999999')).toBeUndefined();
    expect(decimal('decimal(18,0)', '-0')).toBe(0n);
  });

  it('are the same in every spelling of one number', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n }),
        fc.nat(18),
        fc.nat(6),
        (value, scale, zeros) => {
          const type = `decimal(18,${scale})`;
          expect(decimal(type, `${value}e-${scale}`)).toBe(value);
          expect(decimal(type, `${value}${'0'.repeat(zeros)}e-${scale + zeros}`)).toBe(value);
          expect(decimal(type, `0.${'0'.repeat(zeros)}5e${zeros - scale + 1}`)).toBe(5n);
        },
      ),
    );
  });
});
