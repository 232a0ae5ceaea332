import { encodeColumnarRows } from '@tidemark/columnar/columnar-write';
import type { ColumnType } from '@tidemark/model/column-type';
import { FAULT_MEANINGS, isFault } from '@tidemark/platform/fault';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import fastify from 'fastify';
import { describe, expect, it, vi } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import { registerWriterRoutes } from './http.ts';

const clock = new SystemClock();
const LONG: ColumnType = { name: 'long' };
const PATH = '/v1/travel/flights/rows';

/** A writer whose table may grow by many columns, and how often the tables were told of in the log. */
async function setUp(dynamic: number) {
  const set = await setUpWriter('local', { dynamic });
  const writer = await set.start();
  const app = fastify();
  const parts = { site: 'paris', clock, pending: new SharedMemory(1e9), requestTimeoutMs: 5_000 };
  registerWriterRoutes(app, { ...parts, writerOf: () => writer });
  app.setErrorHandler((error, _request, reply) => {
    if (!isFault(error)) throw error;
    return reply.code(FAULT_MEANINGS[error.kind].status).send({ detail: error.message });
  });
  const post = (type: string, payload: string | Buffer, key = '') => {
    const headers = { 'content-type': type, ...(key === '' ? {} : { 'idempotency-key': key }) };
    return app.inject({ method: 'POST', url: PATH, headers, payload });
  };
  const told = async (): Promise<number[]> =>
    (await set.accepted()).map((list) => list.filter(({ body }) => body.kind === 'Schema').length);
  return { ...set, writer, post, told };
}

const rowOf = (line: number) => {
  const cells = Object.fromEntries([0, 1, 2].map((n) => [`c${line * 3 + n}`, line]));
  return { origin: `O${line % 7}`, line, ...cells };
};
const ROWS = Array.from({ length: 500 }, (_, line) => rowOf(line));
const TYPES = new Map<string, ColumnType>([
  ['origin', { name: 'string' }],
  ['line', { name: 'int' }],
  ...Array.from({ length: 1_500 }, (_, n): [string, ColumnType] => [`c${n}`, LONG]),
]);
const VALUES = ROWS.map((row) =>
  Object.fromEntries(Object.entries(row).map(([name, v]) => [name, name.startsWith('c') ? BigInt(v) : v])),
);

describe('a batch that brings many columns', () => {
  it.each([
    ['JSON', 'application/json', JSON.stringify({ rows: ROWS })],
    ['NDJSON', 'application/x-ndjson', ROWS.map((row) => JSON.stringify(row)).join('\n')],
    ['columns', 'application/vnd.tidemark.columns', encodeColumnarRows(TYPES, VALUES)],
  ])('as %s tells of them once in each partition, and all are there', async (_, type, body) => {
    const { writer, post, told, rowsIn } = await setUp(1_500);
    await vi.waitFor(async () => expect(await told()).toEqual([1, 1, 1, 1]));
    const { statusCode, payload } = await post(type, body);
    expect([statusCode, payload.includes('"accepted":500')]).toEqual([200, true]);
    expect(await told()).toEqual([2, 2, 2, 2]);
    const columns = writer.keyspace.tables[0]!.columns;
    expect(new Set(columns.map(({ id }) => id)).size).toBe(1_503);
    expect(writer.keyspace.tables[0]!.dynamicColumns).toBe(1_500);
    expect(await rowsIn()).toBe(500);
    await writer[Symbol.asyncDispose]();
  });

  it('grows the log of a partition by no more than four times what defines them, and by the cells that there are', async () => {
    const { writer, post, accepted } = await setUp(4_096);
    const rows = Array.from({ length: 1_024 }, (_, line) => ({
      ...{ origin: `O${line}`, line },
      ...Object.fromEntries([0, 1, 2, 3].map((n) => [`column ${line * 4 + n}`, n])),
    }));
    expect((await post('application/json', JSON.stringify({ rows }))).statusCode).toBe(200);
    const columns = writer.keyspace.tables[0]!.columns.filter(({ dynamic }) => dynamic === true);
    expect(columns).toHaveLength(4_096);
    const defined = JSON.stringify(columns).length;
    for (const records of await accepted()) {
      const told = records.flatMap(({ body }) => (body.kind === 'Schema' ? [body.keyspace.length] : []));
      expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(defined * 4);
      // Of a quarter of the rows and columns, each cell is a number of eight bytes, its length, and its column.
      const bodies = records.flatMap(({ body }) => (body.kind === 'Mutate' ? body.columns : []));
      expect(bodies.reduce((sum, { cells }) => sum + cells.length, 0)).toBeLessThan(4_096 * 20);
    }
    await writer[Symbol.asyncDispose]();
  });

  it('refuses the rows that would make one too many, and no others', async () => {
    const { writer, post } = await setUp(4);
    const { payload } = await post('application/json', JSON.stringify({ rows: [0, 1, 2].map(rowOf) }));
    expect(JSON.parse(payload)).toMatchObject({ accepted: 1, rejected: 2 });
    expect(writer.keyspace.tables[0]!.dynamicColumns).toBe(3);
    await writer[Symbol.asyncDispose]();
  });

  it('and is refused brings none', async () => {
    const { writer, post, told } = await setUp(10);
    const body = (line: number, more: object) => JSON.stringify({ rows: [{ origin: 'A', line, ...more }] });
    expect((await post('application/json', body(1, {}), 'k')).statusCode).toBe(200);
    expect((await post('application/json', body(2, { fresh: 1 }), 'k')).statusCode).toBe(422);
    expect(writer.keyspace.tables[0]!.dynamicColumns).toBe(0);
    expect(await told()).toEqual([1, 1, 1, 1]);
    await writer[Symbol.asyncDispose]();
  });
});

describe('many small batches that each bring a column', () => {
  it('are told of together while they wait for their turn', async () => {
    const { writer, post, told, rowsIn, store } = await setUp(200);
    store.appendMs = () => 20;
    const posts = Array.from({ length: 100 }, (_, line) =>
      post('application/json', JSON.stringify({ rows: [{ origin: `O${line % 7}`, line, [`c${line}`]: line }] })),
    );
    expect(new Set((await Promise.all(posts)).map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    for (const count of await told()) expect(count).toBeLessThan(30);
    expect(writer.keyspace.tables[0]!.dynamicColumns).toBe(100);
    expect(await rowsIn()).toBe(100);
    await writer[Symbol.asyncDispose]();
  });
});
