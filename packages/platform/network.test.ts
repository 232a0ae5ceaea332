import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Fault, isFault } from './fault.ts';
import { HttpNetwork, isTurnedAway } from './network.ts';

const ALONE = { connection: 'close' };
const TIMEOUT_MS = 2_000;

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: stop };
}

describe('HTTP network', () => {
  it('gives status and JSON, of GET and POST; what is no JSON is null', async () => {
    using server = await serve(async (request, reply) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      reply.statusCode = request.method === 'POST' ? 409 : 200;
      reply.end(request.url === '/words' ? 'words' : JSON.stringify({ got: text, method: request.method }));
    });
    const network = new HttpNetwork();
    expect(await network.ask(`${server.url}/a`, { a: 1 }, TIMEOUT_MS)).toEqual({
      status: 409,
      body: { got: '{"a":1}', method: 'POST' },
    });
    for (const headers of [{}, ALONE]) {
      const answer = await network.ask(`${server.url}/a`, null, TIMEOUT_MS, headers);
      expect(answer).toEqual({ status: 200, body: { got: '', method: 'GET' } });
      expect((await network.ask(`${server.url}/words`, null, TIMEOUT_MS, headers)).body).toBeNull();
    }
  });

  it('a request over a connection of its own shares it with no other', async () => {
    const ports: (number | undefined)[] = [];
    using server = await serve((request, reply) => {
      ports.push(request.socket.remotePort);
      reply.end('{}');
    });
    for (let i = 0; i < 4; i++) await new HttpNetwork().ask(server.url, null, TIMEOUT_MS, ALONE);
    expect(new Set(ports).size).toBe(4);
  });

  it('no answer in time, a connection that breaks and nobody there are unknown', async () => {
    using server = await serve((request, reply) => {
      if (request.url === '/broken') reply.socket?.destroy();
      if (request.url === '/half') reply.write('{"a":');
    });
    const gone = await serve(() => {});
    gone[Symbol.dispose]();
    for (const headers of [{}, ALONE]) {
      for (const path of ['/silent', '/broken', '/half']) {
        const error = await new HttpNetwork().ask(`${server.url}${path}`, null, 150, headers).catch((e: unknown) => e);
        expect(isFault(error, 'unknown')).toBe(true);
        if (path === '/silent') expect(isTurnedAway(error as Fault)).toBe(false);
      }
      const error = await new HttpNetwork().ask(gone.url, null, 150, headers).catch((e: unknown) => e);
      expect(isFault(error, 'unknown')).toBe(true);
      expect(isTurnedAway(error as Fault)).toBe(true);
    }
  });
});
