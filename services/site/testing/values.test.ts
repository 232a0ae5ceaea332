/** One site, asked as programs ask it: every value comes back as it went in, or is refused by name. */

import { request as rawRequest } from 'node:http';
import { connect, table } from '@tidemark/client';
import { keySegment } from '@tidemark/model/text/key-path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, askAt, send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const ODD = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'] as const;
const FILE = {
  keyspace: 'v',
  primary: 'paris',
  ack: 'local',
  sites: { paris: 'data', tokyo: 'witness', quito: 'witness' },
  partitions: 2,
  tables: {
    pairs: { columns: { a: 'string', b: 'string', n: 'long' }, partitionKey: 'a', sortKey: ['b'] },
    blobs: { columns: { k: 'bytes', n: 'int' }, partitionKey: 'k' },
    sums: { columns: { k: 'int', n: 'long', d: 'decimal(18,2)', x: 'double' }, partitionKey: 'k' },
    odd: {
      columns: { k: 'string', ...Object.fromEntries(ODD.map((name) => [name, 'int'])) },
      partitionKey: 'k',
      dynamicColumns: { max: 8 },
    },
  },
};

let sites: EmbeddedSites;
let url: string;
const ask = (path: string, request?: RequestInit): Promise<Answer> => askAt(url, path, request);

beforeAll(async () => {
  sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  url = sites.running.get('paris')!.url;
  await untilDone(async () => {
    const { status } = await ask('/v1/v/pairs/rows', send('POST', { rows: [{ a: 'first', b: 'x', n: 0 }] }));
    expect(status).toBe(200);
  });
}, 30_000);

afterAll(() => sites[Symbol.asyncDispose](), 30_000);

/** Rows that were written are read after their token. */
async function write(name: string, rows: object[]): Promise<string> {
  const { status, body } = await ask(`/v1/v/${name}/rows`, send('POST', { rows }));
  expect(body).toMatchObject({ accepted: rows.length });
  expect(status).toBe(200);
  return (body as { token: string }).token;
}

const after = (token: string): RequestInit => ({ headers: { 'tidemark-at-least': token } });
const scan = (name: string, query: object, headers: object = {}): Promise<Answer> => {
  const { headers: json, ...rest } = send('POST', query);
  return ask(`/v1/v/${name}/scan`, { ...rest, headers: { ...(json as object), ...headers } });
};

describe('keys in paths', () => {
  const parts = ['', '.', '..', '~', '~.', '~~', '~a', 'a/b', '%2e', 'é', 'a'];
  const pairs = parts.flatMap((a) => ['', '.', '..', 'a'].map((b) => ({ a, b })));

  it('name their own row, whatever clients make of paths', async () => {
    const token = await write(
      'pairs',
      pairs.map((pair, n) => ({ ...pair, n })),
    );
    await using db = await connect([url]);
    const declared = table('v.pairs', {
      columns: { a: 'string', b: 'string', n: 'long' },
      partitionKey: 'a',
      sortKey: ['b'],
    });
    for (const [n, { a, b }] of pairs.entries()) {
      const found = await ask(`/v1/v/pairs/rows/${keySegment(a)}/${keySegment(b)}`, after(token));
      expect(found, `${a}|${b}`).toEqual({ status: 200, body: { a, b, n } });
      expect(await db.get(declared, { a, b })).toEqual({ a, b, n: BigInt(n) });
    }
    const { body } = await ask('/v1/v/pairs/rows/~');
    expect((body as { rows: { b: string }[] }).rows.map(({ b }) => b)).toEqual(['', '.', '..', 'a']);
  });

  it('are never another row: what a client took away is an empty part, and refused', async () => {
    for (const path of [
      '/v1/v/pairs/rows/a/.',
      '/v1/v/pairs/rows/a/',
      '/v1/v/pairs/rows//a',
      '/v1/v/pairs/rows/%2e/a/',
    ]) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await ask(path, method === 'PATCH' ? send(method, { n: 1 }) : { method });
        expect(answer, `${method} ${path}`).toMatchObject({ status: 400, body: { kind: 'invalid' } });
      }
    }
  });

  it('change and delete that row too, and the body may not name another', async () => {
    const path = `/v1/v/pairs/rows/${keySegment('.')}/${keySegment('a/b%')}`;
    expect(await ask(path, send('PATCH', { n: 7 }))).toMatchObject({ status: 200, body: { accepted: 1 } });
    const same = await ask(path, send('PATCH', { n: 8, a: '.', b: 'a/b%' }));
    expect(same.status).toBe(200);
    const { token } = same.body as { token: string };
    expect(await ask(path, after(token))).toEqual({ status: 200, body: { a: '.', b: 'a/b%', n: 8 } });
    expect(await ask(path, send('PATCH', { n: 9, a: 'other' }))).toMatchObject({
      status: 400,
      body: { column: 'a', got: '"other"', expected: '"."' },
    });
    expect(await ask(path, send('PATCH', { n: 9, b: null }))).toMatchObject({ status: 400, body: { column: 'b' } });
    const gone = (await ask(path, { method: 'DELETE' })).body as { token: string };
    expect(await ask(path, after(gone.token))).toMatchObject({ status: 404 });
  });

  it('of no bytes at all can be put and got', async () => {
    const token = await write('blobs', [
      { k: { $bytes: '' }, n: 1 },
      { k: { $bytes: '/w==' }, n: 2 },
    ]);
    expect(await ask('/v1/v/blobs/rows/~', after(token))).toEqual({ status: 200, body: { k: { $bytes: '' }, n: 1 } });
    await using db = await connect([url]);
    const blobs = table('v.blobs', { columns: { k: 'bytes', n: 'int' }, partitionKey: 'k' });
    expect(await db.get(blobs, { k: new Uint8Array(0) })).toMatchObject({ n: 1 });
    expect(await db.get(blobs, { k: Uint8Array.of(255) })).toMatchObject({ n: 2 });
  });
});

describe('query parameters', () => {
  it.each([
    ['GET', '/v1/v/pairs/rows/a?sort=desc', 'query parameter "sort", expected one of read, timeoutMs, from, after'],
    ['GET', '/v1/v/pairs/rows/a?limits=2', 'query parameter "limits" (nearest: limit), expected'],
    ['GET', '/v1/v/pairs/rows/a?limit=2&limit=3', 'query parameter "limit" comes twice'],
    ['POST', '/v1/v/pairs/rows?akc=local', 'query parameter "akc" (nearest: ack)'],
    ['POST', '/v1/v/pairs/scan?limit=3', 'query parameter "limit", expected one of read, timeoutMs'],
    ['GET', '/v1/status?verbose', 'query parameter "verbose", expected none'],
    ['GET', '/livez?__proto__=1', 'query parameter "__proto__", expected none'],
    ['PUT', '/v1/keyspaces/v?dry-run=true', 'query parameter "dry-run" (nearest: dryRun)'],
    ['GET', '/v1/history?keyspcae=v', '(nearest: keyspace)'],
    ['GET', '/primary?table=v', 'query parameter "table", expected one of keyspace'],
  ])('%s %s is refused by name', async (method, path, words) => {
    const body = method === 'GET' ? {} : send(method, { rows: [] });
    const { status, body: problem } = await ask(path, { ...body, method });
    expect((problem as { detail: string }).detail).toContain(words);
    expect(status).toBe(400);
  });
});

it('a field beside the rows of a body is refused by name: it would be left out in silence', async () => {
  const answer = await ask('/v1/v/pairs/rows', send('POST', { rows: [{ a: 'x', b: 'y' }], ack: 'sync(1)' }));
  expect(answer).toMatchObject({ status: 400, body: { got: 'ack' } });
});

describe('content types', () => {
  const row = '{"a":"ct","b":"x","n":1}\n{"a":"ct","b":"y","n":2}\n';
  const post = (type: string) =>
    ask('/v1/v/pairs/rows', { method: 'POST', headers: { 'content-type': type }, body: row });

  it.each(['Application/X-NDJSON', 'application/x-ndjson ; charset=UTF-8', 'application/x-ndjson;charset="utf-8"'])(
    '%s is lines of JSON',
    async (type) => {
      expect(await post(type)).toMatchObject({ status: 200, body: { batch: 0, accepted: 2 } });
    },
  );

  it('of another encoding is refused by name', async () => {
    expect(await post('application/x-ndjson; charset=latin1')).toMatchObject({ status: 415 });
  });
});

describe('names of what every object has', () => {
  const declared = table('v.odd', {
    columns: { k: 'string', constructor: 'int', toString: 'int', hasOwnProperty: 'int', valueOf: 'int' },
    partitionKey: 'k',
  });

  it('are columns like others, with a value and without', async () => {
    const full = Object.fromEntries(ODD.map((name, i) => [name, i]));
    const token = await write('odd', [{ k: 'full', ...full }, { k: 'bare' }]);
    expect(await ask('/v1/v/odd/rows/full', after(token))).toEqual({ status: 200, body: { k: 'full', ...full } });
    expect(await ask('/v1/v/odd/rows/bare')).toEqual({ status: 200, body: { k: 'bare' } });
    await using db = await connect([url]);
    const none = Object.fromEntries(ODD.map((name) => [name, null]));
    expect(await db.get(declared, { k: 'full' })).toEqual({ k: 'full', ...full });
    expect(await db.get(declared, { k: 'bare' })).toEqual({ k: 'bare', ...none });
    const { body } = await scan('odd', { select: ['constructor'], where: [['k', '=', 'bare']] });
    expect(body).toEqual({ constructor: null });
  });

  it.each(['$end', '$error', '$x', '__proto__', '', '\ud800'])('%j names no column of a result', async (as) => {
    const { status, body } = await scan('odd', { select: [{ count: '*', as }] });
    expect([status, (body as { kind: string }).kind]).toEqual([400, 'invalid']);
  });

  it('a row that names __proto__ is refused, as JSON and as a line of it', async () => {
    const text = '{"k":"p","__proto__":5}';
    for (const [type, body] of [
      ['application/json', `{"rows":[${text}]}`],
      ['application/x-ndjson', text],
    ] as const) {
      const headers = { 'content-type': type };
      const { status, body: problem } = await ask('/v1/v/odd/rows', { method: 'POST', headers, body });
      expect([status, (problem as { detail: string }).detail]).toEqual([400, expect.stringContaining('__proto__')]);
    }
    await using db = await connect([url]);
    const row = JSON.parse(text) as never;
    await expect(db.put(declared, row)).rejects.toThrow('__proto__');
  });
});

describe('sums beyond what a column holds', () => {
  const ARROW = { accept: 'Application/vnd.apache.arrow.stream' };

  it('are exact in JSON, and refused by name where Arrow has no room, before anything is sent', async () => {
    const token = await write('sums', [
      { k: 1, n: '9223372036854775807', d: '9999999999999999.99' },
      { k: 2, n: '9223372036854775807', d: '9999999999999999.99' },
    ]);
    const of = (item: object) => ({ select: [{ ...item, as: 's' }] });
    const atLeast = { 'tidemark-at-least': token };
    expect((await scan('sums', of({ sum: 'n' }), atLeast)).body).toEqual({ s: '18446744073709551614' });
    expect((await scan('sums', of({ sum: 'd' }), atLeast)).body).toEqual({ s: '19999999999999999.98' });
    for (const column of ['n', 'd']) {
      expect(await scan('sums', of({ sum: column }), { ...atLeast, ...ARROW })).toMatchObject({
        status: 400,
        body: { kind: 'invalid', column: 's' },
      });
    }
    expect((await scan('sums', of({ max: 'n' }), { ...atLeast, ...ARROW })).status).toBe(200);
  });

  it('−0 is 0 however it comes in', async () => {
    const lines = '{"k":11,"x":-0}\n{"k":12,"x":-0.0}\n{"k":13,"x":-1e-400}\n';
    const headers = { 'content-type': 'application/x-ndjson' };
    await ask('/v1/v/sums/rows', { method: 'POST', headers, body: lines });
    await using db = await connect([url]);
    const sums = table('v.sums', { columns: { k: 'int', x: 'double' }, partitionKey: 'k' });
    const receipt = await db.put(sums, { k: 14, x: -0 });
    for (const k of [11, 12, 13, 14]) {
      const row = await db.get(sums, { k }, { atLeast: receipt.token });
      expect(Object.is(row?.x, 0), `${k}`).toBe(true);
    }
  });
});

it('a path that no URL parser has touched keeps its dots', async () => {
  const token = await write('pairs', [{ a: '..', b: '.', n: 42 }]);
  const { hostname, port } = new URL(url);
  const text = await new Promise<string>((resolve, reject) => {
    const path = '/v1/v/pairs/rows/../.';
    const headers = { 'tidemark-at-least': token };
    rawRequest({ hostname, port, path, headers }, async (response) => {
      let all = '';
      for await (const chunk of response) all += String(chunk);
      resolve(all);
    })
      .on('error', reject)
      .end();
  });
  expect(JSON.parse(text)).toEqual({ a: '..', b: '.', n: 42 });
});
