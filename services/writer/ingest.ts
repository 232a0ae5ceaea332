/**
 * The ingest topic: rows as plain Avro from any producer, each written once however often this process dies. A partition
 * is taken in steps; a step is in the log everywhere before the next begins (see `ingest-sources.ts`).
 */

import type { LogRecord } from '@tidemark/log/log';
import type { IngestSource } from '@tidemark/schema/envelope';
import { partitionOf } from '@tidemark/schema/hash';
import { type Ingested, IngestReader } from '@tidemark/schema/ingest';
import { NewColumns } from '@tidemark/schema/row-writer';
import { topicNames } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import { isFault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import { slicesOf } from './accept.ts';
import { Rejected } from './rejected.ts';
import type { Writer } from './writer.ts';

const STEP_RECORDS_MAX = 5_000;
const STEP_BYTES_MAX = 512 * 1024;
const RETRY_MS = 500;
const ROOM_POLL_MS = 5;

export type IngestParts = {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pendingBytesMax: number;
  readonly onFatal: (error: unknown) => void;
};

export class Ingest implements AsyncDisposable {
  readonly counts = { rows: 0, rejected: 0 };
  readonly #parts: IngestParts;
  readonly #stop = new AbortController();
  readonly #aborted: Promise<void>;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: IngestParts) {
    this.#parts = parts;
    this.#aborted = aborted(AbortSignal.any([this.#stop.signal, parts.writer.signal]));
  }

  /** Begins to follow every partition of the topic, in the background. */
  start(): void {
    this.#running = this.#followAll().catch((error) => {
      if (!this.#signal.aborted) this.#parts.onFatal(error);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  get #signal(): AbortSignal {
    return this.#stop.signal;
  }

  async #followAll(): Promise<void> {
    const { writer, clock } = this.#parts;
    const topic = topicNames.ingest(writer.keyspace.name);
    let partitions: number | null = null;
    while (partitions === null) {
      if (this.#signal.aborted) return;
      partitions = await writer.log.partitionCount(topic).catch(() => null);
      if (partitions === null) await clock.sleep(RETRY_MS, this.#signal);
    }
    await Promise.all(Array.from({ length: partitions }, (_, partition) => this.#follow(topic, partition)));
  }

  /** Follows one partition; whatever interrupts it, it goes on from what the log says. */
  async #follow(topic: string, partition: number): Promise<void> {
    const { writer, clock, logger } = this.#parts;
    const rejected = new Rejected({
      log: writer.log,
      keyspace: writer.keyspace.name,
      partition,
      clock,
      signal: this.#signal,
    });
    // One for all steps: it goes on knowing the schemas that producers had before a table changed.
    const reader = new IngestReader(writer.keyspace);
    for (let told = false; !this.#signal.aborted; told = true) {
      try {
        await rejected.open();
        const { start } = await writer.log.bounds(topic, partition);
        const wanted = writer.sources.resumeAt(partition);
        if (wanted < start) logger.error({ topic, partition, wanted, start }, 'ingest records were trimmed unread');
        const from = Math.max(wanted, start);
        for await (const batch of writer.log.read({ topic, partition, from, signal: this.#signal })) {
          for (const step of stepsOf(batch.records)) await this.#step(partition, step, reader, rejected);
        }
      } catch (error) {
        if (!isFault(error) || error.kind === 'fenced') throw error;
        if (!told || error.kind === 'corrupt')
          logger.warn({ topic, partition, error: error.message }, 'ingest interrupted');
        await clock.sleep(RETRY_MS, this.#signal);
      }
    }
  }

  /** Writes the rows of some source records that are not in the log yet, and waits until they are. */
  async #step(
    ingestPartition: number,
    records: readonly LogRecord[],
    reader: IngestReader,
    rejected: Rejected,
  ): Promise<void> {
    const { writer, clock, pendingBytesMax } = this.#parts;
    while ((writer.pendingBytes > pendingBytesMax || writer.isHandingOver) && !this.#signal.aborted)
      await clock.sleep(ROOM_POLL_MS, this.#signal);
    for (const batch of reader.batches.values()) batch.clear();
    reader.learn(writer.keyspace);
    /** Table id → source offset of each of its rows. */
    const offsets = new Map<number, number[]>();
    for (const record of records) {
      try {
        const { table, batch, row } = this.#add(reader, record.value);
        const key = batch.keys.bytesAt(row).subarray(0, batch.partitionKeyLengths[row]);
        const partition = partitionOf(key, writer.keyspace.partitions);
        const known = offsets.get(table.id) ?? [];
        offsets.set(table.id, known);
        if (record.offset <= writer.sources.stored(ingestPartition, partition, table.id)) batch.dropLastRow();
        else known.push(record.offset);
      } catch (error) {
        if (!isFault(error, 'invalid')) throw error;
        if (rejected.add(record, error)) this.counts.rejected++;
      }
    }
    await rejected.flush();
    const span = { partition: ingestPartition, first: records[0]!.offset, last: records.at(-1)!.offset };
    const stored = [...offsets].flatMap(([table, rowOffsets]) => this.#write(reader, table, rowOffsets, span));
    await Promise.race([Promise.all(stored), this.#aborted]);
    for (const rowOffsets of offsets.values()) this.counts.rows += rowOffsets.length;
  }

  #add(reader: IngestReader, value: Uint8Array): Ingested {
    try {
      return reader.add(value);
    } catch (error) {
      if (!(error instanceof NewColumns)) throw error;
      this.#parts.writer.addColumns(error.table, new Map(error.columns.map(({ name, type }) => [name, type])));
      reader.learn(this.#parts.writer.keyspace);
      return reader.add(value);
    }
  }

  /** One promise for each record that goes to the log, resolved when it is stored. */
  #write(reader: IngestReader, tableId: number, rowOffsets: readonly number[], span: IngestSource): Promise<void>[] {
    const { writer } = this.#parts;
    const batch = reader.batches.get(tableId);
    const table = writer.keyspace.tables.find(({ id }) => id === tableId);
    if (batch === undefined || table === undefined || batch.rowCount === 0) return [];
    const head = { table, schemaVersion: writer.keyspace.version, requestId: '' };
    // The last part of a partition's rows stands for all offsets of the step; an earlier part only for its own.
    const sourceOf = (rows: Uint32Array, to: number): IngestSource =>
      to === rows.length ? span : { ...span, last: rowOffsets[rows[to - 1]!]! };
    return slicesOf(head, batch, writer.keyspace.partitions, sourceOf).map(
      ({ partition, body, bytes }) =>
        new Promise((resolve) => {
          writer.write(partition, body, bytes, () => {
            writer.sources.took(partition, tableId, body.source!);
            resolve();
          });
        }),
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Cuts records into steps of a bounded size. */
function* stepsOf(records: readonly LogRecord[]): Generator<readonly LogRecord[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const full = i - from >= STEP_RECORDS_MAX || (i > from && bytes + records[i]!.value.length > STEP_BYTES_MAX);
    if (full) {
      yield records.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += records[i]!.value.length;
  }
  if (from < records.length) yield records.slice(from);
}
