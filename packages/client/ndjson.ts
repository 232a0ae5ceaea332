/** Streams of one JSON object a line: reading them, and knowing whether they came to their end. */

import { Fault } from '@tidemark/platform/fault';
import { faultOfProblem, type Reply, transportFault } from './exchange.ts';

/** A line beyond this is not one of ours: a row is at most 512 KiB, and JSON can escape a byte into six. */
const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;

/**
 * The lines of an answer, in blocks as they arrive; empty lines are left out. Leaving the loop early ends the request.
 * @throws {Fault} `unknown`: the connection broke or fell silent before the body's end.
 */
export async function* lineBlocks(reply: Reply, what: string, idleMs: number): AsyncGenerator<string[]> {
  const { body } = reply.response;
  if (body === null) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw transportFault(error, what, reply.deadline, idleMs);
      });
      reply.deadline.restart();
      const lines = (rest + decoder.decode(value ?? new Uint8Array(), { stream: !done })).split('\n');
      rest = done ? '' : lines.pop()!;
      if (rest.length > LINE_CHARACTERS_MAX) {
        throw new Fault('corrupt', `${what}: a line of over ${LINE_CHARACTERS_MAX} characters`, { got: rest.length });
      }
      const whole = lines.filter((line) => line !== '');
      if (whole.length > 0) yield whole;
      if (done) return;
    }
  } finally {
    // Harmless at the end; in mid-stream it lets the site stop scanning.
    await reader.cancel().catch(() => undefined);
  }
}

/** @throws {Fault} `unknown`: the line is not a JSON object, so the stream was cut within it. */
export function parseLine(line: string, what: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    throw new Fault('unknown', `${what}: line "${line.slice(0, 80)}" is cut short`, { cause: error });
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  throw new Fault('corrupt', `${what}: line "${line.slice(0, 80)}" is not a JSON object`, { got: typeof parsed });
}

/** What a scan says when it is through. */
export type ScanEnd = {
  /** Rows that were sent. */
  readonly rows: number;
  /** Rows that were looked at. */
  readonly scanned: number;
  /** How long the site took. */
  readonly ms: number;
  /** Stamp of the newest barrier all of whose writes the answer contains. */
  readonly asOf: unknown;
  /** Where to go on, when a limit cut the answer; null otherwise. */
  readonly cursor: string | null;
};

/**
 * The rows of a scan's answer as lines, in blocks. Returns what the stream said at its end.
 * @throws {Fault} `unknown`: the stream stopped without its `$end`, or holds fewer rows than `$end` counts: rows are
 *   missing, and how many nobody knows. Else the Fault of its `$error` line.
 */
export async function* scanLines(
  reply: Reply,
  what: string,
  idleMs: number,
): AsyncGenerator<readonly string[], ScanEnd> {
  let rows = 0;
  for await (const lines of lineBlocks(reply, what, idleMs)) {
    // No column's name begins with $, so that only the two closing lines do.
    const closing = lines.findIndex((line) => line.startsWith('{"$'));
    const block = closing < 0 ? lines : lines.slice(0, closing);
    rows += block.length;
    if (block.length > 0) yield block;
    if (closing < 0) continue;
    const last = parseLine(lines[closing]!, what);
    if (last.$end !== undefined) return checkedEnd(last.$end as ScanEnd, rows, what);
    throw faultOfProblem((last.$error ?? {}) as Record<string, unknown>, 500, what);
  }
  throw new Fault('unknown', `${what}: the answer stopped after ${rows} rows, without its end`, { got: rows });
}

/** As `scanLines`, with the rows parsed. */
export async function* scanBlocks(
  reply: Reply,
  what: string,
  idleMs: number,
): AsyncGenerator<Record<string, unknown>[], ScanEnd> {
  const blocks = scanLines(reply, what, idleMs);
  try {
    for (;;) {
      const next = await blocks.next();
      if (next.done === true) return next.value;
      yield next.value.map((line) => parseLine(line, what));
    }
  } finally {
    await blocks.return(undefined as never);
  }
}

function checkedEnd(end: ScanEnd, rows: number, what: string): ScanEnd {
  if (end.rows !== rows) {
    throw new Fault('unknown', `${what}: ${rows} rows arrived, the site sent ${end.rows}`, {
      got: rows,
      expected: end.rows,
    });
  }
  return { ...end, cursor: end.cursor ?? null };
}
