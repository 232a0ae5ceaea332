/** The rows of a divergent suffix, as they are written to its file: as the write API takes them, with where they stood. */

import { type JsonRow, rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { formatStamp, type Stamp, tickAfter } from '@tidemark/model/stamp';
import { type Keyspace, type Table, tableById } from '@tidemark/model/table';
import type { Envelope } from '@tidemark/record/envelope';
import { decode, stampOf } from '../keyspace/stores.ts';

/** One row of one record. */
export type SuffixRow = {
  readonly epoch: number;
  readonly partition: number;
  readonly seq: number;
  /** Its number within the record. */
  readonly row: number;
  readonly table: Table;
  readonly key: Buffer;
  readonly stamp: Stamp;
  readonly requestId: string;
  readonly values: JsonRow;
};

/** Takes a tail's records in order: a SCHEMA among them says how the rows behind it are to be read. */
export class SuffixRows {
  readonly #keyspace: Keyspace;
  /** By epoch: the newest keyspace its own tail tells. */
  readonly #own = new Map<number, Keyspace>();
  readonly #batch = new RowBatch();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Null where the record is of a table that is not known. @throws {Fault} `invalid`: rows that cannot be read. */
  rowsOf(envelope: Envelope): SuffixRow[] | null {
    const { body, epoch, partition, seq } = envelope;
    if (body.kind === 'Schema') this.#own.set(epoch, JSON.parse(body.keyspace) as Keyspace);
    if (body.kind !== 'Mutate') return [];
    const own = this.#own.get(epoch);
    const schema = own !== undefined && body.schemaVersion >= own.version ? own : this.#keyspace;
    const table = tableById(schema, body.table) ?? tableById(this.#keyspace, body.table);
    if (table === undefined) return null;
    decode(envelope, body, table, this.#batch);
    const first = stampOf(this.#keyspace, envelope);
    return Array.from({ length: this.#batch.rowCount }, (_, row): SuffixRow => {
      const tick = tickAfter(first.ms, first.counter, this.#batch.stampOffsets[row]!);
      return {
        ...{ epoch, partition, seq, row, table, requestId: body.requestId },
        key: Buffer.from(this.#batch.keys.bytesAt(row)),
        stamp: { ...first, ...tick },
        values: rowToJson(table, this.#batch, row),
      };
    });
  }
}

/** A line of the tail's file. */
export function lineOf({ epoch, partition, seq, row, table, requestId, stamp, values }: SuffixRow): string {
  const place = { epoch, partition, seq, row };
  return `${JSON.stringify({ ...place, table: table.name, stamp: formatStamp(stamp), requestId, values })}\n`;
}
