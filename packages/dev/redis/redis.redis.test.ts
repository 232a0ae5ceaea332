import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Reaper } from '../reaper.ts';
import { type RedisServer, startRedis } from './redis.ts';

describe('redis on this machine', () => {
  const reaper = Reaper.start();
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis({ folder: await reaper.scratchFolder('redis-test'), reaper });
  });

  afterAll(() => reaper[Symbol.asyncDispose]());

  async function command(...words: [string, ...string[]]): Promise<unknown> {
    const client = new Redis(server.address, {
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      commandTimeout: 300,
    });
    client.on('error', () => {});
    try {
      return await client.call(...words);
    } finally {
      client.disconnect();
    }
  }

  it('once started answers, on loopback only', async () => {
    expect(await command('PING')).toBe('PONG');
    expect(await command('CONFIG', 'GET', 'bind')).toEqual(['bind', '127.0.0.1']);
  });

  it('keeps nothing over a restart, and keeps its address', async () => {
    const { address } = server;
    await command('SET', 'here', 'now');
    await server.kill();
    await expect(command('PING')).rejects.toThrow();
    await server.restart();
    expect(server.address).toBe(address);
    expect(await command('GET', 'here')).toBeNull();
  });

  it('while paused answers nothing, and afterwards goes on', async () => {
    await server.pause();
    await expect(command('PING')).rejects.toThrow();
    server.resume();
    await sleep(0);
    expect(await command('PING')).toBe('PONG');
  });
});
