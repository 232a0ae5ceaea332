/**
 * A scan's answer: NDJSON rows as they come, then `$end`; or `$error` and a closed socket. Or the rows as an Arrow stream,
 * whose end mark says that it is whole; there is no cursor then.
 */

import { ARROW_END, ARROW_MEDIA_TYPE, ArrowWriter } from '@tidemark/columnar/arrow-write';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import { parseQuery, planQuery } from '@tidemark/model/query';
import { cellToText } from '@tidemark/model/text/cell-value';
import { RowText } from '@tidemark/model/text/json-text';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { type ResultRow, Scan } from '@tidemark/store/query/scan';
import { nextTurn } from '@tidemark/store/row/turn';
import type { TableStore } from '../keyspace/stores.ts';
import { linesTold, NDJSON_TYPE, type StreamedAnswer, type StreamParts, streamOf } from './streamed.ts';

type ScanAsked = StreamParts & {
  /** As the answer's header says it. */
  readonly asOf: string | null;
  /** The media types that are wanted, as the request's header has them. */
  readonly accept?: string | undefined;
  /** When the request was read, on the clock. */
  readonly beganMs: number;
};

/** Of the 18 digits that a decimal has at most. */
const DECIMAL_END = 10n ** 18n;

/** True when the media types that are wanted name Arrow. */
export function isArrow(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes(ARROW_MEDIA_TYPE) === true;
}

/** @throws {Fault} `invalid`: not a query of this table, or a cursor that is none of it. */
export function planScan(store: TableStore, body: unknown): Scan {
  return new Scan(store.partitions, planQuery(store.table, parseQuery(body)));
}

/**
 * The whole answer to a scan that `isShort`, as NDJSON; null when it is too long after all, and has to be streamed.
 * @throws {Fault} `corrupt`: stored bytes are wrong.
 */
export async function shortAnswer(scan: Scan, elapsedMs: () => number, asOf: string | null): Promise<string | null> {
  // Many may be asked for at once, and each is read in one go.
  await nextTurn();
  const page = await scan.shortPage();
  if (page === null) return null;
  const lines = new RowText(scan.columns, true);
  let text = '';
  for (const row of page.rows) text += `${lines.of(row)}\n`;
  const { rows, scanned, cursor } = page.end;
  return `${text}${JSON.stringify({ $end: { rows, scanned, ms: elapsedMs(), asOf, cursor } })}\n`;
}

/**
 * Begins a scan. What is wrong with the first rows is thrown; what goes wrong later is a line of the answer. Rows are read
 * no faster than they are taken.
 * @throws {Fault} `invalid`: too many groups, or rows to order. `corrupt`: stored bytes are wrong.
 */
export async function scanTable(scan: Scan, parts: ScanAsked): Promise<StreamedAnswer> {
  const rows = scan.rows(parts.place.signal);
  const blocks = isArrow(parts.accept) && scan.hasSums ? roomChecked(scan, rows) : rows;
  const first = await blocks.next();
  if (isArrow(parts.accept)) return streamOf(ARROW_MEDIA_TYPE, batchesOf(scan, blocks, first, parts), parts);
  const elapsedMs = (): number => Math.round(parts.clock.monotonicMs() - parts.beganMs);
  return streamOf(NDJSON_TYPE, linesOf(scan, blocks, first, elapsedMs, parts), parts);
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
  { logger, place, noteDamage }: ScanAsked,
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
  parts: ScanAsked,
): AsyncGenerator<string> {
  const lines = new RowText(scan.columns, true);
  yield* linesTold(parts, 'scan', async function* () {
    try {
      for (let block = first; block.done !== true; block = await blocks.next()) yield textOf(scan, lines, block.value);
      const { rows, scanned, cursor } = scan.end!;
      yield `${JSON.stringify({ $end: { rows, scanned, ms: elapsedMs(), asOf: parts.asOf, cursor } })}\n`;
    } finally {
      await blocks.return(undefined);
    }
  });
}

function textOf(scan: Scan, lines: RowText, rows: readonly ResultRow[]): string {
  let text = '';
  for (const row of rows) text += `${lines.of(scan.columns.map(({ name }) => row[name] ?? null))}\n`;
  return text;
}
