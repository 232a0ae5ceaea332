/**
 * The ingest topic: rows as plain Avro from any producer, each written once however often this process dies. A partition
 * is taken in steps; a step is in the log everywhere before the next begins (see `ingest-sources.ts`). Whoever makes the
 * topic says how many partitions it has; it may get more, be made again, be trimmed, and lose its end.
 */

import type { RowBatch } from '@tidemark/columnar/row-batch';
import { IngestReader } from '@tidemark/ingest/ingest-record';
import type { Log, LogBatch, LogRecord, ReadOptions } from '@tidemark/log/log';
import { partitionOf } from '@tidemark/model/hash';
import { topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, isRefusal } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { IngestSource } from '@tidemark/record/envelope';
import type { Writer } from '../writer.ts';
import { Growth } from './growth.ts';
import { IngestCounts } from './ingest-counts.ts';
import { afterLostEnd, type IngestPlace } from './ingest-sources.ts';
import { Rejected } from './rejected.ts';
import { slicesOf } from './slicing.ts';

const STEP_RECORDS_MAX = 5_000;
const REQUEST_ID_CHARACTERS_MAX = 128;
const STEP_BYTES_MAX = 512 * 1024;
const RETRY_MS = 500;
const ROOM_POLL_MS = 5;
/** How soon a partition that was added, or a topic that was made, is noticed. */
const LOOK_MS = 2_000;

type IngestParts = {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pending: SharedMemory;
  readonly onFatal: (error: unknown) => void;
};

/** The ingest of one keyspace for one term, from `start` until disposal or the writer's end. */
export class Ingest implements AsyncDisposable {
  readonly counts = new IngestCounts();
  readonly #parts: IngestParts;
  readonly #topic: string;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #aborted: Promise<void>;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: IngestParts) {
    this.#parts = parts;
    this.#topic = topicNames.ingest(parts.writer.keyspace.name);
    this.#log = parts.writer.log;
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

  /** Every partition there is, those that are added later too. */
  async #followAll(): Promise<void> {
    const { clock, onFatal } = this.#parts;
    const followed = new Map<number, Promise<void>>();
    while (!this.#signal.aborted) {
      const partitions = (await this.#log.partitionCount(this.#topic).catch(() => null)) ?? 0;
      for (let partition = 0; partition < partitions; partition++) {
        if (followed.has(partition)) continue;
        const following = this.#follow(partition)
          .catch((error) => {
            if (!this.#signal.aborted) onFatal(error);
          })
          .finally(() => followed.delete(partition));
        followed.set(partition, following);
      }
      await clock.sleep(partitions === 0 ? RETRY_MS : LOOK_MS, this.#signal);
      await this.counts.look((partition) => this.#log.bounds(this.#topic, partition));
    }
    await Promise.all(followed.values());
  }

  /** Follows one partition for as long as there is one; whatever interrupts it, it goes on from what the log says. */
  async #follow(partition: number): Promise<void> {
    const { writer, clock, logger } = this.#parts;
    const topic = this.#topic;
    const { signal } = this.#stop;
    const rejected = new Rejected({ log: this.#log, keyspace: writer.keyspace.name, partition, clock, signal });
    // One for all steps: it goes on knowing the schemas that producers had before a table changed.
    const reader = new IngestReader(writer.keyspace);
    let lostFrom: number | null = null;
    for (let told = false; !signal.aborted; told = true) {
      try {
        const topicId = await this.#log.topicId(topic);
        const count = await this.#log.partitionCount(topic);
        if (topicId === null || count === null || partition >= count) return;
        const place = await this.#place(topicId, partition, rejected, lostFrom);
        lostFrom = null;
        const from = { topic, partition, from: place.first, signal, topicId, committedOnly: true };
        const batches = this.#read(from, (offset) => {
          lostFrom = offset;
        });
        for await (const batch of batches) {
          for (const step of stepsOf(batch.records)) {
            this.counts.heard(partition, batch.end, step[0]!.offset);
            const source = { topic: place.topic, partition, first: step[0]!.offset, last: step.at(-1)!.offset };
            await this.#step(source, step, reader, rejected);
            this.counts.heard(partition, batch.end, source.last + 1);
          }
        }
      } catch (error) {
        if (!isFault(error) || error.kind === 'fenced') throw error;
        if (!told || error.kind === 'corrupt')
          logger.warn({ topic, partition, error: error.message }, 'ingest interrupted');
        await clock.sleep(RETRY_MS, signal);
      } finally {
        this.counts.forget(partition);
      }
    }
  }

  /** Tells from which offset on the topic holds something else than was read. */
  async *#read(options: ReadOptions, onLostEnd: (offset: number) => void): AsyncIterable<LogBatch> {
    try {
      yield* this.#log.read(options);
    } catch (error) {
      if (isFault(error, 'corrupt') && typeof error.details.expected === 'number') onLostEnd(error.details.expected);
      throw error;
    }
  }

  /**
   * Where to go on, said where something is missing.
   * @param lostFrom the offset from which on a reader found the topic to hold something else; null when none did
   */
  async #place(topicId: string, partition: number, rejected: Rejected, lostFrom: number | null): Promise<IngestPlace> {
    const { writer, logger } = this.#parts;
    const topic = this.#topic;
    const place = writer.sources.place(topicId, partition);
    await rejected.open(place.topic);
    const { start, end } = await this.#log.bounds(topic, partition);
    const last = Math.max(place.last, rejected.upTo);
    const lost = Math.min(end, lostFrom ?? end);
    if (lost <= last) {
      logger.error(
        { topic, partition, end: lost, taken: last + 1 },
        'the ingest topic lost its end: from there on its records are new ones',
      );
      const after = afterLostEnd(place, lost);
      await rejected.open(after.topic);
      return after;
    }
    if (start > last + 1) {
      this.counts.missed += start - last - 1;
      logger.error(
        { topic, partition, from: last + 1, to: start - 1, records: start - last - 1 },
        'ingest records were trimmed unread',
      );
    } else if (start > place.first && place.last >= 0)
      logger.warn(
        { topic, partition, from: place.first, to: start - 1 },
        'ingest records were trimmed; the writer before may have left some of them',
      );
    if (last + 1 >= end) this.counts.heard(partition, end, end);
    return { ...place, first: Math.max(place.first, start) };
  }

  /** Writes the rows of some source records that are not in the log yet, and waits until they are. */
  async #step(
    span: IngestSource,
    records: readonly LogRecord[],
    reader: IngestReader,
    rejected: Rejected,
  ): Promise<void> {
    const { writer, clock, pending } = this.#parts;
    while ((pending.bytes > pending.bytesMax || writer.isHandingOver) && !this.#signal.aborted)
      await clock.sleep(ROOM_POLL_MS, this.#signal);
    reader.batches.clear();
    reader.learn(writer.keyspace);
    let growth = new Growth(writer);
    let rows: Taken = new Map();
    let count = 0;
    const stored: Promise<void>[] = [];
    /** Puts in line what was taken so far, which stands for the step's offsets up to `last`. */
    const write = (last: number): void => {
      growth.adopt();
      growth = new Growth(writer);
      for (const { offsets } of rows.values()) count += offsets.length;
      for (const [table, one] of rows) stored.push(...this.#write(table, one, { ...span, last }));
      rows = new Map();
      reader.batches.clear();
    };
    for (const record of records) {
      if (record.damage !== null) {
        rejected.add(record, record.damage);
        continue;
      }
      try {
        const { table, batch, row, requestId } = growth.take(
          () => reader.add(record.value),
          () => reader.learn(growth.keyspace),
        );
        const key = batch.keys.bytesAt(row).subarray(0, batch.partitionKeyLengths[row]);
        const partition = partitionOf(key, writer.keyspace.partitions);
        if (record.offset <= writer.sources.stored(span, partition, table.id)) {
          batch.dropLastRow();
          continue;
        }
        if (requestId === null || requestId === '') {
          const taken = rows.get(table.id) ?? { batch, offsets: [] };
          rows.set(table.id, taken);
          taken.offsets.push(record.offset);
          continue;
        }
        // A record with a request id is a log record of its own, behind everything before it.
        batch.dropLastRow();
        write(record.offset - 1);
        const own = reader.add(record.value).batch;
        reader.batches.clear();
        const alone = { batch: own, offsets: [record.offset] };
        const fresh = this.#write(table.id, alone, { ...span, last: record.offset }, requestKey(requestId));
        stored.push(...fresh);
        count += fresh.length;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        rejected.add(record, error.message);
      }
    }
    write(span.last);
    this.counts.rejected += await rejected.flush();
    await Promise.race([Promise.all(stored), this.#aborted]);
    if (this.#signal.aborted || writer.signal.aborted) return;
    this.counts.read += records.length;
    this.counts.rows += count;
  }

  /**
   * One promise for each record that goes to the log, resolved when it is stored.
   * @throws {Fault} `keyReused`: the request id stands for something else
   */
  #write(tableId: number, { batch, offsets }: Rows, span: IngestSource, requestId = ''): Promise<void>[] {
    const { writer } = this.#parts;
    const table = writer.keyspace.tables.find(({ id }) => id === tableId);
    if (table === undefined || batch.rowCount === 0) return [];
    const head = { table, schemaVersion: writer.keyspace.version, requestId };
    // The last part of a partition's rows stands for all offsets of the span; an earlier part only for its own.
    const sourceOf = (rows: Uint32Array, to: number): IngestSource =>
      to === rows.length ? span : { ...span, last: offsets[rows[to - 1]!]! };
    const slices = slicesOf(head, batch, writer.keyspace.partitions, sourceOf);
    // A repeat is in line before this or in the log: nobody has to wait for it.
    const fresh = requestId === '' ? slices : slices.filter((slice) => !writer.isRepeat(slice));
    return fresh.map(
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

/** Rows of one table, and the source offset of each. */
type Rows = { readonly batch: RowBatch; readonly offsets: number[] };
/** By table id. */
type Taken = Map<number, Rows>;

/** @throws {Fault} `invalid`: too long. */
function requestKey(requestId: string): string {
  if (requestId.length <= REQUEST_ID_CHARACTERS_MAX) return `ingest:${requestId}/0`;
  const got = requestId.length;
  const expected = REQUEST_ID_CHARACTERS_MAX;
  throw new Fault('invalid', `requestId of ${got} characters, at most ${expected}`, { got, expected });
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
