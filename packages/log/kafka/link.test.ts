import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { KafkaLink } from './link.ts';

/** Somebody who takes connections and answers every request with these bytes. */
async function impostor(answer: Buffer): Promise<{ address: string; [Symbol.asyncDispose]: () => Promise<void> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => socket.write(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const frame = (length: number, rest = 0): Buffer => {
  const bytes = Buffer.alloc(4 + rest, 7);
  bytes.writeInt32BE(length, 0);
  return bytes;
};

describe('a connection to a broker', () => {
  // Thrown where the bytes arrive it would end the process: vitest fails on what nobody caught.
  it.each([
    ['a negative length', frame(-5, 12)],
    ['a length of nothing', frame(0, 12)],
    ['a length too short for an answer', frame(3, 12)],
    ['a length beyond all bounds', frame(0x7fffffff, 12)],
    ['the greeting of another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an answer that is cut short', frame(6, 6)],
  ])('that brings %s is closed, and whoever waits is told', async (_what, answer) => {
    await using there = await impostor(answer);
    const options = { clock: new SystemClock(), clientId: 'test', openMsMax: 2_000 };
    await expect(KafkaLink.open(there.address, options)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
