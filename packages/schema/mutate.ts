/** Between a batch of rows and the body of a MUTATE record. */

import { Fault } from '@tidemark/world/fault';
import { decodeColumn, encodeColumn } from './column-codec.ts';
import { physicalOf } from './column-type.ts';
import type { ColumnVector } from './column-vector.ts';
import type { IngestSource, MutateBody } from './envelope.ts';
import { ROW, type RowBatch } from './row-batch.ts';
import type { Table } from './table.ts';

export type MutateHead = {
  readonly table: number;
  readonly schemaVersion: number;
  readonly requestId: string;
  readonly source: IngestSource | null;
};

/** The body that carries rows `rows[from … to)` of a batch: those of one partition, in the order they were written. */
export function encodeMutate(
  head: MutateHead,
  batch: RowBatch,
  rows: Uint32Array,
  from: number,
  to: number,
): MutateBody {
  const columns: { column: number; cells: Uint8Array }[] = [];
  for (const [column, vector] of batch.columns) {
    if (touches(vector, rows, from, to)) columns.push({ column, cells: encodeColumn(vector, rows, from, to) });
  }
  return {
    kind: 'Mutate',
    ...head,
    rowCount: to - from,
    keys: encodeColumn(batch.keys, rows, from, to),
    flags: encodeFlags(batch, rows, from, to),
    stampOffsets: new Uint8Array(0),
    columns,
  };
}

function touches(vector: ColumnVector, rows: Uint32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (vector.presence[rows[i]!] !== 0) return true;
  return false;
}

function encodeFlags(batch: RowBatch, rows: Uint32Array, from: number, to: number): Uint8Array {
  const flags = new Uint8Array(to - from);
  let plain = true;
  for (let i = from; i < to; i++) {
    flags[i - from] = batch.flags[rows[i]!]!;
    if (flags[i - from] !== ROW.upsert) plain = false;
  }
  return plain ? new Uint8Array(0) : flags;
}

/**
 * Fills an emptied batch from a body. Columns the table no longer knows, or has dropped, are left out.
 * @throws {Fault} `corrupt`: lengths do not add up.
 */
export function decodeMutate(body: MutateBody, table: Table, into: RowBatch): void {
  into.clear();
  const { rowCount } = body;
  if (body.flags.length !== 0 && body.flags.length !== rowCount) throw miscounted('flags', body.flags.length, rowCount);
  const { stampOffsets } = body;
  if (stampOffsets.length !== 0 && stampOffsets.length !== rowCount * 4) {
    throw miscounted('stamp offset bytes', stampOffsets.length, rowCount * 4);
  }
  for (let row = 0; row < rowCount; row++) into.addRow(body.flags[row] ?? ROW.upsert);
  const offsets = Buffer.from(stampOffsets.buffer, stampOffsets.byteOffset, stampOffsets.byteLength);
  for (let row = 0; row < offsets.length / 4; row++) into.stampOffsets[row] = offsets.readUInt32LE(row * 4);
  decodeColumn(body.keys, rowCount, into.keys);
  for (const { column, cells } of body.columns) {
    const known = table.columns.find((c) => c.id === column);
    if (known === undefined || known.dropped) continue;
    const vector = into.column(table, column);
    if (vector.kind !== physicalOf(known.type)) throw new Fault('corrupt', `column ${known.name} has another kind`);
    decodeColumn(cells, rowCount, vector);
  }
  into.seal();
}

function miscounted(what: string, got: number, expected: number): Fault {
  return new Fault('corrupt', `MUTATE record: ${got} ${what}, expected ${expected}`, { got, expected });
}
