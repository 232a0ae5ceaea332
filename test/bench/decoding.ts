/** How fast records become rows: ours into a reused batch, checks and all, against avsc with one row a record. */

import { addColumnar } from '@tidemark/columnar/columnar';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { type Keyspace, type Table, tableNamed } from '@tidemark/model/table';
import { accept, emptyLogHead, type LogHead } from '@tidemark/record/admit';
import type { EpochStartBody } from '@tidemark/record/envelope';
import { NOTHING_BEFORE, type Unsealed } from '@tidemark/record/envelope';
import { decodeMutate } from '@tidemark/record/mutate';
import { decodeMutateRecord } from '@tidemark/record/mutate-wire';
import { epochSeed, sealRecord } from '@tidemark/record/seal';
import { slicesOf } from '@tidemark/writer/ingress/slicing';
import avro from 'avsc';
import { columnarBodies, FLIGHT_AVRO, type Flight } from './flight-rows.ts';
import { contest, coreRateOf, type Figures } from './measure.ts';

const NAME = { cluster: 'bench', keyspace: 'travel', origin: 'paris' } as const;

/** One partition's records in order, and what was accepted before the first. */
type Stream = { readonly before: LogHead; readonly records: readonly Buffer[] };

/**
 * @param batchRows rows of a request; a record holds its share of them
 * @returns rows per second of one core: with everything a reader checks, and with nothing but the decoding, as avsc has it
 */
export async function measureDecoding(
  rows: readonly Flight[],
  keyspace: Keyspace,
  batchRows: number,
  runs: number,
): Promise<{ readonly checked: Figures; readonly alone: Figures }> {
  const table = tableNamed(keyspace, 'flights');
  const streams = recordStreams(rows, keyspace, table, batchRows);
  const into = new RowBatch();
  const ofOurs = (decode: (stream: Stream) => number) => async (): Promise<number> =>
    coreRateOf(rows.length, () => {
      const count = streams.reduce((sum, stream) => sum + decode(stream), 0);
      if (count !== rows.length) throw new Error(`decoded ${count} rows, expected ${rows.length}`);
    });
  const figures = await contest(runs, {
    ours: ofOurs((stream) => decodeChecked(stream, table, into)),
    'avsc, RowMutation a row': decodingOf(ROW_MUTATION, rows.map(rowMutationOf)),
    'avsc, leanest record a row': decodingOf(FLIGHT_AVRO, rows),
    [ALONE]: ofOurs((stream) => decodeUnchecked(stream, table, into)),
  });
  const peers = [...figures].filter(([name]) => name.startsWith('avsc'));
  return {
    checked: new Map([['ours', figures.get('ours')!], ...peers]),
    alone: new Map([[ALONE, figures.get(ALONE)!], ...peers]),
  };
}

const ALONE = 'ours, checking nothing';

function decodingOf(type: avro.Type, values: readonly unknown[]): () => Promise<number> {
  const encoded = values.map((value) => type.toBuffer(value));
  return async () =>
    coreRateOf(encoded.length, () => {
      for (const bytes of encoded) if (type.fromBuffer(bytes) === null) throw new Error('avsc gave nothing');
    });
}

const ROW_MUTATION = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

/** A row in the plain form of the ingest topic, which, like ours, can be of any table. */
function rowMutationOf({ origin, date, destination, line, delay, distance }: Flight): object {
  return {
    table: 'flights',
    op: 'UPSERT',
    key: {
      origin: { string: origin },
      date: { long: date },
      destination: { string: destination },
      line: { long: line },
    },
    cells: { delay: { long: delay }, distance: { long: distance } },
    requestId: null,
  };
}

function decodeChecked({ before, records }: Stream, table: Table, into: RowBatch): number {
  let logHead = before;
  let count = 0;
  for (const record of records) {
    const verdict = accept(logHead, record);
    if (verdict.kind !== 'ACCEPT') throw new Error(`verdict ${verdict.kind}, expected ACCEPT`);
    logHead = verdict.logHead;
    const { body } = verdict.envelope;
    if (body.kind !== 'Mutate') continue;
    decodeMutate(body, table, into);
    count += into.rowCount;
  }
  return count;
}

const HEADER_BYTES = 10;
const TAIL_BYTES = 20;

function decodeUnchecked({ records }: Stream, table: Table, into: RowBatch): number {
  let count = 0;
  for (const record of records) {
    const mutate = decodeMutateRecord(record, HEADER_BYTES, record.length - TAIL_BYTES);
    if (mutate === null) continue;
    decodeMutate(mutate.body, table, into);
    count += into.rowCount;
  }
  return count;
}

/** What a writer would have put into each partition of its log. */
function recordStreams(rows: readonly Flight[], keyspace: Keyspace, table: Table, batchRows: number): Stream[] {
  const streams = Array.from({ length: keyspace.partitions }, (_, partition) => new StreamWriter(partition));
  const batch = new RowBatch();
  for (const body of columnarBodies(rows, batchRows)) {
    batch.clear();
    addColumnar(table, body, batch);
    const head = { table, schemaVersion: keyspace.version, requestId: '' };
    for (const slice of slicesOf(head, batch, keyspace.partitions)) streams[slice.partition]!.add(slice.body);
  }
  return streams;
}

class StreamWriter implements Stream {
  readonly records: Buffer[] = [];
  readonly before: LogHead;
  #chain = '';

  constructor(partition: number) {
    this.before = emptyLogHead({ ...NAME, partition });
    this.add({ kind: 'EpochStart', writerId: 'bench', ...NOTHING_BEFORE });
  }

  add(body: Unsealed['body']): void {
    const record: Unsealed = {
      ...NAME,
      ...{ epoch: 1, partition: this.before.partition, seq: this.records.length },
      ...{ stampMs: 1_000_000_000_000, stampCounter: 0, writer: 1, committed: -1 },
      body,
    };
    const first = body.kind === 'EpochStart';
    const previous = first ? epochSeed(record as Unsealed & { body: EpochStartBody }) : this.#chain;
    const { bytes, chain } = sealRecord(record, previous);
    this.records.push(bytes);
    this.#chain = chain;
  }
}
