/** From the rows of a request to what goes into the log: checked against the table, cut by partition and by size. */

import { addJsonRow } from '@tidemark/columnar/json-rows';
import type { RowBatch } from '@tidemark/columnar/row-batch';
import { LIMITS } from '@tidemark/model/column-type';
import { partitionOf } from '@tidemark/model/hash';
import type { Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { IngestSource, MutateBody } from '@tidemark/record/envelope';
import { encodeMutate } from '@tidemark/record/mutate';
import { requestOf } from '../appending/request.ts';
import type { Writer } from '../writer.ts';
import type { Growth } from './growth.ts';
import type { Asked, Slice } from './slice.ts';

/** Adds one JSON row; the columns that come into being by it are there once the batch is written. @throws {Fault} `invalid` */
export function addRow(growth: Growth, tableName: string, row: unknown, into: RowBatch): void {
  growth.take(() => addJsonRow(growth.table(tableName), row, into));
}

type SliceHead = {
  readonly table: Table;
  readonly schemaVersion: number;
  /** Idempotency key and batch number, or empty. */
  readonly requestId: string;
  /** What the request does and how it is cut into batches, where there is a key. */
  readonly asked?: Asked;
};
const ONE_BATCH: Asked = { verb: 'POST', batchRows: 0 };

/** Cuts a batch into MUTATEs of one partition and at most one record's size each, in partition order. */
export function slicesOf(
  head: SliceHead,
  batch: RowBatch,
  partitions: number,
  sourceOf: (rows: Uint32Array, to: number) => IngestSource | null = () => null,
): Slice[] {
  batch.seal();
  const { order, ends } = rowsByPartition(batch, partitions);
  const slices: Slice[] = [];
  for (let partition = 0, from = 0; partition < partitions; from = ends[partition++]!) {
    let part = 0;
    const cut = (start: number, end: number): void => {
      if (start === end) return;
      const requestId = head.requestId === '' ? '' : `${head.requestId}.${part++}`;
      const source = sourceOf(order.subarray(from, ends[partition]!), end - from);
      const mutate = { table: head.table.id, schemaVersion: head.schemaVersion, requestId, source };
      const body = encodeMutate(mutate, batch, order, start, end);
      const bytes = bytesOf(body);
      if (bytes <= LIMITS.recordBytesMax || end - start === 1) {
        slices.push({ partition, body, bytes });
        return;
      }
      part--;
      const middle = start + Math.floor((end - start) / 2);
      cut(start, middle);
      cut(middle, end);
    };
    cut(from, ends[partition]!);
  }
  if (head.requestId === '') return slices;
  const request = requestOf(head.asked ?? ONE_BATCH, slices);
  return slices.map((slice) => ({ ...slice, body: { ...slice.body, request } }));
}

/** Row numbers grouped by partition, each group in the order the rows were written. */
function rowsByPartition(batch: RowBatch, partitions: number): { order: Uint32Array; ends: Uint32Array } {
  const { rowCount, keys, partitionKeyLengths } = batch;
  const placed = new Uint16Array(rowCount);
  const ends = new Uint32Array(partitions);
  for (let row = 0; row < rowCount; row++) {
    placed[row] = partitionOf(keys.arena, partitions, keys.starts[row]!, partitionKeyLengths[row]!);
    ends[placed[row]!]!++;
  }
  const next = new Uint32Array(partitions);
  for (let partition = 1; partition < partitions; partition++) {
    next[partition] = ends[partition - 1]!;
    ends[partition]! += ends[partition - 1]!;
  }
  const order = new Uint32Array(rowCount);
  for (let row = 0; row < rowCount; row++) order[next[placed[row]!]!++] = row;
  return { order, ends };
}

function bytesOf(body: MutateBody): number {
  const cells = body.columns.reduce((sum, column) => sum + column.cells.length + 8, 0);
  return 240 + body.requestId.length + body.keys.length + body.flags.length + body.stampOffsets.length + cells;
}

/** @throws {Fault} `unavailable`: too much waits already; nothing of the request is stored. */
export function checkRoom(writer: Writer, pending: SharedMemory): void {
  const { bytes: got, bytesMax } = pending;
  if (got <= bytesMax) return;
  const { name } = writer.keyspace;
  throw new Fault('unavailable', `keyspace ${name}: ${got} bytes wait to be written here, at most ${bytesMax}`, {
    got,
    expected: bytesMax,
    retryAfterMs: 1_000,
  });
}
