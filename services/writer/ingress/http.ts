/** HTTP in: request to rows, faults to the site's error handler. */

import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { addColumnar } from '@tidemark/columnar/columnar';
import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Fields } from '@tidemark/columnar/row-writer';
import { LIMITS } from '@tidemark/model/column-type';
import { keyColumns, tableNamed } from '@tidemark/model/table';
import { cellToJson, type JsonCell, parseText, shown, valueFromJson } from '@tidemark/model/text/cell-value';
import { keyParts, segmentsOfRow } from '@tidemark/model/text/key-path';
import { mediaTypeOf } from '@tidemark/model/text/media-type';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isRefusal } from '@tidemark/platform/fault';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Writer } from '../writer.ts';
import { Growth } from './growth.ts';
import { ndjsonReply } from './ndjson.ts';
import { problemOf } from './problem-line.ts';
import { ProvedRefusals } from './proved-refusals.ts';
import type { Asked } from './slice.ts';
import { addRow, checkRoom, slicesOf } from './slicing.ts';
import { ackAskedFor, type SubmitOptions, submit } from './submit.ts';

const COLUMNS_TYPE = 'application/vnd.tidemark.columns';
const NDJSON_TYPE = 'application/x-ndjson';

/** What the write routes need of the site; sizes in bytes, waits in ms. */
export type HttpParts = {
  readonly site: string;
  readonly clock: Clock;
  /** @throws {Fault} this site does not write the keyspace: `notLeader` with the place that does, `notFound`, or `unavailable` while it starts */
  readonly writerOf: (keyspace: string) => Writer;
  readonly pending: SharedMemory;
  readonly requestTimeoutMs: number;
};

type Query = { ack?: string; timeoutMs?: string; batchRows?: string };
type Params = { keyspace: string; table: string; '*': string };
type Request = FastifyRequest<{ Params: Params; Querystring: Query }>;

/** Adds the routes that write rows: JSON, NDJSON and columns in, one row or many. */
export function registerWriterRoutes(app: FastifyInstance, parts: HttpParts): void {
  app.addContentTypeParser(NDJSON_TYPE, (_request, payload, done) => done(null, payload));
  app.addContentTypeParser(COLUMNS_TYPE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  const refusals = new ProvedRefusals(parts.clock);
  const proved =
    (request: Request) =>
    (error: unknown): Promise<never> =>
      refusals.tell(error, () => [parts.writerOf(request.params.keyspace), timeoutOf(parts, request)]);

  app.post('/v1/:keyspace/:table/rows', (request: Request, reply: FastifyReply) => {
    const type = mediaTypeOf(request.headers['content-type']);
    if (type === NDJSON_TYPE) return postNdjson(parts, request, reply).catch(proved(request));
    const posted = type === COLUMNS_TYPE ? postColumns(parts, request) : postJson(parts, request);
    return posted.catch(proved(request));
  });
  app.patch('/v1/:keyspace/:table/rows/*', (request: Request) => patchRow(parts, request).catch(proved(request)));
  app.delete('/v1/:keyspace/:table/rows/*', (request: Request) => deleteRow(parts, request).catch(proved(request)));
}

async function patchRow(parts: HttpParts, request: Request): Promise<object> {
  const cells = objectOf(request.body, 'an object of columns');
  const key = keyOf(parts, request);
  refuseOtherKey(parts, request, cells, key);
  return writeOne(parts, request, 'PATCH', { ...cells, ...key });
}

async function deleteRow(parts: HttpParts, request: Request): Promise<object> {
  return writeOne(parts, request, 'DELETE', { ...keyOf(parts, request), $delete: true });
}

async function postJson(parts: HttpParts, request: Request): Promise<object> {
  const writer = parts.writerOf(request.params.keyspace);
  const { rows, ...more } = objectOf(request.body, '{"rows": […]}');
  const [stranger] = Object.keys(more);
  if (stranger !== undefined && rows !== undefined) {
    throw new Fault('invalid', `the body has "${stranger}" beside "rows", expected {"rows": […]} alone`, {
      got: stranger,
    });
  }
  if (!Array.isArray(rows))
    throw new Fault('invalid', 'body has no "rows", expected {"rows": […]}', { got: typeof rows });
  if (rows.length > LIMITS.batchRowsMax) throw tooManyRows(rows.length);
  tableNamed(writer.keyspace, request.params.table);
  const growth = new Growth(writer);
  const into = new RowBatch();
  const errors: object[] = [];
  let first: Fault | null = null;
  rows.forEach((row, i) => {
    try {
      addRow(growth, request.params.table, row, into);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      first ??= error;
      errors.push({ row: i, error: problemOf(error) });
    }
  });
  if (into.rowCount === 0 && first !== null) throw first;
  const receipt = await writeBatch(parts, writer, request, growth, into);
  return { ...receipt, rejected: errors.length, errors };
}

async function postColumns(parts: HttpParts, request: Request): Promise<object> {
  const writer = parts.writerOf(request.params.keyspace);
  const into = new RowBatch();
  const growth = new Growth(writer);
  growth.take(() => addColumnar(growth.table(request.params.table), request.body as Buffer, into));
  if (into.rowCount > LIMITS.batchRowsMax) throw tooManyRows(into.rowCount);
  return { ...(await writeBatch(parts, writer, request, growth, into)), rejected: 0, errors: [] };
}

function tooManyRows(got: number): Fault {
  const expected = LIMITS.batchRowsMax;
  return new Fault('tooLarge', `${got} rows in one batch, at most ${expected}`, { got, expected });
}

function writeBatch(
  parts: HttpParts,
  writer: Writer,
  request: Request,
  growth: Growth,
  rows: RowBatch,
  verb: Asked['verb'] = 'POST',
) {
  checkRoom(writer, parts.pending);
  const key = idempotencyKey(request);
  const head = {
    table: growth.table(request.params.table),
    schemaVersion: growth.keyspace.version,
    requestId: key === '' ? '' : `${key}/0`,
    asked: { verb, batchRows: 0 },
  };
  const options = { ...submitOptions(parts, writer, request), growth };
  return submit(writer, slicesOf(head, rows, writer.keyspace.partitions), options);
}

async function postNdjson(parts: HttpParts, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const writer = parts.writerOf(request.params.keyspace);
  const options = {
    ...submitOptions(parts, writer, request),
    table: request.params.table,
    batchRows: wholeNumber('batchRows', request.query.batchRows, 1_000, LIMITS.batchRowsMax),
    key: idempotencyKey(request),
    pending: parts.pending,
  };
  const lines = ndjsonReply(writer, request.body as Readable, options);
  // Nothing is sent before the first batch is answered: its failure is then the status of the reply.
  const first = await lines.next();
  return reply.type(NDJSON_TYPE).send(Readable.from(following(first, lines)));
}

async function* following(first: IteratorResult<string>, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  if (first.done !== true) yield first.value;
  yield* rest;
}

async function writeOne(parts: HttpParts, request: Request, verb: Asked['verb'], row: object): Promise<object> {
  const writer = parts.writerOf(request.params.keyspace);
  const into = new RowBatch();
  const growth = new Growth(writer);
  addRow(growth, request.params.table, row, into);
  return writeBatch(parts, writer, request, growth, into, verb);
}

/** The key's columns as the path names them. @throws {Fault} `invalid`: not all of them, or no values of them. */
function keyOf(parts: HttpParts, request: Request): Record<string, JsonCell> {
  const table = tableNamed(parts.writerOf(request.params.keyspace).keyspace, request.params.table);
  const columns = keyColumns(table);
  const segments = keyParts(segmentsOfRow(request.raw.url ?? ''));
  if (segments.length !== columns.length) {
    const expected = columns.map((column) => column.name).join('/');
    throw new Fault('invalid', `table ${table.name}: ${segments.length} key parts in the path, expected ${expected}`, {
      table: table.name,
      got: segments.length,
      expected: columns.length,
    });
  }
  return Object.fromEntries(
    columns.map((column, i) => [column.name, cellToJson(column.type, parseText(column, segments[i]!))]),
  );
}

/** @throws {Fault} `invalid`: the body names another row than the path. */
function refuseOtherKey(parts: HttpParts, request: Request, cells: Fields, key: Record<string, JsonCell>): void {
  const table = tableNamed(parts.writerOf(request.params.keyspace).keyspace, request.params.table);
  for (const column of keyColumns(table)) {
    if (!Object.hasOwn(cells, column.name)) continue;
    const [got, expected] = [cells[column.name], key[column.name]!];
    const value = valueFromJson(column.type, got);
    if (value !== undefined && isDeepStrictEqual(cellToJson(column.type, value), expected)) continue;
    const message = `table ${table.name}, column ${column.name}: the body says ${shown(got)}, the path ${shown(expected)}`;
    const details = { table: table.name, column: column.name, got: shown(got), expected: shown(expected) };
    throw new Fault('invalid', message, details);
  }
}

function submitOptions(parts: HttpParts, writer: Writer, request: Request): SubmitOptions {
  return {
    ack: ackAskedFor(request.query.ack, writer.level),
    timeoutMs: timeoutOf(parts, request),
    clock: parts.clock,
    site: parts.site,
    keyAgeMs: keyAgeMs(request),
  };
}

function timeoutOf(parts: HttpParts, request: Request): number {
  return wholeNumber('timeoutMs', request.query.timeoutMs, parts.requestTimeoutMs, 600_000);
}

function idempotencyKey(request: Request): string {
  const key = request.headers['idempotency-key'] ?? '';
  const text = Array.isArray(key) ? key.join() : key;
  if (text.length <= 128) return text;
  throw new Fault('invalid', `Idempotency-Key of ${text.length} characters, at most 128`, { got: text.length });
}

/** Says how long ago the sender sent the request under its key for the first time, where it is repeated. */
const KEY_AGE_HEADER = 'tidemark-key-age-ms';

function keyAgeMs(request: Request): number | null {
  const text = request.headers[KEY_AGE_HEADER];
  if (text === undefined) return null;
  const value = Number(text);
  if (/^[0-9]+$/.test(String(text)) && Number.isSafeInteger(value)) return value;
  const expected = 'ms since the key was first sent, as a whole number';
  throw new Fault('invalid', `${KEY_AGE_HEADER} "${text}", expected ${expected}`, { got: text, expected });
}

function wholeNumber(name: string, text: string | undefined, byDefault: number, max: number): number {
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  const expected = `a whole number from 1 to ${max}`;
  throw new Fault('invalid', `${name} "${text}", expected ${expected}`, { got: text, expected });
}

function objectOf(body: unknown, expected: string): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new Fault('invalid', `the body is ${body === undefined ? 'empty' : 'no object'}, expected ${expected}`, {
    expected,
  });
}
