import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { freePort } from '@tidemark/dev/free-port';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { KafkaFrames } from './frames.ts';
import { KafkaLink } from './link.ts';
import { API, type WireRequest } from './wire.ts';

const clock = new SystemClock();

type Asked = { readonly apiKey: number; readonly correlationId: number; readonly clientId: string };
/** What somebody sends back for a request; nothing for null. */
type Reply = (asked: Asked) => Buffer | null;

type Somebody = AsyncDisposable & { readonly address: string; readonly asked: Asked[]; readonly sockets: Set<Socket> };

/** Somebody who takes connections and answers each request as told. */
async function somebody(reply: Reply): Promise<Somebody> {
  const sockets = new Set<Socket>();
  const asked: Asked[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const frames = new KafkaFrames();
    socket.on('data', (bytes) => {
      for (const frame of frames.take(bytes)) {
        const clientId = frame.toString('utf8', 10, 10 + frame.readInt16BE(8));
        const one = { apiKey: frame.readInt16BE(0), correlationId: frame.readInt32BE(4), clientId };
        asked.push(one);
        const answer = reply(one);
        if (answer !== null) socket.write(answer);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const API_VERSIONS = 18;

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value, 0);
  return bytes;
};

const int16s = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => {
    bytes.writeInt16BE(value, i * 2);
  });
  return bytes;
};

/** An answer with its length and the id of what it answers. */
const answerTo = (correlationId: number, payload: Buffer): Buffer =>
  Buffer.concat([int32(4 + payload.length), int32(correlationId), payload]);

/** The versions of a broker that takes everything up to 99, but for these. */
function versions(other: Readonly<Record<number, readonly [number, number]>> = {}): Buffer {
  const all = Object.values(API).map(({ apiKey }) => int16s(apiKey, ...(other[apiKey] ?? [0, 99])));
  return Buffer.concat([int16s(0), int32(all.length), ...all]);
}

/** A broker that says its versions and then does as told. */
function brokerThat(reply: Reply): Promise<Somebody> {
  return somebody((asked) =>
    asked.apiKey === API_VERSIONS ? answerTo(asked.correlationId, versions()) : reply(asked),
  );
}

const open = (address: string): Promise<KafkaLink> =>
  KafkaLink.open(address, { clock, clientId: 'test', openMsMax: 2_000 });

/** A request that is told apart by its key, and brings its answer as text. */
const request = (apiKey: number): WireRequest<string> => ({
  ...{ apiKey, apiVersion: 0, body: [Buffer.from('body')] },
  decode: String,
});

const LONG_MS = 20_000;

describe('a connection to somebody who is no broker', () => {
  const cut = (length: number, rest: number): Buffer => Buffer.concat([int32(length), Buffer.alloc(rest, 7)]);
  // Thrown where the bytes arrive it would end the process: vitest fails on what nobody caught.
  it.each([
    ['a negative length', cut(-5, 12)],
    ['a length of nothing', cut(0, 12)],
    ['a length too short for an answer', cut(3, 12)],
    ['a length beyond all bounds', cut(0x7fffffff, 12)],
    ['the greeting of another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an answer to nothing that was asked', answerTo(99, versions())],
    ['an answer that is cut short', answerTo(0, Buffer.alloc(2))],
    ['an error instead of versions', answerTo(0, Buffer.concat([int16s(35), int32(0)]))],
  ])('that brings %s is closed, and whoever waits is told', async (_what, answer) => {
    await using there = await somebody(() => answer);
    await expect(open(there.address)).rejects.toMatchObject({ kind: 'unavailable' });
    while (there.sockets.size > 0) await clock.sleep(1);
  });

  it('or to nobody says why', async () => {
    const port = await freePort();
    const refused = { kind: 'unavailable', message: expect.stringContaining('ECONNREFUSED') };
    await expect(open(`127.0.0.1:${port}`)).rejects.toMatchObject(refused);
    // By a name there may be more addresses than one.
    await expect(open(`localhost:${port}`)).rejects.toMatchObject(refused);
    await expect(open('localhost')).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('who takes connections and says nothing is given up in time', async () => {
    await using there = await somebody(() => null);
    const opening = KafkaLink.open(there.address, { clock, clientId: 'test', openMsMax: 50 });
    await expect(opening).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('50 ms') });
  });
});

describe('a connection to a broker', () => {
  it.each([
    ['is too old', [0, 12]],
    ['has dropped what is asked', [14, 20]],
    ['does not know it', [-1, -1]],
  ] as const)('that %s is refused, naming the versions', async (_what, [min, max]) => {
    const { apiKey } = API.fetch;
    await using there = await somebody(({ correlationId }) =>
      answerTo(correlationId, versions({ [apiKey]: [min, max] })),
    );
    const message = expect.stringMatching(`Fetch versions ${min} to ${max}, 13 needed`);
    await expect(open(there.address)).rejects.toMatchObject({ kind: 'invalid', message });
    while (there.sockets.size > 0) await clock.sleep(1);
  });

  it('makes Produce in whatever version the broker takes of those that are made', async () => {
    const range = async (min: number, max: number): Promise<number> => {
      const said = versions({ [API.produce.apiKey]: [min, max] });
      await using there = await somebody(({ correlationId }) => answerTo(correlationId, said));
      const link = await open(there.address);
      link.close();
      return link.produceVersion;
    };
    expect(await range(0, 9)).toBe(9);
    expect(await range(13, 15)).toBe(15);
    await expect(range(14, 15)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(range(0, 8)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('brings each answer to who asked, however the bytes come', async () => {
    await using there = await brokerThat(() => null);
    const link = await open(there.address);
    const asked = [5, 6, 7].map((apiKey) => link.send(request(apiKey), LONG_MS));
    while (there.asked.length < 4) await clock.sleep(1);
    expect(there.asked.every(({ clientId }) => clientId === 'test')).toBe(true);
    const answers = there.asked.slice(1).map(({ apiKey, correlationId }) => {
      return answerTo(correlationId, Buffer.from(`for ${apiKey} `.repeat(apiKey)));
    });
    const [socket] = there.sockets;
    for (const byte of Buffer.concat(answers)) {
      socket!.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect(await Promise.all(asked)).toEqual([5, 6, 7].map((key) => `for ${key} `.repeat(key)));
    link.close();
  });

  it('that answers another request than the oldest is closed, and nobody gets what is not theirs', async () => {
    await using there = await brokerThat(({ correlationId }) => answerTo(correlationId + 1, Buffer.from('wrong')));
    const link = await open(there.address);
    const asked = [5, 6].map((apiKey) => link.send(request(apiKey), LONG_MS));
    for (const one of asked) await expect(one).rejects.toThrow(/an answer to request 2, expected one to 1/);
    expect(link.isClosed).toBe(true);
  });

  it.each([
    ['ends', (socket: Socket) => socket.end()],
    ['breaks off', (socket: Socket) => socket.resetAndDestroy()],
  ])('that %s it fails whatever waits, and takes nothing more', async (_what, end) => {
    await using there = await brokerThat(() => null);
    const link = await open(there.address);
    const asked = [5, 6].map((apiKey) => link.send(request(apiKey), LONG_MS));
    while (there.asked.length < 3) await clock.sleep(1);
    for (const socket of there.sockets) end(socket);
    for (const one of asked) await expect(one).rejects.toThrow();
    expect(link.isClosed).toBe(true);
    await expect(link.send(request(7), LONG_MS)).rejects.toThrow();
    expect(there.asked.length).toBe(3);
  });

  it('that does not answer in time is closed, as its answer may still come and be taken for another', async () => {
    await using there = await brokerThat(() => null);
    const link = await open(there.address);
    const patient = link.send(request(5), LONG_MS);
    await Promise.all([
      expect(link.send(request(6), 20)).rejects.toThrow('no answer within 20 ms'),
      expect(patient).rejects.toThrow('no answer within 20 ms'),
    ]);
    expect(link.isClosed).toBe(true);
    while (there.sockets.size > 0) await clock.sleep(1);
  });

  it('whose answer cannot be read is closed', async () => {
    await using there = await brokerThat(({ correlationId }) => answerTo(correlationId, Buffer.alloc(3)));
    const link = await open(there.address);
    const unreadable = { ...request(5), decode: (answer: Buffer) => String(answer.readInt32BE(0)) };
    await expect(link.send(unreadable, LONG_MS)).rejects.toThrow();
    expect(link.isClosed).toBe(true);
  });
});
