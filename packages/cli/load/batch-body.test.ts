/** By column or as lines, a batch holds the same rows. */

import { addColumnar } from '@tidemark/columnar/columnar';
import { addJsonRow, rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { tableNamed } from '@tidemark/model/table';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnarBody } from './batch-body.ts';

const COLUMNS = {
  k: 'string',
  at: 'timestamp',
  n: 'int',
  big: 'long',
  raw: 'bytes',
  ok: 'boolean',
  cost: 'decimal(9,2)',
};
const table = tableNamed(
  evolve(
    null,
    parseKeyspaceFile({
      keyspace: 'a',
      primary: 'paris',
      ack: 'local',
      sites: { paris: 'data' },
      tables: { t: { columns: COLUMNS, partitionKey: 'k', sortKey: ['at'] } },
    }),
  ).keyspace,
  't',
);
const types = new Map(table.columns.map((column) => [column.name, column.type]));

const cells = {
  n: fc.option(fc.integer({ min: -5, max: 5 }), { nil: null }),
  big: fc.constantFrom(1, '9007199254740993', null),
  raw: fc.uint8Array({ maxLength: 3 }).map((bytes) => ({ $bytes: Buffer.from(bytes).toString('base64') })),
  ok: fc.boolean(),
  cost: fc.constantFrom('1.50', '-3.00', 2),
};
const key = {
  k: fc.constantFrom('a', 'é', ''),
  at: fc.constantFrom('2001-01-01T00:00:00Z', '2001-01-01T00:00:00.000001Z'),
};
const row = fc.oneof(
  fc.record({ ...key, ...cells }, { requiredKeys: ['k', 'at'] }),
  fc.record({ ...key, $delete: fc.constant(true) }),
);

test('a site takes the same rows from columns as from lines', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), (rows) => {
      const byLine = new RowBatch();
      for (const one of rows) addJsonRow(table, one, byLine);
      const byColumn = new RowBatch();
      addColumnar(
        table,
        columnarBody(
          rows.map((one) => JSON.stringify(one)),
          types,
        )!,
        byColumn,
      );
      const show = (batch: RowBatch): unknown[] => rows.map((_, i) => rowToJson(table, batch, i));
      expect(show(byColumn)).toEqual(show(byLine));
    }),
  );
});

test('a line that is no row of the columns is left for the site to refuse', () => {
  for (const bad of ['{"k":"a"', '5', '{"k":"a","n":"x"}', '{"k":"a","other":1}']) {
    expect(columnarBody(['{"k":"a"}', bad], types)).toBeNull();
  }
});
