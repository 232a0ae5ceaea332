import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Links } from './links.ts';

const ANSWER_MS = 5_000;
const SILENCE_MS = 150;

describe('links between sites', () => {
  let links: Links;
  const answers: string[] = [];
  const servers = ['paris', 'tokyo'].map((name) => ({
    name,
    server: createServer((request, response) => {
      answers.push(`${name}${request.url}`);
      // Slow enough that a cut can come between the question and the answer.
      if (request.url === '/slow') setTimeout(() => response.end(name), 100);
      else response.end(name);
    }),
  }));
  beforeAll(async () => {
    links = await Links.open(['paris', 'tokyo']);
    for (const { name, server } of servers) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const other = name === 'paris' ? 'tokyo' : 'paris';
      links.aim(other, name, 'http', (server.address() as AddressInfo).port);
    }
  });
  afterAll(async () => {
    await links[Symbol.asyncDispose]();
    for (const { server } of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  const ask = async (from: string, to: string, waitMs = ANSWER_MS, path = '/'): Promise<string> => {
    const url = `http://127.0.0.1:${links.port(from, to, 'http')}${path}`;
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(waitMs) })).text();
    } catch (error) {
      return (error as Error).name === 'TimeoutError' ? 'silence' : 'refused';
    }
  };

  it('carry until they are cut, and again once they heal', async () => {
    expect([await ask('paris', 'tokyo'), await ask('tokyo', 'paris')]).toEqual(['tokyo', 'paris']);
    links.cutOff('paris');
    expect([await ask('paris', 'tokyo', SILENCE_MS), await ask('tokyo', 'paris', SILENCE_MS)]).toEqual([
      'silence',
      'silence',
    ]);
    links.heal();
    expect([await ask('paris', 'tokyo'), await ask('tokyo', 'paris')]).toEqual(['tokyo', 'paris']);
  });

  it('carry each byte once, also when they are healed without having been cut', async () => {
    const asked = ask('paris', 'tokyo', ANSWER_MS, '/slow');
    while (!answers.includes('tokyo/slow')) await new Promise((resolve) => setTimeout(resolve, 1));
    links.heal();
    links.heal();
    expect(await asked).toBe('tokyo');
    // On the same connection: what came twice would now be taken for this one's answer.
    expect(await ask('paris', 'tokyo')).toBe('tokyo');
    answers.length = 0;
  });

  it('may be cut one way only', async () => {
    links.cutWay('paris', 'tokyo');
    expect([await ask('paris', 'tokyo', SILENCE_MS), await ask('tokyo', 'paris')]).toEqual(['silence', 'paris']);
    links.heal();
  });

  it('refuse when they are cut so', async () => {
    links.cutBetween('paris', 'tokyo', 'refuse');
    expect(await ask('paris', 'tokyo')).toBe('refused');
    links.heal();
  });

  it('hold what was on its way, and deliver it when they heal', async () => {
    answers.length = 0;
    const asked = ask('paris', 'tokyo', ANSWER_MS, '/slow');
    while (!answers.includes('tokyo/slow')) await new Promise((resolve) => setTimeout(resolve, 1));
    links.cutWay('paris', 'tokyo');
    const first = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 300, 'held'))]);
    expect(first).toBe('held');
    links.heal();
    expect(await asked).toBe('tokyo');
  });

  it('are known by name', () => {
    expect(() => links.cutWay('paris', 'quito')).toThrow(/no link paris → quito; the sites are paris, tokyo/);
  });
});
