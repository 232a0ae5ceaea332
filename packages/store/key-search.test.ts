import { ColumnVector } from '@tidemark/schema/column-vector';
import { evolve } from '@tidemark/schema/evolve';
import { encodeKey } from '@tidemark/schema/key';
import { parseKeyspaceFile } from '@tidemark/schema/keyspace-file';
import { keyColumns, type Table, tableNamed } from '@tidemark/schema/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlock } from './block-decoder.ts';
import { encodeBlock } from './block-encoder.ts';
import type { Chunk } from './chunk.ts';

import { keyKindsOf, numberPlace, rowOfKey } from './key-search.ts';
import { splitKeys } from './key-split.ts';

/** A key of every kind of column: what is long, what is beyond 2^53, what has a zero byte. */
const TABLE: Table = tableNamed(
  evolve(
    null,
    parseKeyspaceFile({
      keyspace: 'k',
      mode: 'single',
      primary: 'a',
      ack: 'local',
      failover: 'manual',
      sites: { a: 'data' },
      partitions: 1,
      tables: {
        t: {
          columns: { place: 'string', at: 'timestamp', tag: 'bytes', line: 'int', long: 'long', share: 'double' },
          partitionKey: 'place',
          sortKey: ['at', 'tag', 'line', 'long', 'share'],
        },
      },
    }),
  ).keyspace,
  't',
);

// Few values of each part, so that neighbours share them, and rows enough for runs.
const keys = fc.uniqueArray(
  fc
    .tuple(
      fc.constantFrom('', 'a', 'b', 'b\0', 'ü'),
      fc.constantFrom(-5, 0, 60_000_000, 120_000_000, 9_007_199_254_740_991),
      fc.constantFrom(new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 1), Uint8Array.of(7)),
      fc.constantFrom(-2_147_483_648, -1, 0, 1, 2_147_483_647),
      fc.constantFrom(-(2n ** 63n), -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n),
      fc.constantFrom(Number.NEGATIVE_INFINITY, -1.5, 0, 2.25, Number.POSITIVE_INFINITY, Number.NaN),
    )
    .map((parts) => encodeKey(TABLE, parts)),
  { minLength: 1, maxLength: 200, selector: (key) => key.toString('hex') },
);

/** Long runs in two columns: those of the second rise and fall, as they are in order only within the first's. */
const keysInRuns = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(1, 2, 9), fc.integer({ min: 16, max: 40 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((groups) => {
    const unique = new Map<string, Buffer>();
    for (const [place, tag, lines] of groups) {
      for (let line = 0; line < lines; line++) {
        const key = encodeKey(TABLE, [place, 0, Uint8Array.of(tag), line, 0n, 0]);
        unique.set(key.toString('hex'), key);
      }
    }
    return [...unique.values()];
  });

/** The key columns of a block, decoded from its bytes. */
function columnsOf(sorted: readonly Buffer[]): Chunk[] {
  const vector = new ColumnVector('bytes');
  vector.reserveRows(sorted.length);
  sorted.forEach((key, row) => {
    vector.setBytes(row, key);
  });
  const { vectors: split } = splitKeys(TABLE, vector, 0, sorted.length);
  return keyColumns(TABLE).map(({ id }) => {
    const column = split.get(id)!;
    return decodeBlock(encodeBlock(column, 0, sorted.length), sorted.length, column.kind);
  });
}

describe('key search', () => {
  it('finds every key at its row and no other key', () => {
    fc.assert(
      fc.property(fc.oneof(keys, keysInRuns), fc.oneof(keys, keysInRuns), (some, others) => {
        const sorted = some.toSorted(Buffer.compare);
        const columns = columnsOf(sorted);
        for (const key of [...sorted, ...others]) {
          const expected = sorted.findIndex((one) => one.equals(key));
          expect(rowOfKey(columns, keyKindsOf(TABLE), key, sorted.length)).toBe(expected);
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
          expect(rowOfKey(columns, keyKindsOf(TABLE), other, 1)).toBe(-1);
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
