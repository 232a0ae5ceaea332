/** What a writer refuses by its tables it tells once it is certain that it still writes. */

import { FAULT_MEANINGS, Fault, isFault } from '@tidemark/platform/fault';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import fastify from 'fastify';
import { describe, expect, it, vi } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import { registerWriterRoutes } from './http.ts';
import { ProvedRefusals } from './proved-refusals.ts';

const PATH = '/v1/travel/flights/rows';
const BAD = [
  ['POST', PATH, { rows: [{ origin: 'SAN', line: 1, gate: 'B2' }] }, 400],
  ['POST', PATH, { rows: [{ origin: 'SAN', line: 'one' }] }, 400],
  ['PATCH', `${PATH}/SAN/1`, { gate: 'B2' }, 400],
  ['DELETE', `${PATH}/SAN/one`, undefined, 400],
  ['POST', '/v1/travel/trains/rows', { rows: [{ origin: 'SAN' }] }, 404],
] as const;

async function setUp(ack: string) {
  const set = await setUpWriter(ack);
  const writer = await set.start();
  const app = fastify();
  const parts = { site: 'paris', pending: new SharedMemory(1e9), requestTimeoutMs: 200 };
  registerWriterRoutes(app, { ...parts, clock: new SystemClock(), writerOf: () => writer });
  app.setErrorHandler((error, _request, reply) => {
    if (!isFault(error)) throw error;
    return reply.code(FAULT_MEANINGS[error.kind].status).send({ detail: error.message });
  });
  const ask = async ([method, url, body]: (typeof BAD)[number], type = 'application/json') => {
    const payload = body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': type } };
    const { statusCode, payload: text } = await app.inject({ method, url, ...payload });
    return [statusCode, text] as const;
  };
  return { ...set, writer, ask };
}

describe('a refusal by the tables', () => {
  it('is told where enough sites answer, and else that it cannot be told, with what it would have been', async () => {
    const { ask, network, writer } = await setUp('sync(1)');
    for (const bad of BAD) {
      const [status, text] = await ask(bad);
      expect([status, text]).toEqual([
        503,
        expect.stringMatching(/whether this one still writes it.*(?:gate|line|trains)/),
      ]);
    }
    network.say(1_000, 'tokyo');
    for (const bad of BAD) expect((await ask(bad))[0]).toBe(bad[3]);
    expect(writer.keyspace.name).toBe('travel');
  });

  it('of a keyspace that acks alone needs nobody', async () => {
    const { ask } = await setUp('local');
    for (const bad of BAD) expect((await ask(bad))[0]).toBe(bad[3]);
  });

  it('that says nothing of the tables is told at once', async () => {
    const { ask } = await setUp('sync(1)');
    expect((await ask(['POST', PATH, { rows: [], more: 1 } as never, 400]))[0]).toBe(400);
  });

  it('takes nothing from a failure that may be stored, though the writer is gone by then', async () => {
    const refusals = new ProvedRefusals(new SystemClock());
    const gone = (): never => {
      throw new Fault('notLeader', 'tokyo writes');
    };
    await expect(refusals.tell(new Fault('unknown', 'no ack in time'), gone)).rejects.toMatchObject({
      kind: 'unknown',
    });
    const refused = new Fault('invalid', 'no column gate', { column: 'gate' });
    await expect(refusals.tell(refused, gone)).rejects.toMatchObject({ kind: 'notLeader' });
  });

  it('costs one barrier with all that come at the same time', async () => {
    const { ask, network, writer } = await setUp('sync(1)');
    network.say(1_000, 'tokyo');
    const barriers = vi.spyOn(writer, 'barrier');
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(BAD[0])));
    expect(all.map(([status]) => status)).toEqual(Array(50).fill(400));
    expect(barriers.mock.calls.length).toBeLessThanOrEqual(5);
  });
});
