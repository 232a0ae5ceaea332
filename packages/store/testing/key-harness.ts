/** Keys of every kind of part as properties draw them, and the columns that they are stored as. */

import { ColumnVector } from '@tidemark/columnar/column-vector';
import { encodeKey } from '@tidemark/columnar/key';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { keyColumns, type Table, tableNamed } from '@tidemark/model/table';
import fc from 'fast-check';
import { decodeBlock } from '../encoding/block-decoder.ts';
import { encodeBlock } from '../encoding/block-encoder.ts';
import type { Chunk } from '../encoding/chunk.ts';
import { splitKeys } from '../key/key-split.ts';

/** A key of every kind of column: what is long, what is beyond 2^53, what has a zero byte. */
export const KEY_TABLE: Table = tableNamed(
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

/** Few values of each part, so that neighbours share them, and rows enough for runs. */
export const keys = fc.uniqueArray(
  fc
    .tuple(
      fc.constantFrom('', 'a', 'b', 'b\0', 'ü'),
      fc.constantFrom(-5, 0, 60_000_000, 120_000_000, 9_007_199_254_740_991),
      fc.constantFrom(new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 1), Uint8Array.of(7)),
      fc.constantFrom(-2_147_483_648, -1, 0, 1, 2_147_483_647),
      fc.constantFrom(-(2n ** 63n), -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n),
      fc.constantFrom(Number.NEGATIVE_INFINITY, -1.5, 0, 2.25, Number.POSITIVE_INFINITY, Number.NaN),
    )
    .map((parts) => encodeKey(KEY_TABLE, parts)),
  { minLength: 1, maxLength: 200, selector: (key) => key.toString('hex') },
);

/** Long runs in two columns: those of the second rise and fall, as they are in order only within the first's. */
export const keysInRuns = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(1, 2, 9), fc.integer({ min: 16, max: 40 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((groups) => {
    const unique = new Map<string, Buffer>();
    for (const [place, tag, lines] of groups) {
      for (let line = 0; line < lines; line++) {
        const key = encodeKey(KEY_TABLE, [place, 0, Uint8Array.of(tag), line, 0n, 0]);
        unique.set(key.toString('hex'), key);
      }
    }
    return [...unique.values()];
  });

/** The key columns of a block, decoded from its bytes. */
export function columnsOf(sorted: readonly Buffer[], table: Table = KEY_TABLE): Chunk[] {
  const vector = new ColumnVector('bytes');
  vector.reserveRows(sorted.length);
  sorted.forEach((key, row) => {
    vector.setBytes(row, key);
  });
  const { vectors: split } = splitKeys(table, vector, 0, sorted.length);
  return keyColumns(table).map(({ id }) => {
    const column = split.get(id)!;
    return decodeBlock(encodeBlock(column, 0, sorted.length), sorted.length, column.kind);
  });
}
