/** Our side of the store's measures: batches as records carry them, partitions filled from them, scans of those. */

import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import { planQuery, type Query } from '@tidemark/model/query';
import type { Table } from '@tidemark/model/table';
import { NodeDisk } from '@tidemark/platform/node-disk';
import type { MutateBody } from '@tidemark/record/envelope';
import { decodeMutate, encodeMutate } from '@tidemark/record/mutate';
import { Partition, type StoreOptions } from '@tidemark/store/partition';
import { Scan } from '@tidemark/store/query/scan';
import { columnNamed, type Dataset } from './dataset.ts';
import { TABLE } from './flights.ts';
import { updatedNumber, type Write } from './writes.ts';

/** Rows of a record. */
const RECORD_ROWS = 16_384;
const ORIGIN = 'paris';
const PATH = 'bench/rows/0';
const FIRST_MS = 1_000_000_000_000;

/** Which cells a write has; an update of one column leaves the others alone. */
export type Cells = 'all' | 'updated';

/** Writes 0 … count − 1 as the bodies of MUTATE records of so many rows each. */
export function* bodiesOf(
  data: Dataset,
  count: number,
  writeOf: (at: number) => Write,
  cells: Cells = 'all',
  recordRows = RECORD_ROWS,
): Generator<MutateBody> {
  const batch = new RowBatch();
  const rows = Uint32Array.from({ length: recordRows }, (_, i) => i);
  for (let from = 0; from < count; from += recordRows) {
    batch.clear();
    const to = Math.min(from + recordRows, count);
    for (let at = from; at < to; at++) addWrite(batch, data, writeOf(at), cells);
    batch.seal();
    yield encodeMutate({ table: 1, schemaVersion: 1, requestId: '', source: null }, batch, rows, 0, to - from);
  }
}

function addWrite(batch: RowBatch, data: Dataset, { row, update }: Write, cells: Cells): void {
  const { table, roles } = data;
  const at = batch.addRow(ROW.upsert);
  batch.keys.setBytes(at, data.keyOf(row));
  if (cells === 'all') data.putCells(batch, at, row);
  if (update === null) return;
  batch.column(table, columnNamed(table, roles.updated).id).setNumber(at, updatedNumber(update));
}

/** A partition in a folder, and the number of the next record. */
export class OurTable {
  readonly partition: Partition;
  readonly #table: Table;
  readonly #batch = new RowBatch();
  #seq = 0;

  static async open(folder: string, options: StoreOptions = {}, table = TABLE): Promise<OurTable> {
    const partition = await Partition.open(new NodeDisk(folder), PATH, options);
    partition.setTable(table);
    return new OurTable(partition, table);
  }

  private constructor(partition: Partition, table: Table) {
    this.partition = partition;
    this.#table = table;
  }

  /** Decodes and applies records, with the flushes that become due; nothing else is done between them. */
  async apply(bodies: Iterable<MutateBody>): Promise<void> {
    for (const body of bodies) {
      this.applyOne(body);
      if (this.partition.needsFlush) await this.partition.flush();
    }
  }

  applyOne(body: MutateBody): void {
    decodeMutate(body, this.#table, this.#batch);
    const seq = this.#seq++;
    const stamp = { ms: FIRST_MS + seq, counter: 0, site: 1, writer: 1 };
    this.partition.apply(this.#batch, stamp, ORIGIN, { epoch: 1, seq });
  }

  /** The one row of a scan that has one, values with commas between. */
  async answer(query: Query): Promise<string> {
    const rows = await this.rows(query);
    return rows.map((row) => Object.values(row).map(text).join(',')).join('\n');
  }

  async rows(query: Query): Promise<Record<string, Value | null>[]> {
    const scan = new Scan([this.partition], planQuery(this.#table, query));
    const all: Record<string, Value | null>[] = [];
    for await (const block of scan.rows()) all.push(...block);
    return all;
  }

  async close(): Promise<void> {
    await this.partition.close();
  }
}

/** A value as it is compared: means rounded to what both sides have of them. */
export function text(value: unknown): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(6) : String(value);
}
