import { encodeKey } from '@tidemark/columnar/key';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../encoding/chunk.ts';
import { Partition } from '../partition.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { TABLE } from '../testing/arbitraries.ts';
import { columnsOf, KEY_TABLE, keys, keysInRuns } from '../testing/key-harness.ts';
import { batchOf, Model, type ModelMutation } from '../testing/model.ts';
import { hashesOfColumns, hashOfKey } from './key-hash.ts';
import { keyKindsOf, rowOfKey } from './key-search.ts';
import { KeyTable } from './key-table.ts';
import { KeyTables } from './key-tables.ts';

const anyKeys = fc.oneof(keys, keysInRuns);

describe('a hash of key columns', () => {
  it('is that of the keys they make', () => {
    fc.assert(
      fc.property(anyKeys, (some) => {
        const sorted = some.toSorted(Buffer.compare);
        expect([...hashesOfColumns(columnsOf(sorted), sorted.length)]).toEqual(sorted.map(hashOfKey));
      }),
    );
  });
});

describe('a key table', () => {
  it('finds what the search finds, for any keys, however many hashes are alike', () => {
    fc.assert(
      // So many bits of the hash count: with none, every row is a candidate for every key.
      fc.property(anyKeys, anyKeys, fc.constantFrom(0, 1, 0xff, 0xffff, -1), (some, others, mask) => {
        const sorted = some.toSorted(Buffer.compare);
        const columns = columnsOf(sorted);
        const table = KeyTable.of(
          columns,
          hashesOfColumns(columns, sorted.length).map((hash) => hash & mask),
        )!;
        const cut = sorted.map((key) => key.subarray(0, key.length >> 1));
        const longer = sorted.map((key) => Buffer.concat([key, Buffer.of(0)]));
        for (const key of [...sorted, ...others, ...cut, ...longer]) {
          const expected = rowOfKey(columns, keyKindsOf(KEY_TABLE), key, sorted.length);
          expect(table.rowOf(key, hashOfKey(key) & mask)).toBe(expected);
        }
        // Not even keys, most of them: only what is the same byte for byte is found.
        for (let at = 0; at < sorted[0]!.length; at++) {
          const other = Buffer.from(sorted[0]!);
          other[at]! ^= 1;
          const expected = sorted.findIndex((key) => key.equals(other));
          expect(table.rowOf(other, hashOfKey(other) & mask)).toBe(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('is not made where too many hashes are alike for it to be of use', () => {
    const sorted = Array.from({ length: 2_000 }, (_, line) => encodeKey(KEY_TABLE, ['a', 0, Buffer.of(), line, 0n, 0]));
    const columns = columnsOf(sorted);
    expect(KeyTable.of(columns, new Int32Array(2_000).fill(7))).toBe(null);
    expect(KeyTable.of(columns, hashesOfColumns(columns, 2_000))).not.toBe(null);
  });
});

describe('key tables', () => {
  it('are held where the cache has room for them, and count there', () => {
    const sorted = Array.from({ length: 64 }, (_, line) => encodeKey(KEY_TABLE, ['a', 0, Buffer.of(), line, 0n, 0]));
    const columns = columnsOf(sorted);
    const looksOf = (cache: BlockCache): KeyTables => {
      const tables = new KeyTables(cache, 1);
      expect(tables.held(0)).toBe(null);
      for (let n = 0; n < 64; n++) if (tables.held(0) === null) tables.noteSearch(0, columns, 64);
      return tables;
    };
    const small = new BlockCache(400);
    expect(looksOf(small).held(0)).toBe(null);
    const large = new BlockCache(100_000);
    const table = looksOf(large).held(0)!;
    expect(table.rowOf(sorted[7]!, hashOfKey(sorted[7]!))).toBe(7);
    expect(large.memoryBytes).toBe(table.memoryBytes);
    // Slots, and the columns that it holds on to.
    expect(table.memoryBytes).toBeGreaterThan(columns.reduce((sum, column) => sum + memoryOf(column), 64 * 6));
  });
});

describe('gets of keys that are asked for again and again', () => {
  it('are those of the model, tables or not, and stay within the memory of the cache', async () => {
    await fc.assert(
      // Nothing is kept, some of it, all of it.
      fc.asyncProperty(fc.nat(), fc.constantFrom(0, 6_000, 12_000, 1_000_000), async (seed, bytesMax) => {
        const random = new SeededRandom(seed);
        const cache = new BlockCache(bytesMax);
        const options = { blockRows: 8, compaction: false, cache };
        const partition = await Partition.open(new SimDisk(), 'travel/flights/0', options);
        partition.setTable(TABLE);
        const model = new Model();
        for (let seq = 0; seq < 6; seq++) {
          const mutations = randomMutations(random);
          const stamp = { ms: 1_700_000_000_000 + seq, counter: 0, site: 1, writer: 1 };
          partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq });
          model.apply(TABLE, mutations, stamp);
          if (seq === 2) await partition.compact();
          await partition.flush();
          const live = new Map(model.live(TABLE).map((row) => [Buffer.from(row.key).toString('hex'), row]));
          for (let n = 0; n < 1_000; n++) {
            const key = randomKey(random);
            expect(await partition.get(key)).toEqual(live.get(key.toString('hex')) ?? null);
            expect(cache.memoryBytes).toBeLessThanOrEqual(bytesMax);
          }
        }
        await partition.close();
      }),
      { numRuns: 5 },
    );
  }, 60_000);
});

const PLACES = ['a', 'ab', 'b', 'ü'];

function randomKey(random: SeededRandom): Buffer {
  return encodeKey(TABLE, randomParts(random));
}

function randomParts(random: SeededRandom): [string, number] {
  return [PLACES[integerBetween(random, 0, PLACES.length - 1)]!, integerBetween(random, -3, 3)];
}

function randomMutations(random: SeededRandom): ModelMutation[] {
  return Array.from({ length: 20 }, () => {
    const key = randomParts(random);
    if (random.fraction() < 0.15) return { key, cells: 'delete' };
    return { key, cells: new Map([[3, integerBetween(random, 0, 9)]]) };
  });
}
