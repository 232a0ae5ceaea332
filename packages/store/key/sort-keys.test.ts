import { ColumnVector } from '@tidemark/columnar/column-vector';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortKeys } from './sort-keys.ts';

async function sorted(keys: readonly Uint8Array[]): Promise<string[]> {
  const vector = new ColumnVector('bytes');
  for (const [row, key] of keys.entries()) vector.setBytes(row, key);
  const order = await sortKeys(vector, keys.length);
  return Array.from(order, (row) => vector.bytesAt(row).toString('hex'));
}

function expected(keys: readonly Uint8Array[]): string[] {
  return keys
    .map((key) => Buffer.from(key))
    .sort(Buffer.compare)
    .map((key) => key.toString('hex'));
}

/** Keys that share beginnings, end early, and have zeros where others end. */
const alike = fc
  .tuple(fc.constantFrom(0, 3, 33, 70), fc.array(fc.constantFrom(0, 1, 65, 66, 255), { maxLength: 12 }))
  .map(([shared, rest]) => Uint8Array.from([...new Array<number>(shared).fill(65), ...rest]));
const few = { minLength: 0, maxLength: 120 };

describe('sort of keys', () => {
  it('is the order of their bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(alike, fc.uint8Array({ maxLength: 40 })), few), async (keys) => {
        expect(await sorted(keys)).toEqual(expected(keys));
      }),
      { numRuns: 300 },
    );
  });

  it('is that of many keys too, which take several turns', async () => {
    const keys: Uint8Array[] = [];
    for (let i = 0; i < 150_000; i++) {
      const key = Buffer.from(`customer-${String((i * 7_919) % 150_000).padStart(6, '0')}-${'x'.repeat(i % 7)}`);
      keys.push(key);
    }
    expect(await sorted(keys)).toEqual(expected(keys));
  });

  it('is that of keys that differ in one bit only, wherever it is', async () => {
    for (const at of [0, 31, 32, 63, 64, 200]) {
      const keys = Array.from({ length: 100 }, (_, i) => {
        const key = new Uint8Array(256);
        key[at] = i % 2;
        key[255] = i;
        return key;
      });
      expect(await sorted(keys)).toEqual(expected(keys));
    }
  });

  it('is that of keys of which many share the bits that are looked at first', async () => {
    // 3 × 32 bits that differ: keys equal in the first, thousands of them or ten, and keys equal in the first two.
    const word = (n: number): number[] => [0, 8, 16, 24].map((shift) => ((n * 0x9e3779b1) >>> shift) & 0xff);
    for (const first of [3, 3_000]) {
      const keys = Array.from({ length: 30_000 }, (_, i) =>
        Uint8Array.from([...word(i % first), ...word(i % 1_001), ...word(i % 7_919)]),
      );
      expect(await sorted(keys)).toEqual(expected(keys));
    }
  });

  it('is right in sorts that are under way together, and in those after them', async () => {
    const many = (count: number): Buffer[] =>
      Array.from({ length: count }, (_, i) => Buffer.from(`${(i * 7_919) % count} of ${count}`));
    for (let round = 0; round < 2; round++) {
      const lists = [90_000, 40, 70_000, 3].map(many);
      expect(await Promise.all(lists.map(sorted))).toEqual(lists.map(expected));
    }
  });
});
