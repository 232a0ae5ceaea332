/** How fast records become rows: ours into a reused batch, checks and all, against avsc with one row a record. */

import { accept, emptyPrefix, type Prefix } from '@tidemark/schema/accept';
import { addColumnar } from '@tidemark/schema/columnar';
import type { EpochStartBody } from '@tidemark/schema/envelope';
import { epochSeed, sealRecord, type Unsealed } from '@tidemark/schema/envelope';
import { decodeMutate } from '@tidemark/schema/mutate';
import { RowBatch } from '@tidemark/schema/row-batch';
import { type Keyspace, type Table, tableNamed } from '@tidemark/schema/table';
import { slicesOf } from '@tidemark/writer/accept';
import { columnarBodies, FLIGHT_AVRO, type Flight } from './flight-rows.ts';
import { coreRateOf, type Duel, duel } from './measure.ts';

const NAME = { cluster: 'bench', keyspace: 'travel', origin: 'paris' } as const;

/** One partition's records in order, and what was accepted before the first. */
type Stream = { readonly before: Prefix; readonly records: readonly Buffer[] };

/** @param batchRows rows of a request; a record holds its share of them */
export async function measureDecoding(
  rows: readonly Flight[],
  keyspace: Keyspace,
  batchRows: number,
  runs: number,
): Promise<Duel> {
  const table = tableNamed(keyspace, 'flights');
  const streams = recordStreams(rows, keyspace, table, batchRows);
  const encoded = rows.map((row) => FLIGHT_AVRO.toBuffer(row));
  const into = new RowBatch();
  let sum = 0;
  const ours = (): void => {
    let count = 0;
    for (const stream of streams) count += decodeStream(stream, table, into);
    if (count !== rows.length) throw new Error(`decoded ${count} rows, expected ${rows.length}`);
  };
  const peer = (): void => {
    for (const bytes of encoded) sum += (FLIGHT_AVRO.fromBuffer(bytes) as Flight).delay;
  };
  const result = await duel(
    runs,
    async () => coreRateOf(rows.length, ours),
    async () => coreRateOf(rows.length, peer),
  );
  if (Number.isNaN(sum)) throw new Error('avsc gave no numbers');
  return result;
}

function decodeStream({ before, records }: Stream, table: Table, into: RowBatch): number {
  let prefix = before;
  let count = 0;
  for (const record of records) {
    const verdict = accept(prefix, record);
    if (verdict.kind !== 'ACCEPT') throw new Error(`verdict ${verdict.kind}, expected ACCEPT`);
    prefix = verdict.prefix;
    const { body } = verdict.envelope;
    if (body.kind !== 'Mutate') continue;
    decodeMutate(body, table, into);
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
  readonly before: Prefix;
  #chain = '';

  constructor(partition: number) {
    this.before = emptyPrefix({ ...NAME, partition });
    this.add({
      kind: 'EpochStart',
      writerId: 'bench',
      previousOrigin: '',
      previousEpoch: 0,
      cutSeq: -1,
      cutChain: Buffer.alloc(16),
    });
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
