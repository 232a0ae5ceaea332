import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import { planQuery } from '@tidemark/model/query';
import type { Table } from '@tidemark/model/table';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { Scan } from '../query/scan.ts';
import { BufferPool } from './buffer-pool.ts';

/** Enough for a memtable to ask for room at once, and for two blocks of it. */
const ROWS = 150_000;
const ROUNDS = 4;
const TABLE: Table = {
  id: 1,
  name: 'many',
  key: [1],
  dynamicColumnsMax: 0,
  dynamicColumns: 0,
  columns: [
    { id: 1, name: 'id', type: { name: 'int' }, dropped: false },
    { id: 2, name: 'number', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'text', type: { name: 'string' }, dropped: false },
  ],
};

/** Rows `round * ROWS …`, those before it left alone, in one record. */
function fill(partition: Partition, round: number): void {
  const batch = new RowBatch();
  const key = Buffer.alloc(4);
  for (let i = 0; i < ROWS; i++) {
    const at = batch.addRow(ROW.upsert);
    key.writeUInt32BE((0x8000_0000 + round * ROWS + i) >>> 0);
    batch.keys.setBytes(at, key);
    batch.column(TABLE, 2).setNumber(at, round * ROWS + i);
    batch.column(TABLE, 3).setString(at, `${round}:${i}`);
  }
  batch.seal();
  partition.apply(batch, { ms: 1_000 + round, counter: 0, site: 1, writer: 1 }, 'paris', { epoch: 1, seq: round });
}

function beginScan(partition: Partition): AsyncGenerator<Record<string, Value | null>[]> {
  return new Scan([partition], planQuery(TABLE, { select: ['id', 'number', 'text'] })).rows();
}

/** That these are all rows of rounds 0 … rounds − 1. */
function expectRows(rows: readonly Record<string, Value | null>[], rounds: number): void {
  expect(rows).toHaveLength(rounds * ROWS);
  for (const { id, number, text } of rows) {
    const [round, i] = [Math.floor(Number(id) / ROWS), Number(id) % ROWS];
    if (number !== id || text !== `${round}:${i}`) throw new Error(`row ${id}: ${number}, ${text}`);
  }
}

describe('memory of flushed memtables', () => {
  it('is that of the next, and never of one that a scan still reads', async () => {
    const partition = await Partition.open(new SimDisk(), 'travel/many/0', { compaction: false });
    partition.setTable(TABLE);
    for (let round = 0; round < ROUNDS; round++) {
      fill(partition, round);
      // In every other round a scan begins before the flush, and is read on when the next memtable is full.
      const scan = round % 2 === 1 ? beginScan(partition) : null;
      const rows = (await scan?.next())?.value ?? [];
      await partition.flush();
      if (scan === null) continue;
      fill(partition, round + 1);
      for await (const block of scan) rows.push(...block);
      expectRows(rows, round + 1);
      const all: Record<string, Value | null>[] = [];
      for await (const block of beginScan(partition)) all.push(...block);
      expectRows(all, round + 2);
    }
    await partition.close();
  });

  it('is given once, is large enough and not much too large, and holds zeros where they are asked for', () => {
    const room = new BufferPool();
    const buffer = new Uint8Array(4 << 20).fill(7).buffer;
    room.give([buffer, new ArrayBuffer(100)]);
    expect(room.take(5 << 20, false)).not.toBe(buffer);
    expect(room.take(1 << 20, false)).not.toBe(buffer);
    const taken = room.take(3 << 20, true);
    expect(taken).toBe(buffer);
    expect(new Uint8Array(taken, 0, 3 << 20).every((byte) => byte === 0)).toBe(true);
    expect(room.take(3 << 20, false)).not.toBe(buffer);
  });

  it('is kept up to a bound', () => {
    const room = new BufferPool();
    const buffers = Array.from({ length: 12 }, () => new ArrayBuffer(10 << 20));
    room.give(buffers);
    const taken = new Set(buffers.map(() => room.take(10 << 20, false)));
    expect(buffers.filter((buffer) => taken.has(buffer))).toHaveLength(8);
  });
});
