import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnsOf, KEY_TABLE, keys, keysInRuns } from '../testing/key-harness.ts';
import { keyKindsOf, numberPlace, rowOfKey } from './key-search.ts';

describe('key search', () => {
  it('finds every key at its row and no other key', () => {
    fc.assert(
      fc.property(fc.oneof(keys, keysInRuns), fc.oneof(keys, keysInRuns), (some, others) => {
        const sorted = some.toSorted(Buffer.compare);
        const columns = columnsOf(sorted);
        for (const key of [...sorted, ...others]) {
          const expected = sorted.findIndex((one) => one.equals(key));
          expect(rowOfKey(columns, keyKindsOf(KEY_TABLE), key, sorted.length)).toBe(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('takes bytes that are no whole key for none', () => {
    fc.assert(
      fc.property(keys, fc.nat(), (some, cut) => {
        const key = some[0]!;
        const columns = columnsOf([key]);
        for (const other of [key.subarray(0, cut % key.length), Buffer.concat([key, Buffer.of(0)])]) {
          expect(rowOfKey(columns, keyKindsOf(KEY_TABLE), other, 1)).toBe(-1);
        }
      }),
    );
  });

  it('places a number among ascending ones of every width', () => {
    // Evenly, or mostly at one end.
    const numbers = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300, size: 'max' }),
      fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 1, 2) }, fc.nat(255)), {
        maxLength: 300,
        size: 'max',
      }),
      fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(250, 255) }, fc.nat(255)), {
        maxLength: 300,
        size: 'max',
      }),
    );
    fc.assert(
      fc.property(numbers, fc.double({ min: -1, max: 256, noNaN: true }), (some, wanted) => {
        const sorted = some.toSorted((a, b) => a - b);
        for (const value of [wanted, sorted[0] ?? 0, sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0]) {
          const expected = sorted.filter((one) => one < value).length;
          for (const kind of [Uint8Array, Uint16Array, Int32Array, Float64Array]) {
            expect(numberPlace(kind.from(sorted), value, 0, sorted.length)).toBe(expected);
          }
        }
      }),
    );
  });
});
