import { type ColumnType, parseColumnType, type Value } from '@tidemark/model/column-type';
import type { Column, Table } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkKeyLength, decodeKey, encodeKey, keyPartBytesMax, partitionKeyLength, prefixEnd } from './key.ts';

const TYPES = ['boolean', 'int', 'long', 'double', 'string', 'bytes', 'timestamp', 'date', 'decimal(18,2)'];

function tableOf(types: readonly string[]): Table {
  const columns = types.map(
    (type, i): Column => ({ id: i + 1, name: `c${i}`, type: parseColumnType(type), dropped: false }),
  );
  return { id: 1, name: 't', columns, key: columns.map((c) => c.id), dynamicColumnsMax: 0, dynamicColumns: 0 };
}

/** Few values, close to each other and to where an encoding could go wrong. */
function valuesOf(type: ColumnType): fc.Arbitrary<Value> {
  const edges = [-(2 ** 31), -1, 0, 1, 255, 256, 2 ** 31 - 1];
  switch (type.name) {
    case 'boolean':
      return fc.boolean();
    case 'int':
    case 'date':
      return fc.oneof(fc.constantFrom(...edges), fc.integer());
    case 'timestamp':
      return fc.oneof(fc.constantFrom(...edges, -(2 ** 32), 2 ** 32), fc.maxSafeInteger());
    case 'long':
    case 'decimal':
      return fc.oneof(fc.constantFrom(...edges.map(BigInt)), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }));
    case 'double':
      return fc.oneof(fc.constantFrom(...edges, 0.5, -0.5), fc.double({ noNaN: true })).map((n) => (n === 0 ? 0 : n));
    case 'string':
      return fc.oneof(
        fc.string({ unit: fc.constantFrom('\0', '\x01', 'a', 'é', '\uffff', '😀'), maxLength: 4 }),
        fc.string(),
      );
    case 'bytes':
      return fc.array(fc.constantFrom(0, 1, 2, 254, 255), { maxLength: 4 }).map((b) => Uint8Array.from(b));
  }
}

function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array);
  return a < b ? -1 : a > b ? 1 : 0;
}
function compareParts(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareValues(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return 0;
}
const plain = (values: readonly Value[]): unknown[] => values.map((v) => (v instanceof Uint8Array ? [...v] : v));

const keys = fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 }).chain((types) => {
  const parts = fc.tuple(...types.map((type) => valuesOf(parseColumnType(type))));
  return fc.record({ table: fc.constant(tableOf(types)), a: parts, b: parts });
});

describe('key', () => {
  it('has bytes in the order of its values, part by part', () => {
    fc.assert(
      fc.property(keys, ({ table, a, b }) => {
        const order = Buffer.compare(encodeKey(table, a), encodeKey(table, b));
        expect(Math.sign(order)).toBe(Math.sign(compareParts(a, b)));
      }),
      { numRuns: 5000 },
    );
  });

  it('gives its values back', () => {
    fc.assert(
      fc.property(keys, ({ table, a }) => {
        const key = encodeKey(table, a);
        expect(plain(decodeKey(table, key))).toEqual(plain(a));
        expect(encodeKey(table, a.slice(0, 1))).toEqual(key.subarray(0, partitionKeyLength(table, key)));
        expect(key.length).toBeLessThanOrEqual(a.reduce<number>((sum, v) => sum + keyPartBytesMax(v), 0));
      }),
      { numRuns: 2000 },
    );
  });

  it('is in the range of a prefix exactly when it begins with those values', () => {
    fc.assert(
      fc.property(keys, ({ table, a, b }) => {
        const prefix = encodeKey(table, a.slice(0, 1));
        const key = encodeKey(table, b);
        const end = prefixEnd(prefix);
        const within = Buffer.compare(key, prefix) >= 0 && (end === null || Buffer.compare(key, end) < 0);
        expect(within).toBe(compareValues(a[0]!, b[0]!) === 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('is never mistaken for another when cut short or continued', () => {
    fc.assert(
      fc.property(keys, ({ table, a }) => {
        const key = encodeKey(table, a);
        for (const wrong of [key.subarray(0, -1), Buffer.concat([key, Buffer.from([7])])]) {
          let fault: unknown = null;
          try {
            decodeKey(table, wrong);
          } catch (error) {
            fault = error;
          }
          expect(isFault(fault, 'corrupt')).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('takes −0 for 0', () => {
    const table = tableOf(['double']);
    expect(encodeKey(table, [-0])).toEqual(encodeKey(table, [0]));
  });

  it('has no end above a prefix of ff', () => {
    expect(prefixEnd(Buffer.from([0xff, 0xff]))).toBeNull();
    expect(prefixEnd(Buffer.from([1, 0xff]))).toEqual(Buffer.from([2]));
  });

  it('is at most 1 KiB', () => {
    const table = tableOf(['string']);
    checkKeyLength(table, 1024);
    expect(() => checkKeyLength(table, 1025)).toThrow(/table t: the key takes 1025 bytes, at most 1024/);
  });
});
