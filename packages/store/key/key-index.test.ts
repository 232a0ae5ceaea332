import { ColumnVector } from '@tidemark/columnar/column-vector';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from './key-index.ts';

/** So many that some keys meet others with the same part of the hash in a slot. */
const KEYS = 300_000;
const BATCH = 10_000;

function keysOf(numbers: readonly number[]): ColumnVector {
  const keys = new ColumnVector('bytes');
  for (const [row, number] of numbers.entries()) keys.setString(row, `key ${number}`);
  return keys;
}

describe('the index of keys', () => {
  it('gives each key a row of its own, the same whenever it comes', () => {
    const index = new KeyIndex();
    const rowOf = new Uint32Array(BATCH * 2);
    for (let from = 0; from < KEYS; from += BATCH) {
      // Each batch has new keys, each of them twice, and as many that came before.
      const fresh = Array.from({ length: BATCH / 2 }, (_, i) => from / 2 + i);
      const known = fresh.map((number) => (number * 7_919) % (from / 2 + BATCH / 2));
      const numbers = [...fresh, ...known, ...fresh];
      index.findOrAddAll(keysOf(numbers), numbers.length, rowOf);
      const found = numbers.map((_, i) => index.keys.stringAt(rowOf[i]!));
      expect(found).toEqual(numbers.map((number) => `key ${number}`));
    }
    expect(index.count).toBe(KEYS / 2);
    for (let number = 0; number < KEYS / 2; number += 97) {
      expect(index.keys.stringAt(index.find(Buffer.from(`key ${number}`)))).toBe(`key ${number}`);
    }
    expect(index.find(Buffer.from('key'))).toBe(-1);
  });
});
