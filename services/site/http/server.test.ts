import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Fault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { untilDone } from '../testing/asking.ts';
import { REQUESTS_AT_ONCE_MAX } from './connections.ts';
import { listen } from './listen.ts';
import { createHttp, registerProbes } from './server.ts';

function site(options: { refusal?: string; missing?: string[] } = {}) {
  const fatal: unknown[] = [];
  const logged: string[] = [];
  const answered: [string, number][] = [];
  const app = createHttp({
    random: new SeededRandom(1),
    logger: { ...SILENT, error: (_fields, message) => logged.push(message) },
    onFatal: (error) => fatal.push(error),
    refusal: () => options.refusal ?? null,
    onAnswered: (route, status) => answered.push([route, status]),
    bodyBytesMax: 1024,
    hosts: new Set(['paris', 'db.example']),
  });
  registerProbes(app, {
    site: 'paris',
    missing: () => options.missing ?? [],
    writable: (keyspace) => (keyspace === 'travel' ? true : keyspace === null ? false : null),
    epochOf: () => 7,
    metrics: async () => ({ type: 'text/plain', text: 'up 1\n' }),
  });
  app.post('/echo', async (request) => request.body);
  app.get('/fault', async () => {
    throw new Fault('unavailable', 'log is away', { retryAfterMs: 2_500 });
  });
  app.get('/v1/history', async () => {
    throw new Fault('notLeader', 'tokyo writes', { location: 'http://127.0.0.1:1' });
  });
  app.get('/bug', async () => {
    assert.fail('heads went back');
  });
  app.get('/key/:part', async (request) => request.params);
  return { app, fatal, logged, answered };
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe('http', () => {
  it('answers a fault with its status, a problem body and its headers', async () => {
    const { app } = site();
    const away = await app.inject('/fault');
    expect(away.statusCode).toBe(503);
    expect(away.headers).toMatchObject({ 'content-type': 'application/problem+json', 'retry-after': '3' });
    expect(away.json()).toMatchObject({ kind: 'unavailable', detail: 'log is away', retryAfterMs: 2_500 });
    const elsewhere = await app.inject('/v1/history?all=1');
    expect(elsewhere.json().kind).toBe('notLeader');
    expect([elsewhere.statusCode, elsewhere.headers.location]).toEqual([307, 'http://127.0.0.1:1/v1/history?all=1']);
  });

  it('refuses a JSON body that is not UTF-8 by the byte, and one whose numbers it would round by their digits', async () => {
    const { app } = site();
    const post = (payload: Buffer | string) =>
      app.inject({ method: 'POST', url: '/echo', payload, headers: JSON_TYPE });
    const bad = await post(Buffer.concat([Buffer.from('{"k":\n"a'), Buffer.of(0xc3), Buffer.from('"}')]));
    expect([bad.statusCode, bad.json().detail]).toEqual([400, 'body, line 2, byte 3: 0xc3 is not UTF-8']);
    expect((await post('{"k":"é","v":1.0000000000000000001}')).json()).toEqual({ k: 'é', v: '1.0000000000000000001' });
  });

  it('names the request in the problem and in the answer, by the id the caller chose if it is one', async () => {
    const { app } = site();
    const chosen = await app.inject({ url: '/nowhere', headers: { 'x-request-id': 'load-17' } });
    expect([chosen.json().requestId, chosen.headers['x-request-id']]).toEqual(['load-17', 'load-17']);
    const made = await app.inject({ url: '/nowhere', headers: { 'x-request-id': 'a b\n' } });
    expect(made.json().requestId).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each([
    [404, 'notFound', { method: 'GET', url: '/nowhere' }, 'no route GET /nowhere'],
    [
      400,
      'invalid',
      { method: 'POST', url: '/echo', headers: JSON_TYPE, payload: '{"a":' },
      'body is not JSON: Unexpected end',
    ],
    [400, 'invalid', { method: 'POST', url: '/echo', headers: JSON_TYPE, payload: '{"__proto__":1}' }, 'proto'],
    [
      413,
      'tooLarge',
      { method: 'POST', url: '/echo', headers: JSON_TYPE, payload: `"${'x'.repeat(2_000)}"` },
      'too large',
    ],
    [
      415,
      'unsupported',
      { method: 'POST', url: '/echo', headers: { 'content-type': 'x/y' }, payload: 'x' },
      'Unsupported Media Type',
    ],
  ] as const)(
    'answers %i %s in the same shape for what never reaches a handler',
    async (status, kind, request, detail) => {
      const answer = await site().app.inject(request);
      expect(answer.statusCode).toBe(status);
      expect(answer.json()).toMatchObject({ kind, status });
      expect(answer.json().detail).toContain(detail);
    },
  );

  it('logs a bug once, hides its words, and ends the process when an invariant is broken', async () => {
    const { app, fatal, logged } = site();
    const answer = await app.inject('/bug');
    expect(answer.json()).toMatchObject({ status: 500, kind: 'unknown' });
    expect(answer.body).not.toContain('heads');
    expect([fatal.length, logged]).toEqual([1, ['request failed: heads went back']]);
  });

  it('takes a key part of 1 KiB, percent-encoded', async () => {
    const part = 'é'.repeat(512);
    const answer = await site().app.inject(`/key/${encodeURIComponent(part)}`);
    expect(answer.json()).toEqual({ part });
  });

  it('tells load balancers what they ask', async () => {
    const { app, answered } = site();
    const ask = async (url: string) => (await app.inject(url)).statusCode;
    expect([await ask('/livez'), await ask('/readyz'), await ask('/metrics')]).toEqual([200, 200, 200]);
    expect([await ask('/primary?keyspace=travel'), await ask('/primary'), await ask('/primary?keyspace=x')]).toEqual([
      200, 503, 404,
    ]);
    expect(answered.at(-1)).toEqual(['/primary', 404]);
    expect((await app.inject('/primary?keyspace=travel')).json()).toEqual({ primary: true, site: 'paris', epoch: 7 });
  });

  it('says what is missing, and takes nothing but probes while it stops', async () => {
    const { app } = site({ refusal: 'site paris is stopping', missing: ['keyspace travel is starting'] });
    expect((await app.inject('/readyz')).json().detail).toContain('keyspace travel is starting');
    expect((await app.inject('/livez')).statusCode).toBe(200);
    expect((await app.inject('/key/a')).json()).toMatchObject({ status: 503, detail: 'site paris is stopping' });
  });

  it('names the port that is in use', async () => {
    const [one, two] = [site().app, site().app];
    const url = await listen(one, { host: '127.0.0.1', port: 0 });
    const port = Number(new URL(url).port);
    const refused = await listen(two, { host: '127.0.0.1', port }).catch((error: Error) => error.message);
    expect(refused).toBe(`cannot listen on 127.0.0.1:${port}: the port is in use by another process`);
    await Promise.all([one.close(), two.close()]);
  });

  it('answers no more than so many requests that one connection sends before it takes an answer', async () => {
    const { app } = site();
    const go = Promise.withResolvers<void>();
    app.get('/wait', () => go.promise.then(() => ({ waited: true })));
    const url = await listen(app, { host: '127.0.0.1', port: 0 });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (more: string) => {
      text += more;
    });
    const count = (line: RegExp): number => text.match(line)?.length ?? 0;
    const sent = REQUESTS_AT_ONCE_MAX + 3;
    socket.write('GET /wait HTTP/1.1\r\nhost: paris\r\n\r\n'.repeat(sent));
    go.resolve();
    await untilDone(async () => expect(count(/HTTP/g)).toBe(sent));
    expect([count(/HTTP\/1.1 200/g), count(/HTTP\/1.1 503/g)]).toEqual([REQUESTS_AT_ONCE_MAX, 3]);
    expect(text).toContain(`${REQUESTS_AT_ONCE_MAX + 1} requests wait for their answers on one connection`);
    socket.write('GET /wait HTTP/1.1\r\nhost: paris\r\n\r\n');
    await untilDone(async () => expect(count(/HTTP\/1.1 200/g)).toBe(REQUESTS_AT_ONCE_MAX + 1));
    socket.destroy();
    await app.close();
  });
});
