import { once } from 'node:events';
import { connect } from 'node:net';
import { SILENT } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { untilDone } from '../testing/asking.ts';
import { listen, listenToPeers } from './listen.ts';
import { createHttp } from './server.ts';

const ANY = { host: '127.0.0.1', port: 0 };
const BODIES_BYTES_MAX = 256 * 1024 * 1024;

async function site() {
  const app = createHttp({
    random: new SeededRandom(1),
    logger: SILENT,
    onFatal: () => undefined,
    refusal: () => null,
    onAnswered: () => undefined,
    bodyBytesMax: 2 * BODIES_BYTES_MAX,
    hosts: new Set(['paris']),
  });
  app.post('/echo', async (request) => request.body ?? null);
  const peerUrl = await listenToPeers(app, ANY, SILENT);
  return { app, peerUrl, url: await listen(app, ANY), [Symbol.asyncDispose]: () => app.close() };
}

async function echo(url: string, headers = {}): Promise<[status: number, kind: unknown]> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"kind":"said"}' };
  const answer = await fetch(`${url}/echo`, init);
  return [answer.status, ((await answer.json()) as { kind: unknown }).kind];
}

describe('the listener for other sites', () => {
  it('has the routes and the rules of the one for clients, and ends with it', async () => {
    const { app, url, peerUrl } = await site();
    expect(peerUrl).not.toBe(url);
    for (const one of [url, peerUrl]) {
      expect(await echo(one)).toEqual([200, 'said']);
      expect(await echo(one, { origin: 'http://elsewhere' })).toEqual([403, 'forbidden']);
    }
    await app.close();
    await expect(fetch(peerUrl)).rejects.toThrow();
  });

  it('takes bodies though those of clients leave no room', async () => {
    await using s = await site();
    const client = connect(Number(new URL(s.url).port), '127.0.0.1');
    await once(client, 'connect');
    client.write(
      `POST /echo HTTP/1.1\r\nhost: paris\r\ncontent-type: application/json\r\ncontent-length: ${BODIES_BYTES_MAX}\r\n\r\n[`,
    );
    await untilDone(async () => expect(await echo(s.url)).toEqual([503, 'unavailable']));
    expect(await echo(s.peerUrl)).toEqual([200, 'said']);
    client.destroy();
  });

  it('names the port that is in use', async () => {
    await using s = await site();
    const port = Number(new URL(s.peerUrl).port);
    const other = createHttp({
      random: new SeededRandom(1),
      logger: SILENT,
      onFatal: () => undefined,
      refusal: () => null,
      onAnswered: () => undefined,
      bodyBytesMax: 1,
      hosts: new Set(),
    });
    const refused = await listenToPeers(other, { host: '127.0.0.1', port }, SILENT).catch(
      (error: Error) => error.message,
    );
    expect(refused).toBe(`cannot listen on 127.0.0.1:${port}: the port is in use by another process`);
    await other.close();
  });
});
