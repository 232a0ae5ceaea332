/** Readers that take nothing of what they asked for, and many of them, cost nobody else an answer. Counts, no times. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'automatic',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 4,
  tables: { t: { columns: { k: 'string', n: 'int', w: 'string' }, partitionKey: 'k', sortKey: ['n'] } },
};
/** More than the buffers of a connection hold: 12 MB in all. */
const [BATCHES, BATCH_ROWS, TEXT] = [60, 200, 'x'.repeat(1_000)];
/** Pages of two megabytes. */
const [PAGE_READERS, PAGES_EACH, PAGE_ROWS, PAGE_BYTES] = [4, 8, 10, 2_000_000];
const [UNREAD, IDLE, LONG, PROBES] = [60, 200, 60, 40];

let sites: EmbeddedSites;
const ask = (site: string, path: string, request?: RequestInit) => sites.ask(site, path, request);

beforeAll(async () => {
  sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  for (let batch = 0; batch < BATCHES; batch++) {
    const rows = Array.from({ length: BATCH_ROWS }, (_, i) => ({ k: `k${i % 5}`, n: batch * BATCH_ROWS + i, w: TEXT }));
    await untilDone(async () => {
      const { status } = await ask('paris', '/v1/travel/t/rows', send('POST', { rows }));
      expect(status).toBe(200);
    });
  }
}, 60_000);

afterAll(() => sites[Symbol.asyncDispose](), 30_000);

/** Connections that send the same each and read nothing. */
async function held(count: number, text: string): Promise<Socket[]> {
  const { hostname, port } = new URL(sites.running.get('paris')!.url);
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname).pause());
  for (const socket of sockets) socket.on('error', () => undefined);
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) if (text !== '') socket.write(text);
  return sockets;
}

describe('readers', () => {
  it('who take nothing leave probes and puts answered, nobody suspected, and more of their kind refused for now', async () => {
    const scan = 'POST /v1/travel/t/scan HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n';
    const sockets = [
      ...(await held(UNREAD, `${scan}content-length: 2\r\n\r\n{}`)),
      ...(await held(IDLE, '')),
      ...(await held(IDLE, `${scan}content-length: 100\r\n\r\n{`)),
    ];
    // Pages of more than 1,024 rows are admitted as scans are. Six unread scans hold the places for seconds, and a line of 24 is full.
    const long = `${sites.running.get('paris')!.url}/v1/travel/t/rows/k1?limit=2000`;
    const answers = await Promise.all(
      Array.from({ length: LONG }, async () => {
        const answer = await fetch(long);
        await answer.arrayBuffer();
        return answer;
      }),
    );
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ headers }) => headers.get('retry-after') === '1')).toBe(true);
    let suspicions = 0;
    for (let n = 0; n < PROBES; n++) {
      const probe = await ask('paris', '/v1/internal/ping');
      const row = { k: 'put', n, w: 'x' };
      const put = await ask('paris', '/v1/travel/t/rows', send('POST', { rows: [row] }));
      const short = await ask('paris', '/v1/travel/t/rows/k1?limit=10');
      expect([probe.status, put.status, short.status]).toEqual([200, 200, 200]);
      for (const site of ['tokyo', 'quito']) {
        const { body } = await ask(site, '/v1/internal/healthVote/travel');
        if ((body as { suspects: boolean }).suspects) suspicions++;
      }
      await sleep(20);
    }
    for (const socket of sockets) socket.destroy();
    expect(suspicions).toBe(0);
    expect(await ask('paris', '/primary?keyspace=travel')).toMatchObject({ status: 200, body: { epoch: 1 } });
    await untilDone(async () => {
      const counted = await ask('paris', '/v1/travel/t/scan', send('POST', { select: [{ count: '*' }] }));
      expect(counted.status).toBe(200);
    });
  }, 60_000);

  it('who take none of many short pages leave what is held within its bound: reads are refused for now, puts and probes are not', async () => {
    const page = 'GET /v1/travel/t/rows/long HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';
    const rows = Array.from({ length: PAGE_ROWS }, (_, n) => ({ k: 'long', n, w: 'x'.repeat(PAGE_BYTES / PAGE_ROWS) }));
    expect(await ask('paris', '/v1/travel/t/rows', send('POST', { rows }))).toMatchObject({ status: 200 });
    const bytesOf = async (metric: string): Promise<number> => {
      const { body } = await ask('paris', '/metrics');
      const line = String(body).match(new RegExp(`^tidemark_memory_${metric}_bytes{of="clientAnswers"} (.+)$`, 'm'));
      return Number(line![1]);
    };
    const sockets: Socket[] = [];
    const read = async (): Promise<[status: number, retryAfter: string | null]> => {
      const answer = await fetch(`${sites.running.get('paris')!.url}/v1/travel/t/rows/long`);
      await answer.arrayBuffer();
      return [answer.status, answer.headers.get('retry-after')];
    };
    // The system's buffers take some of it from the site at any time.
    await untilDone(async () => {
      sockets.push(...(await held(PAGE_READERS, page.repeat(PAGES_EACH))));
      expect(await read()).toEqual([503, '1']);
    });
    const [most, now] = [await bytesOf('budget'), await bytesOf('held')];
    // More than the half was given out, and no more than there is.
    expect(now).toBeGreaterThan(most / 2);
    expect(now).toBeLessThanOrEqual(most);
    const row = { k: 'put', n: 0, w: 'x' };
    expect(await ask('paris', '/v1/travel/t/rows', send('POST', { rows: [row] }))).toMatchObject({ status: 200 });
    expect(await ask('paris', '/readyz')).toMatchObject({ status: 200 });
    for (const socket of sockets) socket.destroy();
    await untilDone(async () => expect(await read()).toEqual([200, null]));
    await untilDone(async () => expect(await bytesOf('held')).toBeLessThan(PAGE_BYTES));
  }, 120_000);
});
