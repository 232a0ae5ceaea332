/** A load from source to ledger: what `tidemark load` does, for programs that do it themselves. */

import type { Database } from '@tidemark/client';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { SystemRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { sendLines, type Wire } from './batch-body.ts';
import { inKeyOrder, type KeyShape } from './key-order.ts';
import { ackedRows } from './ledger.ts';
import { openLedger } from './ledger-file.ts';
import { type RowSource, type SourceBatch, sourceBatches } from './row-source.ts';
import { type LoadProgress, type LoadReport, sendBatches } from './send-batches.ts';

/** What is loaded where, and how fast. */
export type LoadOptions = {
  readonly db: Database;
  readonly keyspace: string;
  readonly table: string;
  readonly source: RowSource;
  /** Rows a batch; 1,000 unless told. A resumed load keeps the size it began with. */
  readonly batchRows?: number;
  /** Batches on their way at once; 4 unless told. */
  readonly inFlight?: number;
  /** The table's key: of two rows that have one, the later of the source wins. Left out, that is sure with `inFlight` 1 only. */
  readonly key?: KeyShape;
  /** Rows a second at most; 0, the default, for as fast as it goes. */
  readonly rate?: number;
  /** Rows of the source to load in all. */
  readonly limit?: number;
  readonly ledgerPath?: string;
  readonly resume?: boolean;
  /** Batch n goes under `<prefix>-<n>`; made up when left out. A resumed load keeps its own. */
  readonly idempotencyPrefix?: string;
  /** How batches travel; as lines unless told. */
  readonly wire?: Wire;
  readonly ack?: 'local' | 'sync';
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly onProgress?: (progress: LoadProgress) => void;
};

/** What a load says at its end. */
export type LoadResult = LoadReport & {
  /** Rows that an earlier run of this ledger had acked. */
  readonly resumed: number;
  readonly idempotencyPrefix: string;
};

const BATCH_ROWS = 1_000;
const IN_FLIGHT = 4;

/**
 * Loads a source into a table. What a site refuses or does not answer is in the result, not thrown.
 * @throws {Fault} `invalid`: the ledger cannot be written, exists without `resume`, or is of another load
 */
export async function loadRows(options: LoadOptions): Promise<LoadResult> {
  const { db, keyspace, table, source } = options;
  const head = {
    ledger: 1 as const,
    table: `${keyspace}.${table}`,
    source: source.name,
    batchRows: options.batchRows ?? BATCH_ROWS,
    idempotencyPrefix: options.idempotencyPrefix ?? new SystemRandom().id(),
  };
  const opened =
    options.ledgerPath === undefined ? null : await openLedger(options.ledgerPath, head, options.resume ?? false);
  await using writer = opened?.writer ?? null;
  const { batchRows, idempotencyPrefix } = opened?.head ?? head;
  refuseOtherSize(options, batchRows);
  const acked = opened?.before?.entries ?? new Map<number, unknown>();
  const ack = options.ack === undefined ? {} : { ack: options.ack };
  const report = await sendBatches({
    batches: inKeyOrder(
      missingBatches(options, batchRows, acked),
      options.inFlight === 1 ? null : (options.key ?? null),
    ),
    send: (batch) =>
      sendLines(db, { keyspace, table }, batch.lines, options.wire ?? { kind: 'ndjson' }, {
        ...ack,
        idempotencyKey: `${idempotencyPrefix}-${batch.batch}`,
      }),
    ledger: writer,
    inFlight: options.inFlight ?? IN_FLIGHT,
    rate: options.rate ?? 0,
    clock: options.clock ?? new SystemClock(),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
  const before = opened?.before ?? null;
  return { ...report, resumed: before === null ? 0 : ackedRows(before), idempotencyPrefix };
}

/** Batches the ledger does not have. Those before the first one that is missing are not even read. */
async function* missingBatches(
  { source, limit }: LoadOptions,
  batchRows: number,
  acked: ReadonlyMap<number, unknown>,
): AsyncGenerator<SourceBatch> {
  let fromBatch = 0;
  while (acked.has(fromBatch)) fromBatch++;
  const range = { batchRows, fromBatch, ...(limit === undefined ? {} : { rowLimit: limit }) };
  for await (const batch of sourceBatches(source, range)) if (!acked.has(batch.batch)) yield batch;
}

function refuseOtherSize(options: LoadOptions, batchRows: number): void {
  const { batchRows: asked, ledgerPath } = options;
  if (asked === undefined || asked === batchRows) return;
  const message = `the ledger ${ledgerPath} has batches of ${batchRows} rows, asked for ${asked}: leave the size out`;
  throw new Fault('invalid', message, { got: asked, expected: batchRows });
}
