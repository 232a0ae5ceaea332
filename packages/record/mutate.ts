/** Between a batch of rows and the body of a MUTATE record. */

import { decodeColumn, encodeColumn } from '@tidemark/columnar/column-codec';
import { CELL, type ColumnVector } from '@tidemark/columnar/column-vector';
import { ROW, type RowBatch } from '@tidemark/columnar/row-batch';
import { LIMITS, physicalOf } from '@tidemark/model/column-type';
import { cellKinds, columnsById, type Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { IngestSource, MutateBody, RequestBody } from './envelope.ts';
import { decodeFewCells, FEW_CELLS, fewOf } from './few-cells.ts';

type MutateHead = {
  readonly table: number;
  readonly schemaVersion: number;
  readonly requestId: string;
  readonly request?: RequestBody | null;
  readonly source: IngestSource | null;
};

const EMPTY = Buffer.alloc(0);

/** The body that carries rows `rows[from … to)` of a batch: those of one partition, in the order they were written. */
export function encodeMutate(
  head: MutateHead,
  batch: RowBatch,
  rows: Uint32Array,
  from: number,
  to: number,
): MutateBody {
  const columns: { column: number; cells: Uint8Array }[] = [];
  const { cells, alone } = fewOf(batch, rows, from, to);
  for (const { id, vector } of [...batch.rare.others, ...alone]) {
    if (touches(vector, rows, from, to)) columns.push({ column: id, cells: encodeColumn(vector, rows, from, to) });
  }
  if (cells !== null) columns.push({ column: FEW_CELLS, cells });
  return {
    kind: 'Mutate',
    request: null,
    ...head,
    rowCount: to - from,
    keys: encodeColumn(batch.keys, rows, from, to),
    flags: encodeFlags(batch, rows, from, to),
    stampOffsets: EMPTY,
    columns,
  };
}

function touches({ presence }: ColumnVector, rows: Uint32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (presence[rows[i]!] !== CELL.absent) return true;
  return false;
}

function encodeFlags({ flags }: RowBatch, rows: Uint32Array, from: number, to: number): Buffer {
  let at = from;
  while (at < to && flags[rows[at]!] === ROW.upsert) at++;
  if (at === to) return EMPTY;
  const picked = Buffer.allocUnsafe(to - from);
  for (let i = from; i < to; i++) picked[i - from] = flags[rows[i]!]!;
  return picked;
}

/**
 * Fills an emptied batch from a body. Columns the table no longer knows, or has dropped, are left out.
 * @throws {Fault} `corrupt`: lengths do not add up.
 */
export function decodeMutate(body: MutateBody, table: Table, into: RowBatch): void {
  into.clear();
  const { rowCount } = body;
  if (rowCount < 0 || rowCount > LIMITS.batchRowsMax) throw miscounted('rows', rowCount, `0 to ${LIMITS.batchRowsMax}`);
  if (body.flags.length !== 0 && body.flags.length !== rowCount) throw miscounted('flags', body.flags.length, rowCount);
  const { stampOffsets } = body;
  if (stampOffsets.length !== 0 && stampOffsets.length !== rowCount * 4) {
    throw miscounted('stamp offset bytes', stampOffsets.length, rowCount * 4);
  }
  into.addRows(rowCount, ROW.upsert);
  into.flags.set(body.flags);
  new Uint8Array(into.stampOffsets.buffer).set(stampOffsets);
  decodeColumn(body.keys, rowCount, into.keys);
  for (const { column, cells } of body.columns) {
    if (column === FEW_CELLS) {
      decodeFewCells(cells, rowCount, into.beginFew(cellKinds(table)));
      continue;
    }
    const known = columnsById(table).get(column);
    if (known === undefined || known.dropped) continue;
    const vector = into.column(table, column);
    if (vector.kind !== physicalOf(known.type)) throw new Fault('corrupt', `column ${known.name} has another kind`);
    decodeColumn(cells, rowCount, vector);
  }
  into.seal();
}

function miscounted(what: string, got: number, expected: number | string): Fault {
  return new Fault('corrupt', `MUTATE record: ${got} ${what}, expected ${expected}`, { got, expected });
}
