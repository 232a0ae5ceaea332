import { encodeColumnarRows } from '@tidemark/columnar/columnar-write';
import type { ColumnType } from '@tidemark/model/column-type';
import { FAULT_MEANINGS, isFault } from '@tidemark/platform/fault';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import type { Writer } from '../writer.ts';
import { registerWriterRoutes } from './http.ts';

const clock = new SystemClock();

/** One way to ask for something; the first three are the same request in other forms. */
const FORMS = ['json', 'ndjson', 'columns', 'PATCH', 'DELETE'] as const;
const TABLES = ['flights', 'hotels'] as const;
const CONTENTS = [3, 4] as const;
type Use = { readonly form: (typeof FORMS)[number]; readonly table: string; readonly line: number };
const USES: readonly Use[] = FORMS.flatMap((form) =>
  TABLES.flatMap((table) => CONTENTS.map((line) => ({ form, table, line }))),
);
const verbOf = ({ form }: Use): string => (form === 'PATCH' || form === 'DELETE' ? form : 'POST');
const isSameUse = (one: Use, other: Use): boolean =>
  verbOf(one) === verbOf(other) && one.table === other.table && one.line === other.line;

function site(writerOf: () => Writer) {
  const app = fastify();
  registerWriterRoutes(app, {
    site: 'paris',
    clock,
    writerOf,
    pending: new SharedMemory(1e9),
    requestTimeoutMs: 3_000,
  });
  app.setErrorHandler((error, _request, reply) => {
    if (!isFault(error)) throw error;
    return reply.code(FAULT_MEANINGS[error.kind].status).send({ kind: error.kind, detail: error.message });
  });
  const send = async (use: Use, key: string, headers: Record<string, string> = {}) => {
    const { form, table, line } = use;
    // The same key, so that only what is asked for it differs; beside it a row of another partition.
    const rows = [
      { origin: 'A', line: 1, delay: line },
      { origin: 'C', line, delay: 1 },
    ];
    const base = `/v1/travel/${table}/rows`;
    const asked = { 'idempotency-key': key, ...headers };
    const post = (type: string, payload: string | Buffer, query = '') =>
      app.inject({ method: 'POST', url: base + query, headers: { ...asked, 'content-type': type }, payload });
    if (form === 'json') return post('application/json', JSON.stringify({ rows }));
    if (form === 'ndjson') return post('application/x-ndjson', rows.map((row) => JSON.stringify(row)).join('\n'));
    if (form === 'columns') return post('application/vnd.tidemark.columns', columnsOf(rows));
    const one = { method: form, url: `${base}/A/1`, headers: asked };
    return app.inject(form === 'PATCH' ? { ...one, payload: { delay: line } } : { ...one, url: `${base}/A/${line}` });
  };
  const lines = (count: number, batchRows: number, key: string) =>
    app.inject({
      method: 'POST',
      url: `/v1/travel/flights/rows?batchRows=${batchRows}`,
      headers: { 'idempotency-key': key, 'content-type': 'application/x-ndjson' },
      payload: Array.from({ length: count }, (_, i) => JSON.stringify({ origin: `O${i % 5}`, line: i, delay: i })).join(
        '\n',
      ),
    });
  return { send, lines };
}

function columnsOf(rows: readonly { origin: string; line: number; delay: number }[]): Buffer {
  const types: [string, ColumnType][] = [
    ['origin', { name: 'string' }],
    ['line', { name: 'int' }],
    ['delay', { name: 'int' }],
  ];
  return encodeColumnarRows(new Map(types), rows);
}

describe('an idempotency key', () => {
  it('stands for one verb, table and content, also in another form and after a restart', async () => {
    const { start, rowsIn } = await setUpWriter('local');
    let writer = await start();
    const { send } = site(() => writer);
    const keyOf = (i: number): string => `key ${i}`;
    for (const [i, use] of USES.entries()) expect((await send(use, keyOf(i))).statusCode).toBe(200);
    const stored = await rowsIn();
    for (const life of ['first', 'second']) {
      for (const [i, first] of USES.entries()) {
        for (const second of USES) {
          const { statusCode, body } = await send(second, keyOf(i));
          const words = `${life} life: ${JSON.stringify(first)}, then ${JSON.stringify(second)}: ${body}`;
          expect([statusCode, words]).toEqual([isSameUse(first, second) ? 200 : 422, words]);
          if (statusCode === 422)
            for (const use of [first, second]) expect(body).toContain(`${verbOf(use)} travel.${use.table}`);
        }
      }
      expect(await rowsIn()).toBe(stored);
      await writer[Symbol.asyncDispose]();
      writer = await start();
    }
    await writer[Symbol.asyncDispose]();
  });

  it('of a stream stands for its batches: cut otherwise, none of it is written again', async () => {
    const { start, rowsIn } = await setUpWriter('local');
    await using writer = await start();
    const { lines } = site(() => writer);
    expect((await lines(40, 10, 'stream')).body).toContain('"accepted":40');
    expect((await lines(40, 10, 'stream')).body).toContain('"accepted":40');
    for (const batchRows of [5, 20, 40, 1_000]) {
      const { statusCode, body } = await lines(40, batchRows, 'stream');
      expect([statusCode, batchRows, body.includes('in batches of 10 lines')]).toEqual([422, batchRows, true]);
    }
    expect(await rowsIn()).toBe(40);
  });

  it('that is older than what is known of keys is refused, and says so', async () => {
    const timing = { ...TIMING, requestWindowMs: 200, writerCheckpointMs: 50 };
    const { start, rowsIn } = await setUpWriter('local', { timing });
    let writer = await start();
    const { send } = site(() => writer);
    const use = { form: 'json', table: 'flights', line: 3 } as const;
    await send(use, 'old');
    for (let i = 0; i < 8; i++) {
      await clock.sleep(100);
      await send(use, `other ${i}`);
    }
    const stored = await rowsIn();
    for (const _ of ['first', 'second']) {
      const late = await send(use, 'old', { 'tidemark-key-age-ms': '5000' });
      expect([late.statusCode, late.json().kind]).toEqual([422, 'keyForgotten']);
      expect(late.body).toContain('5000 ms ago');
      expect(await rowsIn()).toBe(stored);
      await writer[Symbol.asyncDispose]();
      writer = await start();
    }
    expect((await send(use, 'new', { 'tidemark-key-age-ms': '0' })).statusCode).toBe(200);
    expect((await send(use, 'old', { 'tidemark-key-age-ms': 'soon' })).statusCode).toBe(400);
    await writer[Symbol.asyncDispose]();
  });
});
