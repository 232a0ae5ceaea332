/** What a site answers to a write, as JSON or as NDJSON, and the receipt that comes of it. */

import { comparePositions, formatToken, type Position, parseToken } from '@tidemark/model/position';
import { Fault } from '@tidemark/platform/fault';
import { faultOfProblem, type Reply } from './exchange.ts';
import { lineBlocks, parseLine } from './ndjson.ts';

/** A row that was refused. */
export type RowError = {
  /** Counted from 1 in the request. */
  readonly line: number;
  /** Why: names the column, and what was got and expected. */
  readonly fault: Fault;
};

/** Proof of an acked write. */
export type Receipt = {
  /** The keyspace's name. */
  readonly keyspace: string;
  /** The table's name, without its keyspace. */
  readonly table: string;
  /** Rows that are stored. */
  readonly accepted: number;
  /** Rows that were refused, and are not. */
  readonly rejected: number;
  /** The ack level it was given at, like `sync(1)`. */
  readonly ack: string;
  /** Hand it to `visible`, or as `atLeast` to a read. */
  readonly token: string;
  /** Partition → where its part of the write stands in the origin's log; of a put also what travelled with it. */
  readonly positions: ReadonlyMap<number, Position>;
  /** The rows that were refused, as many of them as the site names. */
  readonly errors: readonly RowError[];
};

/**
 * What the receipt of a batch says of each of its rows: a receipt of its own, or why it was refused.
 * @throws {Fault} `unknown`: not every row that was refused is named
 */
export function receiptsOf(batch: Receipt, rowCount: number): (Receipt | Fault)[] {
  const refused = new Map(batch.errors.map(({ line, fault }) => [line, fault]));
  if (batch.accepted + refused.size !== rowCount) {
    const got = `${batch.accepted} accepted and ${refused.size} named as refused`;
    const message = `write to ${batch.keyspace}.${batch.table}: ${got}, expected ${rowCount} rows in all`;
    throw new Fault('unknown', message, { got, expected: rowCount });
  }
  const accepted: Receipt = { ...batch, accepted: 1, rejected: 0, errors: [] };
  return Array.from({ length: rowCount }, (_, i) => refused.get(i + 1) ?? accepted);
}

type Outcome = { accepted: number; rejected: number; ack: string; tokens: string[]; errors: RowError[] };

/**
 * Reads a whole answer, and disposes it.
 * @throws {Fault} `unknown`: an NDJSON answer without its last line. Else the Fault of a batch that failed.
 */
export async function readWriteReply(
  reply: Reply,
  place: { readonly keyspace: string; readonly table: string },
  idleMs: number,
): Promise<Receipt> {
  using _ = reply;
  const what = `write to ${place.keyspace}.${place.table} at ${reply.url}`;
  const outcome = /ndjson/.test(reply.response.headers.get('content-type') ?? '')
    ? await readLines(reply, what, idleMs)
    : await readObject(reply, what);
  const token = mergeTokens(outcome.tokens);
  return {
    ...place,
    accepted: outcome.accepted,
    rejected: outcome.rejected,
    ack: outcome.ack,
    token,
    positions: token === '' ? new Map() : parseToken(token).positions,
    errors: outcome.errors,
  };
}

async function readObject(reply: Reply, what: string): Promise<Outcome> {
  const text = await reply.response.text().catch((cause: unknown) => {
    throw new Fault('unknown', `${what}: the answer broke off`, { cause });
  });
  const body = parseLine(text, what);
  if (typeof body.accepted !== 'number') {
    throw new Fault('unknown', `${what}: the answer has no count of accepted rows`, { got: text.slice(0, 200) });
  }
  const errors = (Array.isArray(body.errors) ? body.errors : []) as Record<string, unknown>[];
  return {
    accepted: body.accepted,
    rejected: Number(body.rejected ?? 0),
    ack: String(body.ack ?? ''),
    tokens: typeof body.token === 'string' && body.accepted > 0 ? [body.token] : [],
    errors: errors.map((error, i) => rowError(error, i + 1, what)),
  };
}

function rowError(line: Record<string, unknown>, fallback: number, what: string): RowError {
  const problem = (typeof line.error === 'object' && line.error !== null ? line.error : line) as Record<
    string,
    unknown
  >;
  return {
    line: typeof line.line === 'number' ? line.line : typeof line.row === 'number' ? line.row + 1 : fallback,
    fault: faultOfProblem(problem, 400, what),
  };
}

async function readLines(reply: Reply, what: string, idleMs: number): Promise<Outcome> {
  const outcome: Outcome = { accepted: 0, rejected: 0, ack: '', tokens: [], errors: [] };
  for await (const lines of lineBlocks(reply, what, idleMs)) {
    for (const text of lines) {
      const line = parseLine(text, what);
      if (line.done === true) {
        outcome.accepted = Number(line.accepted);
        outcome.rejected = Number(line.rejected);
        if (typeof line.ack === 'string') outcome.ack = line.ack;
        return outcome;
      }
      takeLine(line, outcome, what);
    }
  }
  throw new Fault('unknown', `${what}: the answer stopped without its last line`);
}

function takeLine(line: Record<string, unknown>, outcome: Outcome, what: string): void {
  if (typeof line.line === 'number') {
    outcome.errors.push(rowError(line, outcome.errors.length + 1, what));
    return;
  }
  // A batch that failed, or an error that ended the request: what it means is for the caller to decide.
  const problem = line.error ?? line.$error;
  if (problem !== undefined) throw faultOfProblem(problem as Record<string, unknown>, 504, what);
  // The token of a batch of which nothing was accepted names no position.
  if (typeof line.token === 'string' && line.accepted !== 0) outcome.tokens.push(line.token);
  if (typeof line.ack === 'string') outcome.ack = line.ack;
}

/** One token that stands for all of them: the furthest position of each partition. Empty for none. */
export function mergeTokens(tokens: readonly string[]): string {
  const furthest = new Map<number, Position>();
  const parsed = tokens.map(parseToken);
  for (const { positions } of parsed) {
    for (const [partition, position] of positions) {
      const known = furthest.get(partition);
      if (known === undefined || comparePositions(position, known) > 0) furthest.set(partition, position);
    }
  }
  return parsed.length === 0 ? '' : formatToken({ ...parsed[0]!, positions: furthest });
}
