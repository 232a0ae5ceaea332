import { randomUUID } from 'node:crypto';
import { Reaper } from '@tidemark/dev/reaper';
import { type RedisServer, startRedis } from '@tidemark/dev/redis/redis';
import { isFault } from '@tidemark/platform/fault';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { describeHeartbeatStore } from '../testing/heartbeat-store-contract.ts';
import type { Beat } from './heartbeat-store.ts';
import { RedisHeartbeatStore } from './redis-heartbeat-store.ts';

const clock = new SystemClock();

function beatOf(fields: Partial<Beat> = {}): Beat {
  return { site: 'paris', role: 'writer', process: randomUUID(), nonce: 1, timeMs: 1, facts: {}, ...fields };
}

describe('redis board', () => {
  const reaper = Reaper.start();
  let server: RedisServer;
  let admin: Redis;

  beforeAll(async () => {
    server = await startRedis({ folder: await reaper.scratchFolder('board-test'), reaper });
    admin = new Redis(server.address);
    admin.on('error', () => {});
  });

  afterAll(async () => {
    admin.disconnect();
    await reaper[Symbol.asyncDispose]();
  });

  const connect = (fields: { cluster?: string; site?: string; url?: string; logger?: Logger } = {}) =>
    RedisHeartbeatStore.connect({
      url: server.address,
      cluster: 'one',
      site: 'paris',
      clock,
      logger: SILENT,
      ...fields,
    });

  async function whilePaused(attempt: () => Promise<void>): Promise<unknown> {
    await server.pause();
    try {
      return await attempt();
    } catch (error) {
      return error;
    } finally {
      server.resume();
    }
  }

  describeHeartbeatStore('redis', async () => {
    await admin.flushall();
    return {
      board: await connect(),
      another: connect,
      forget: async () => void (await admin.flushall()),
      outage: async () => {
        await server.pause();
        return { [Symbol.asyncDispose]: async () => server.resume() };
      },
      [Symbol.asyncDispose]: async () => {},
    };
  });

  it('clusters and sites that share a Redis do not see each other', async () => {
    await admin.flushall();
    await using paris = await connect();
    await using tokyo = await connect({ site: 'tokyo' });
    await using other = await connect({ cluster: 'two' });
    await paris.beat(beatOf());
    expect(await tokyo.beats()).toEqual([]);
    expect(await other.beats()).toEqual([]);
  });

  it('every key it leaves expires by itself, and a name without a beat is dropped', async () => {
    await admin.flushall();
    await using board = await connect();
    const beats = [beatOf({ role: 'a' }), beatOf({ role: 'b' })];
    for (const beat of beats) await board.beat(beat);
    const keys = await admin.keys('*');
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(await admin.pttl(key)).toBeGreaterThan(0);
    await admin.del(`tidemark:one:paris:beats:a:${beats[0]!.process}`);
    expect(await board.beats()).toEqual([beats[1]]);
    expect(await admin.smembers('tidemark:one:paris:beats')).toEqual([`b:${beats[1]!.process}`]);
  });

  it('a value that is no beat is not shown', async () => {
    await admin.flushall();
    await using board = await connect();
    await admin.sadd('tidemark:one:paris:beats', 'x:1', 'y:2');
    await admin.set('tidemark:one:paris:beats:x:1', '{"torn');
    await admin.set('tidemark:one:paris:beats:y:2', '{"role":5}');
    expect(await board.beats()).toEqual([]);
  });

  it('a server that is not there when it connects is unavailable, and is used once it is', async () => {
    await server.kill();
    await using board = await connect();
    expect(isFault(await board.beats().catch((error: unknown) => error), 'unavailable')).toBe(true);
    await server.restart();
    while (
      await board.beat(beatOf()).then(
        () => false,
        () => true,
      )
    )
      await clock.sleep(20);
    expect(await board.beats()).toHaveLength(1);
  });

  it('says once that it lost its server, and once that it has it again', async () => {
    const said: string[] = [];
    const note = (_: object, message: string): void => void said.push(message);
    await using board = await connect({ logger: { info: note, warn: note, error: note } });
    await server.kill();
    // Five attempts to reconnect fit into this.
    await clock.sleep(600);
    await server.restart();
    while (
      await board.beat(beatOf()).then(
        () => false,
        () => true,
      )
    )
      await clock.sleep(20);
    expect(said).toEqual(['board out of reach', 'board reached again']);
  });

  it('a beat that timed out may appear when a paused server wakes, with its own nonce and time', async () => {
    await admin.flushall();
    await using board = await connect();
    const late = beatOf({ nonce: 41, timeMs: 17 });
    const outcome = await whilePaused(() => board.beat(late));
    expect(isFault(outcome, 'unavailable')).toBe(true);
    while ((await board.beats().catch(() => [])).length === 0) await clock.sleep(20);
    expect(await board.beats()).toEqual([late]);
  });

  it('shows no password in its address nor in a fault', async () => {
    await using board = await connect({ url: 'redis://someone:secret@127.0.0.1:1/0' });
    expect(board.address).toBe('redis://127.0.0.1:1');
    const fault = await board.beats().catch((error: unknown) => error);
    expect(String(fault)).toContain('redis://127.0.0.1:1');
    expect(String(fault)).not.toContain('secret');
  });
});

describe('redis board on the Redis of each site', () => {
  it('sites with a Redis of their own keep a board of their own', async () => {
    const cluster = randomUUID();
    const urls = inject('redis');
    const boards = await Promise.all(
      urls.map((url) => RedisHeartbeatStore.connect({ url, cluster, site: 'same', clock, logger: SILENT })),
    );
    await boards[0]!.beat(beatOf({ site: 'same' }));
    const counts = await Promise.all(boards.map(async (board) => (await board.beats()).length));
    const isSharedWithFirst = urls.map((url) => (url === urls[0] ? 1 : 0));
    expect(counts).toEqual(isSharedWithFirst);
    for (const board of boards) await board[Symbol.asyncDispose]();
  });
});
