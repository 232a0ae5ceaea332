/** There is no −0 in cells: JSON has none in many hands, so one table would be two, told by two programs. */

import { addColumnar } from '@tidemark/columnar/columnar';
import { encodeColumnarRows } from '@tidemark/columnar/columnar-write';
import { addJsonRow } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { expect, it } from 'vitest';
import { evolve } from '../evolve.ts';
import { parseKeyspaceFile } from '../keyspace-file.ts';

const file = {
  keyspace: 'ks',
  primary: 'paris',
  ack: 'local',
  sites: { paris: 'data' },
  tables: { t: { columns: { k: 'int', x: 'double' }, partitionKey: 'k' } },
};
const table = evolve(null, parseKeyspaceFile(file)).keyspace.tables[0]!;

it('−0 is taken as 0, from JSON and by column', () => {
  const batch = new RowBatch();
  addJsonRow(table, JSON.parse('{"k":1,"x":-0.0}'), batch);
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  addColumnar(table, encodeColumnarRows(types, [{ k: 2, x: -0 }]), batch);
  const { f64 } = batch.columns.get(table.columns[1]!.id)!;
  expect([Object.is(f64[0], 0), Object.is(f64[1], 0)]).toEqual([true, true]);
});
