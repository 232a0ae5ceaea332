import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { describe, expect, it } from 'vitest';
import { untilDone } from '../testing/asking.ts';
import { Connections } from './connections.ts';

async function world(connectionsMax: number, stuckMs = 60_000) {
  const connections = new Connections(SILENT, {
    isPeers: false,
    connectionsMax,
    stuckMs,
    bodiesBytesMax: 1_000,
    answersBytesMax: 16_000,
  });
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    // More than any buffer on the way holds, nothing for now, or a word.
    if (request.url === '/much') response.end(Buffer.alloc(MUCH_BYTES));
    else if (request.url?.endsWith('wait') !== true) request.resume().on('end', () => response.end('done'));
  });
  connections.watch(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  const open: Socket[] = [];
  const dial = async (text = ''): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    if (text !== '') socket.write(text);
    open.push(socket);
    return socket;
  };
  const stop = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  /** Until so many requests have been seen. */
  const seen = (count: number) => untilDone(() => Promise.resolve(expect(requests).toBe(count)));
  return { connections, dial, seen, [Symbol.asyncDispose]: stop };
}

const closed = (socket: Socket): Promise<unknown> => (socket.closed ? Promise.resolve() : once(socket, 'close'));

const MUCH_BYTES = 64 * 1024 * 1024;
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const HALF = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf';

describe('connections', () => {
  it('that ask for nothing go first, then those whose body is not here; what comes new is answered', async () => {
    await using w = await world(3);
    const [idle, half] = [await w.dial(), await w.dial(HALF)];
    const third = await w.dial();
    const asked = await w.dial('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await closed(idle);
    await closed(asked);
    expect(asked.bytesRead).toBeGreaterThan(0);
    third.destroy();
    await w.seen(2);
    await Promise.all([w.dial(HALF), w.dial(HALF)]);
    await w.seen(4);
    await w.dial(HALF);
    await closed(half);
    expect(w.connections.evicted).toBe(2);
  });

  it('that a client keeps for its next request go after those that never asked, and after bodies that do not come', async () => {
    await using w = await world(3);
    const kept = await w.dial(get('/'));
    await untilDone(() => Promise.resolve(expect(kept.bytesRead).toBeGreaterThan(0)));
    const [idle, half] = [await w.dial(), await w.dial(HALF)];
    await w.seen(2);
    await w.dial(HALF);
    await closed(idle);
    await w.seen(3);
    await w.dial(HALF);
    await closed(half);
    await w.seen(4);
    const before = kept.bytesRead;
    kept.write(get('/'));
    await untilDone(() => Promise.resolve(expect(kept.bytesRead).toBeGreaterThan(before)));
    expect(w.connections.evicted).toBe(2);
  });

  it('of which half a body came, and then nothing, are closed', async () => {
    await using w = await world(10, 50);
    const half = await w.dial(HALF);
    await closed(half);
    const whole = await w.dial(`${HALF}-whole`);
    await untilDone(() => Promise.resolve(expect(whole.bytesRead).toBeGreaterThan(0)));
    expect(whole.destroyed).toBe(false);
  });

  it('that take nothing of their answer are closed; those that wait for one are not', async () => {
    await using w = await world(10, 50);
    const [unread, waiting] = [await w.dial(), await w.dial(get('/wait'))];
    unread.pause();
    unread.write(get('/much'));
    await w.seen(2);
    // The server gives up first: what it had not sent is missing at the end.
    await untilDone(() => Promise.resolve(expect(w.connections.open).toBe(1)));
    unread.resume();
    await closed(unread);
    expect(unread.bytesRead).toBeLessThan(MUCH_BYTES);
    expect(waiting.destroyed).toBe(false);
  });

  it('that do not take their answer go next, then those of clients that wait; those between sites stay', async () => {
    await using w = await world(3);
    const [client, site] = [await w.dial(get('/wait')), await w.dial(get('/v1/internal/wait'))];
    const unread = await w.dial();
    unread.pause();
    unread.write(get('/much'));
    await w.seen(3);
    const first = await w.dial(get('/v1/internal/wait'));
    await w.seen(4);
    unread.resume();
    await closed(unread);
    expect([client.destroyed, w.connections.evicted]).toEqual([false, 1]);
    await w.dial(get('/v1/internal/wait'));
    await closed(client);
    await w.seen(5);
    await closed(await w.dial());
    expect([site.destroyed, first.destroyed, w.connections.evicted]).toEqual([false, false, 3]);
  });

  it('bring bodies of so many bytes at once, and are refused beyond', () => {
    const connections = new Connections(SILENT, {
      isPeers: false,
      connectionsMax: 1,
      stuckMs: 1,
      bodiesBytesMax: 1_000,
      answersBytesMax: 16_000,
    });
    const asked = (length?: string) => {
      const request = Object.assign(new EventEmitter(), { headers: { 'content-length': length } });
      return { request: request as IncomingMessage, response: new EventEmitter() as ServerResponse };
    };
    const admit = (length?: string) => {
      const { request, response } = asked(length);
      connections.admitBody(request, response);
      return { request, response };
    };
    const refused = (): unknown => {
      try {
        admit('1').request.emit('end');
        return null;
      } catch (error) {
        return error;
      }
    };
    const [here, answered] = [admit('600'), admit('400')];
    admit();
    expect(isFault(refused(), 'unavailable')).toBe(true);
    here.request.emit('end');
    expect(refused()).toBeNull();
    admit('600');
    expect(isFault(refused(), 'unavailable')).toBe(true);
    // Refused by its length, say: nothing of it is held, however much of it still comes.
    answered.response.emit('close');
    expect(refused()).toBeNull();
  });

  it('hold answers of so many bytes until they are taken: reads are refused beyond, others close who waits for longest', () => {
    const { connections, answer, refused } = answering();
    const [first, second] = [answer(7_000), answer(7_000)];
    expect([refused(1_000), refused(1_001), connections.answersBytes]).toEqual([false, true, 14_000]);
    first.response.emit('finish');
    expect([refused(1_001), connections.answersBytes]).toEqual([false, 7_000]);
    const third = answer(9_000);
    expect([refused(0), connections.evicted, connections.answersBytes]).toEqual([true, 0, 16_000]);
    // An ack is not refused.
    answer(1);
    expect([second.socket.destroyed, third.socket.destroyed]).toEqual([true, false]);
    expect([connections.evicted, connections.answersBytes]).toEqual([1, 9_001]);
    // What is known to be closed frees nothing again.
    second.response.emit('finish');
    second.socket.emit('close');
    expect(connections.answersBytes).toBe(9_001);
  });

  it('that are closed hold no answers, however many were asked for on one', () => {
    const { connections, answer } = answering();
    const { socket, response } = answer(5_000);
    answer(4_000, socket);
    answer(3_000, socket);
    response.emit('finish');
    expect(connections.answersBytes).toBe(7_000);
    socket.destroy();
    socket.emit('close');
    expect(connections.answersBytes).toBe(0);
    // Nobody waits for what is made for it now.
    answer(2_000, socket);
    expect(connections.answersBytes).toBe(0);
  });

  it('do not bring anybody an answer that is larger than all the room', () => {
    const { connections, answer } = answering();
    const { socket } = answer(16_001);
    expect([socket.destroyed, connections.answersBytes]).toEqual([true, 0]);
  });
});

/** Connections with room for 16,000 bytes of answers, of which nobody takes any by itself. */
function answering() {
  const limits = { isPeers: false, connectionsMax: 10, stuckMs: 60_000, bodiesBytesMax: 1, answersBytesMax: 16_000 };
  const connections = new Connections(SILENT, limits);
  const server = new EventEmitter() as Server;
  connections.watch(server);
  const dial = (): Socket => {
    const socket = new Socket();
    server.emit('connection', socket);
    return socket;
  };
  const answer = (bytes: number, socket = dial()) => {
    const response = new EventEmitter() as ServerResponse;
    connections.holdAnswer({ socket } as IncomingMessage, response, bytes);
    return { socket, response };
  };
  const refused = (bytes: number): boolean => {
    try {
      connections.checkRoom(bytes);
      return false;
    } catch (error) {
      if (isFault(error, 'unavailable')) return true;
      throw error;
    }
  };
  return { connections, answer, refused };
}
