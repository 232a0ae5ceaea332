import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KafkaServer } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import type { Logger } from '@tidemark/platform/logger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from './config/config.ts';
import { type RunningSite, startSite } from './site.ts';
import { askAt, send, untilDone } from './testing/asking.ts';

const FILE = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'sync(1)',
  sites: { paris: 'data', tokyo: 'data' },
  partitions: 2,
  tables: { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } },
};

/** Looks again until what is found holds everything that is wanted. */
function eventually(look: () => Promise<unknown>, wanted: object): Promise<void> {
  return untilDone(async () => {
    expect(await look()).toMatchObject(wanted);
  });
}

/** Paris lives on Kafka, Tokyo on the embedded engine: the address alone picks. */
describe('a broker that comes late, goes away and comes back', () => {
  const reaper = Reaper.start();
  const sites = new Map<string, RunningSite>();
  const said: string[] = [];
  let broker: KafkaServer;
  let folder = '';

  const logger: Logger = {
    info: () => {},
    warn: (_fields, message) => said.push(message),
    error: (_fields, message) => said.push(message),
  };

  /** @param data its folder; in another one it is a second process of the site */
  async function start(site: string, data = site): Promise<RunningSite> {
    const addresses = {
      paris: { log: `kafka://${broker.address}`, board: `file:${folder}/paris/board.json` },
      tokyo: { log: `sqlite:${folder}/tokyo/log.db`, board: `file:${folder}/tokyo/board.json` },
    };
    await mkdir(join(folder, site), { recursive: true });
    const flags = { site, listen: '127.0.0.1:0', data: join(folder, data), sites: JSON.stringify(addresses) };
    const onFatal = (error: unknown): never => {
      throw error;
    };
    const options = site === 'paris' ? { logger, onFatal } : { onFatal };
    const running = await startSite(readConfig({ flags }), options);
    if (data === site) sites.set(site, running);
    return running;
  }

  const ask = (site: string, path: string, request?: RequestInit) => askAt(sites.get(site)!.url, path, request);
  const write = (k: string) => ask('paris', '/v1/travel/t/rows?timeoutMs=2000', send('POST', { rows: [{ k, v: 1 }] }));

  beforeAll(async () => {
    folder = await reaper.scratchFolder('late-broker');
    broker = await KafkaServer.prepare({ folder: join(folder, 'kafka'), reaper });
    for (const site of ['paris', 'tokyo']) await start(site);
  });

  afterAll(async () => {
    for (const site of sites.values()) await site.stop();
    await reaper[Symbol.asyncDispose]();
  });

  it('the site waits for it, says so once, refuses what it cannot do yet, and then goes on', async () => {
    await eventually(async () => said, [expect.stringContaining('making the control topic')]);
    expect(await ask('paris', '/readyz')).toMatchObject({ status: 503 });
    expect(await ask('paris', '/v1/keyspaces/travel', send('PUT', FILE))).toMatchObject({
      status: 503,
      body: { kind: 'unavailable' },
    });
    await broker.start();
    await eventually(() => ask('paris', '/readyz'), { status: 200 });
    expect(said.filter((message) => message.includes('making the control topic'))).toHaveLength(1);
    expect(await ask('paris', '/v1/keyspaces/travel', send('PUT', FILE))).toMatchObject({ status: 201 });
    await eventually(() => write('first'), { status: 200 });
    await eventually(() => ask('tokyo', '/v1/travel/t/rows/first'), { status: 200, body: { v: 1 } });
  });

  it('a second process of the site, on the same broker with a folder of its own, is refused, and takes no epoch', async () => {
    const decisions = async () => (await fetch(`${sites.get('paris')!.url}/v1/history?all`)).text();
    await untilDone(async () => expect(await decisions()).toContain('"travel"'));
    const before = await decisions();
    const refusal = /^site paris is run already, by a process that began at .* and answers at http:/;
    await expect(start('paris', 'paris-2')).rejects.toMatchObject({ message: expect.stringMatching(refusal) });
    expect(await write('second')).toMatchObject({ status: 200 });
    expect(await decisions()).toEqual(before);
  });

  it('while it is away no write is acked, and every write that was is read at the other site once it is back', async () => {
    await broker.kill();
    const refused = await write('away');
    expect([503, 504]).toContain(refused.status);
    expect(await ask('paris', '/livez')).toMatchObject({ status: 200 });
    await broker.restart();
    await eventually(() => write('back'), { status: 200 });
    for (const k of ['first', 'back']) {
      await eventually(() => ask('tokyo', `/v1/travel/t/rows/${k}`), { status: 200, body: { v: 1 } });
    }
  });
});
