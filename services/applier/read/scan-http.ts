/**
 * A scan's answer: NDJSON rows as they come, then `$end`; or `$error` and a closed socket. Or the rows as an Arrow stream,
 * whose end mark says that it is whole; there is no cursor then.
 */

import { Readable } from 'node:stream';
import { ARROW_END, ARROW_MEDIA_TYPE, ArrowWriter } from '@tidemark/columnar/arrow-write';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import { parseQuery, planQuery } from '@tidemark/model/query';
import { cellToJson, cellToText } from '@tidemark/model/text/cell-value';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { type ResultRow, Scan } from '@tidemark/store/query/scan';
import type { TableStore } from '../keyspace/stores.ts';
import type { ScanPlace } from './scan-admission.ts';

type ScanParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** As the answer's header says it. */
  readonly asOf: string | null;
  /** The media types that are wanted, as the request's header has them. */
  readonly accept?: string | undefined;
  /** Ends it, and knows when it waits for its reader. */
  readonly place: ScanPlace;
  /** Told of what breaks a scan off: column files may have to be built again. */
  readonly noteDamage: (error: unknown) => boolean;
};

/** Of the 18 digits that a decimal has at most. */
const DECIMAL_END = 10n ** 18n;

type ScanAnswer = { readonly type: string; readonly stream: Readable };

/**
 * Begins a scan. What is wrong with the query, or with the first rows, is thrown; what goes wrong later is a line of
 * the answer. Rows are read no faster than they are taken.
 * @throws {Fault} `invalid`: not a query of this table. `corrupt`: stored bytes are wrong.
 */
export async function scanTable(store: TableStore, body: unknown, parts: ScanParts): Promise<ScanAnswer> {
  const beganMs = parts.clock.monotonicMs();
  const plan = planQuery(store.table, parseQuery(body));
  const scan = new Scan(store.partitions, plan);
  const isArrow = parts.accept?.toLowerCase().includes(ARROW_MEDIA_TYPE) === true;
  const rows = scan.rows(parts.place.signal);
  const blocks = isArrow && plan.outputs.some(({ kind }) => kind === 'sum') ? roomChecked(scan, rows) : rows;
  const first = await blocks.next();
  const chunks = isArrow
    ? batchesOf(scan, blocks, first, parts)
    : linesOf(scan, blocks, first, () => Math.round(parts.clock.monotonicMs() - beganMs), parts);
  const stream = Readable.from(watched<string | Uint8Array>(chunks, parts), {
    objectMode: false,
    highWaterMark: 64 * 1024,
  });
  endWith(stream, parts.place);
  return { type: isArrow ? ARROW_MEDIA_TYPE : 'application/x-ndjson', stream };
}

/** Tells the place from when to when the reader was waited for. */
async function* watched<T>(chunks: AsyncIterable<T>, { clock, place }: ScanParts): AsyncGenerator<T> {
  for await (const chunk of chunks) {
    place.unreadSinceMs = clock.monotonicMs();
    yield chunk;
    place.unreadSinceMs = null;
  }
}

/** The stream ends when its place does, though nobody reads it; and the place is free when the stream has ended. */
function endWith(stream: Readable, place: ScanPlace): void {
  const stop = (): void => void stream.destroy();
  if (place.signal.aborted) stop();
  place.signal.addEventListener('abort', stop, { once: true });
  stream.once('close', () => place.leave());
}

/**
 * Groups, of which all are known before the first is given: a sum that Arrow has no room for is then still a refusal.
 * @throws {Fault} `invalid`: names the column and the sum
 */
async function* roomChecked(scan: Scan, rows: AsyncGenerator<ResultRow[]>): AsyncGenerator<ResultRow[]> {
  const blocks: ResultRow[][] = [];
  for await (const block of rows) {
    for (const { name, type } of scan.columns) for (const row of block) checkRoom(name, type, row[name] ?? null);
    blocks.push(block);
  }
  yield* blocks;
}

function checkRoom(name: string, type: ColumnType, value: Value | null): void {
  if (typeof value !== 'bigint') return;
  const isDecimal = type.name === 'decimal';
  const fits = isDecimal ? value < DECIMAL_END && value > -DECIMAL_END : BigInt.asIntN(64, value) === value;
  if (fits) return;
  const got = isDecimal ? cellToText(type, value) : String(value);
  const expected = isDecimal ? 'at most 18 digits' : 'at most 64 bits';
  const message = `${name} is ${got}, and Arrow has room for ${expected} here; ask for JSON, which has it exactly`;
  throw new Fault('invalid', message, { column: name, got, expected });
}

async function* batchesOf(
  scan: Scan,
  blocks: AsyncGenerator<ResultRow[]>,
  first: IteratorResult<ResultRow[]>,
  { logger, place, noteDamage }: ScanParts,
): AsyncGenerator<Uint8Array> {
  try {
    const writer = new ArrowWriter(scan.columns);
    yield writer.head;
    for (let block = first; block.done !== true; block = await blocks.next()) yield writer.batch(block.value);
    yield ARROW_END;
  } catch (error) {
    noteDamage(error);
    if (place.signal.aborted) return;
    logger.error({ err: error }, `scan broke off: ${messageOf(error)}`);
    throw error;
  } finally {
    await blocks.return(undefined);
  }
}

async function* linesOf(
  scan: Scan,
  blocks: AsyncGenerator<ResultRow[]>,
  first: IteratorResult<ResultRow[]>,
  elapsedMs: () => number,
  { logger, asOf, place, noteDamage }: ScanParts,
): AsyncGenerator<string> {
  try {
    for (let block = first; block.done !== true; block = await blocks.next()) yield textOf(scan, block.value);
    const { rows, scanned, cursor } = scan.end!;
    yield `${JSON.stringify({ $end: { rows, scanned, ms: elapsedMs(), asOf, cursor } })}\n`;
  } catch (error) {
    noteDamage(error);
    if (place.signal.aborted) return;
    logger.error({ err: error }, `scan broke off: ${messageOf(error)}`);
    yield `${JSON.stringify({ $error: problemOf(error) })}\n`;
    // The line leaves before the socket is closed under it.
    await new Promise((resolve) => setImmediate(resolve));
    throw error;
  } finally {
    await blocks.return(undefined);
  }
}

function textOf(scan: Scan, rows: readonly ResultRow[]): string {
  let text = '';
  for (const row of rows) {
    const json: Record<string, unknown> = {};
    for (const { name, type } of scan.columns) {
      const value = row[name] ?? null;
      json[name] = value === null ? null : cellToJson(type, value);
    }
    text += `${JSON.stringify(json)}\n`;
  }
  return text;
}

function problemOf(error: unknown): object {
  const fault = isFault(error) ? error : new Fault('unknown', 'internal error: the log of this site has it');
  const { table, column, retryAfterMs } = fault.details;
  return { kind: fault.kind, detail: fault.message, table, column, retryAfterMs };
}
