/**
 * A stream of rows, one JSON object a line: cut into batches by line count, several under way at once, each answered
 * when it is acked and in order. The lines around a broken one are kept.
 */

import { isUtf8 } from 'node:buffer';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { tableNamed } from '@tidemark/model/table';
import { parseExactJson } from '@tidemark/model/text/exact-json';
import { textOfUtf8, withoutBom } from '@tidemark/model/text/utf8';
import { Fault, isFault, isRefusal } from '@tidemark/platform/fault';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { Writer } from '../writer.ts';
import { Growth } from './growth.ts';
import { problemOf } from './problem-line.ts';
import { addRow, checkRoom, slicesOf } from './slicing.ts';
import { type Receipt, type SubmitOptions, submit } from './submit.ts';

const BATCHES_UNDER_WAY_MAX = 16;
const ROOM_POLL_MS = 5;
/** Lines kept back at most while nothing was accepted. */
const HELD_LINES_MAX = 1_000;
const LINE_BYTES_MAX = 4 * 1024 * 1024;
const LF = 10;

type NdjsonOptions = SubmitOptions & {
  readonly table: string;
  readonly batchRows: number;
  /** Idempotency-Key, or empty. */
  readonly key: string;
  readonly pending: SharedMemory;
};

type BadLine = { readonly line: number; readonly fault: Fault };
type BatchResult = {
  readonly batch: number;
  readonly lines: readonly [number, number];
  readonly bad: readonly BadLine[];
  readonly receipt: Promise<Receipt | Fault>;
};

/**
 * The reply, line by line. Nothing is said before a batch was accepted, so that a request of which nothing was can
 * still be refused by its status.
 * @throws {Fault} nothing was accepted: the first thing that was wrong
 */
export async function* ndjsonReply(
  writer: Writer,
  body: AsyncIterable<Buffer | string>,
  options: NdjsonOptions,
): AsyncGenerator<string> {
  tableNamed(writer.keyspace, options.table);
  const answers = new Answers();
  const underWay: BatchResult[] = [];
  for await (const lines of batchesOfLines(body, options.batchRows)) {
    await roomFor(writer, options);
    underWay.push(submitLines(writer, lines, options));
    if (underWay.length > BATCHES_UNDER_WAY_MAX) yield* answers.take(underWay[0]!, await underWay.shift()!.receipt);
  }
  for (const result of underWay) yield* answers.take(result, await result.receipt);
  yield* answers.end();
}

/** Waits while too much waits to be written, at most as long as the request may take. */
async function roomFor(writer: Writer, { clock, timeoutMs, pending }: NdjsonOptions): Promise<void> {
  const untilMs = clock.monotonicMs() + timeoutMs;
  while (pending.bytes > pending.bytesMax && clock.monotonicMs() < untilMs) {
    await clock.sleep(ROOM_POLL_MS, writer.signal);
  }
}

/** What cannot be a line's text is a Fault in its place. */
type Text = string | Fault;
type Lines = { readonly batch: number; readonly first: number; readonly texts: readonly Text[] };

/** Lines of a stream in groups of `count`; empty lines count but hold no row. */
async function* batchesOfLines(body: AsyncIterable<Buffer | string>, count: number): AsyncGenerator<Lines> {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let texts: Text[] = [];
  let first = 1;
  let batch = 0;
  const take = (): Lines => {
    const lines = { batch: batch++, first, texts };
    first += texts.length;
    texts = [];
    return lines;
  };
  for await (const chunk of body) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const end = bytes.lastIndexOf(LF);
    if (end >= 0) {
      const whole = Buffer.concat([...waiting, bytes.subarray(0, end)]);
      waiting = [];
      waitingBytes = 0;
      for (const text of textsOf(whole, first + texts.length)) {
        texts.push(text);
        if (texts.length === count) yield take();
      }
    }
    const rest = bytes.subarray(end + 1);
    waiting.push(rest);
    waitingBytes += rest.length;
    if (waitingBytes > LINE_BYTES_MAX) throw lineTooLong(first + texts.length, waitingBytes);
  }
  const [last] = textsOf(Buffer.concat(waiting), first + texts.length);
  if (last instanceof Fault || last!.trim() !== '') texts.push(last!);
  if (texts.length > 0) yield take();
}

/** The lines of a piece, the first of which has the number `first`. One that is not UTF-8 spoils only itself. */
function textsOf(piece: Buffer, first: number): Text[] {
  const texts: Text[] = isUtf8(piece) ? piece.toString('utf8').split('\n') : textsOneByOne(piece, first);
  if (first === 1 && typeof texts[0] === 'string') texts[0] = withoutBom(texts[0]);
  return texts;
}

function textsOneByOne(piece: Buffer, first: number): Text[] {
  const texts: Text[] = [];
  for (let from = 0; from <= piece.length; ) {
    const end = piece.indexOf(LF, from);
    const line = piece.subarray(from, end < 0 ? piece.length : end);
    texts.push(textOrFault(line, first + texts.length));
    from = end < 0 ? piece.length + 1 : end + 1;
  }
  return texts;
}

function textOrFault(line: Buffer, number: number): Text {
  try {
    return textOfUtf8(line, 'body', number);
  } catch (error) {
    if (isFault(error, 'invalid')) return error;
    throw error;
  }
}

function lineTooLong(line: number, got: number): Fault {
  return new Fault('tooLarge', `line ${line} has over ${got} bytes, at most ${LINE_BYTES_MAX}`, {
    got,
    expected: LINE_BYTES_MAX,
  });
}

/** Takes the lines in and begins to write them, all in one turn. */
function submitLines(writer: Writer, lines: Lines, options: NdjsonOptions): BatchResult {
  const growth = new Growth(writer);
  const into = new RowBatch();
  const bad: BadLine[] = [];
  lines.texts.forEach((text, i) => {
    if (typeof text === 'string' && text.trim() === '') return;
    try {
      if (typeof text !== 'string') throw text;
      addRow(growth, options.table, parseLine(text), into);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      bad.push({ line: lines.first + i, fault: error });
    }
  });
  const span = [lines.first, lines.first + lines.texts.length - 1] as const;
  return { batch: lines.batch, lines: span, bad, receipt: write(writer, lines.batch, growth, into, options) };
}

/** A fault of the batch is part of its answer, so it is returned. */
async function write(
  writer: Writer,
  batch: number,
  growth: Growth,
  rows: RowBatch,
  options: NdjsonOptions,
): Promise<Receipt | Fault> {
  try {
    checkRoom(writer, options.pending);
    const table = growth.table(options.table);
    const requestId = options.key === '' ? '' : `${options.key}/${batch}`;
    const asked = { verb: 'POST', batchRows: options.batchRows } as const;
    const head = { table, schemaVersion: growth.keyspace.version, requestId, asked };
    return await submit(writer, slicesOf(head, rows, writer.keyspace.partitions), { ...options, growth });
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
}

function parseLine(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    const got = text.length > 80 ? `${text.slice(0, 80)}…` : text;
    throw new Fault('invalid', `not JSON: ${(error as Error).message}`, { got, expected: 'one JSON object' });
  }
}

/** The lines of the reply and their sum. */
class Answers {
  #accepted = 0;
  #rejected = 0;
  #firstFault: Fault | null = null;
  #held: string[] = [];

  /** The lines that may be sent once this batch is answered. */
  *take({ batch, lines, bad }: BatchResult, receipt: Receipt | Fault): Generator<string> {
    for (const { line, fault } of bad) this.#hold({ line, error: problemOf(fault) }, fault);
    this.#rejected += bad.length;
    if (receipt instanceof Fault) {
      this.#rejected += lines[1] - lines[0] + 1 - bad.length;
      this.#hold({ batch, lines, accepted: 0, error: problemOf(receipt) }, receipt);
    } else {
      this.#accepted += receipt.accepted;
      this.#hold({ batch, lines, ...receipt }, null);
    }
    if (this.#accepted > 0 || this.#held.length > HELD_LINES_MAX) yield* this.#held.splice(0);
  }

  *end(): Generator<string> {
    if (this.#accepted === 0 && this.#firstFault !== null && this.#held.length > 0) throw this.#firstFault;
    yield* this.#held;
    yield `${JSON.stringify({ done: true, accepted: this.#accepted, rejected: this.#rejected })}\n`;
  }

  #hold(line: object, fault: Fault | null): void {
    this.#held.push(`${JSON.stringify(line)}\n`);
    this.#firstFault ??= fault;
  }
}
