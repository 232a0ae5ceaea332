import { connect } from 'node:net';
import { SILENT } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { hostNameIn, isOwnHost } from './callers.ts';
import { listen } from './listen.ts';
import { createHttp } from './server.ts';

async function site() {
  const app = createHttp({
    random: new SeededRandom(1),
    logger: SILENT,
    onFatal: () => undefined,
    refusal: () => null,
    onAnswered: () => undefined,
    bodyBytesMax: 1024 * 1024,
    hosts: new Set(['paris', 'db.example']),
  });
  let scans = 0;
  app.post('/scan', async (request) => ({ scans: ++scans, body: request.body ?? null }));
  const url = await listen(app, { host: '127.0.0.1', port: 0 });
  const { port } = new URL(url);
  /** Bytes as they are, and all that comes back until the connection is closed. */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  const post = (headers: string, body = '') =>
    raw(`POST /scan HTTP/1.1\r\nconnection: close\r\ncontent-length: ${body.length}\r\n${headers}\r\n\r\n${body}`);
  return { raw, post, port, scans: () => scans, [Symbol.asyncDispose]: () => app.close() };
}

describe('who asks', () => {
  it('is known by an address, localhost or a name of the configuration', () => {
    const names = new Set(['paris', 'db.example']);
    const own = ['127.0.0.1', '127.0.0.1:7410', '[::1]:80', 'LocalHost', '10.0.0.7:1', 'paris:7410', 'DB.example.'];
    for (const host of own) expect([host, isOwnHost(host, names)]).toEqual([host, true]);
    for (const host of [
      'evil.example',
      'paris.evil.example',
      '127.0.0.1.evil.example',
      '',
      'a b',
      'x@paris',
      '[paris]',
    ])
      expect([host, isOwnHost(host, names)]).toEqual([host, false]);
    expect(hostNameIn('[::1]:80')).toBe('::1');
  });

  it('is no page of another origin, under whatever name: refused by name, nothing is done', async () => {
    await using w = await site();
    const own = `host: 127.0.0.1:${w.port}`;
    for (const [headers, named] of [
      ['host: evil.example', 'evil.example'],
      [`${own}\r\norigin: http://evil.example`, 'http://evil.example'],
      [`${own}\r\norigin: null`, 'null'],
      [`${own}\r\norigin: http://127.0.0.1:1`, 'http://127.0.0.1:1'],
      [`${own}\r\nsec-fetch-site: cross-site`, 'cross-site'],
    ]) {
      const answer = await w.post(headers!);
      expect(answer).toMatch(/^HTTP\/1.1 403 /);
      expect(answer).toContain('application/problem+json');
      expect(answer).toContain(named);
    }
    expect(w.scans()).toBe(0);
    for (const headers of [own, 'host: paris:9', `${own}\r\norigin: http://127.0.0.1:${w.port}`])
      expect(await w.post(headers)).toMatch(/^HTTP\/1.1 200 /);
  });

  it('is told what is wrong as a problem, whatever was sent', async () => {
    await using w = await site();
    const own = `host: 127.0.0.1:${w.port}`;
    for (const [sent, status] of [
      [`GET /%zz HTTP/1.1\r\n${own}\r\nconnection: close\r\n\r\n`, 400],
      [`GET / HTTP/1.1\r\n${own}\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
      ['NONSENSE\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    ] as const) {
      const answer = await w.raw(sent);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toContain('application/problem+json');
    }
    for (const open of ['[', '{"a":']) {
      const answer = await w.post(`${own}\r\ncontent-type: application/json`, open.repeat(6_000));
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).toContain('nested more than 100 deep');
    }
    expect(w.scans()).toBe(0);
  });
});
