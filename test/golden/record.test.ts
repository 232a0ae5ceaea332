import { readFileSync } from 'node:fs';
import { addJsonRow, rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Table } from '@tidemark/model/table';
import { accept, emptyLogHead } from '@tidemark/record/admit';
import { type EpochStartBody, NOTHING_BEFORE, type Unsealed } from '@tidemark/record/envelope';
import { decodeMutate, encodeMutate } from '@tidemark/record/mutate';
import { epochSeed, openRecord, sealRecord } from '@tidemark/record/seal';
import { describe, expect, it } from 'vitest';

/** One line a record, hex: the EPOCH_START and the MUTATE below as version 2 writes them, for ever. */
const FROZEN = readFileSync(new URL('data/records-v2.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n');

const TABLE: Table = {
  id: 1,
  name: 'flights',
  columns: [
    { id: 1, name: 'origin', type: { name: 'string' }, dropped: false },
    { id: 2, name: 'line', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'delay', type: { name: 'int' }, dropped: false },
  ],
  key: [1, 2],
  dynamicColumnsMax: 0,
  dynamicColumns: 0,
};
const ROWS = [
  { origin: 'SAN', line: 1, delay: 25 },
  { origin: 'LAX', line: -2, delay: null },
  { $delete: true, origin: 'SAN', line: 3 },
];
const NAME = { cluster: 'c1', keyspace: 'travel', origin: 'paris', partition: 5 };

function unsealed(seq: number, body: Unsealed['body']): Unsealed {
  return { ...NAME, epoch: 1, seq, stampMs: 1_700_000_000_000, stampCounter: 7, writer: 1, committed: seq - 1, body };
}

function records(): Buffer[] {
  const start: EpochStartBody = { kind: 'EpochStart', writerId: 'w1', ...NOTHING_BEFORE };
  const batch = new RowBatch();
  for (const row of ROWS) addJsonRow(TABLE, row, batch);
  batch.seal();
  const request = { verb: 'POST', batchRows: 0, rows: 3, hash: Buffer.from('00112233445566778899aabbccddeeff', 'hex') };
  const head = { table: 1, schemaVersion: 1, requestId: 'key-1/0.0', request, source: null };
  const mutate = encodeMutate(head, batch, Uint32Array.from([0, 1, 2]), 0, 3);
  const first = sealRecord(unsealed(0, start), epochSeed({ ...unsealed(0, start), body: start }));
  return [first.bytes, sealRecord(unsealed(1, mutate), first.chain).bytes];
}

describe('golden records', () => {
  it('are written today as they were frozen', () => {
    expect(records().map((bytes) => bytes.toString('hex'))).toEqual(FROZEN);
  });

  it('are accepted, and read as the rows they were made of', () => {
    let logHead = emptyLogHead(NAME);
    for (const hex of FROZEN) {
      const verdict = accept(logHead, Buffer.from(hex, 'hex'));
      expect(verdict.kind).toBe('ACCEPT');
      logHead = verdict.logHead;
    }
    const { body } = openRecord(Buffer.from(FROZEN[1]!, 'hex')).envelope;
    if (body.kind !== 'Mutate') throw new Error(body.kind);
    const batch = new RowBatch();
    decodeMutate(body, TABLE, batch);
    expect(ROWS.map((_, row) => rowToJson(TABLE, batch, row))).toEqual(ROWS);
  });
});
