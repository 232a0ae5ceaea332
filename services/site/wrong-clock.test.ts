import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@tidemark/world/clock';
import { SystemClock } from '@tidemark/world/system-clock';
import { expect, it } from 'vitest';
import { askAt, send, untilDone } from './asking.ts';
import { readConfig } from './config.ts';
import { startSite } from './main.ts';

const NAMES = ['paris', 'tokyo', 'quito'];
const HOUR_MS = 3_600_000;
const FILE = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'sync(1)',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 1,
  tables: { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } },
};

/** The machine's clock, its wall time wrong by as much as is said. */
class WrongClock extends SystemClock implements Clock {
  wrongMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.wrongMs;
  }
}

it('a site whose clock jumps by an hour refuses writes and says why, and takes them again once it is right', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-clock-'));
  const of = (site: string) => ({ log: `sqlite:${folder}/${site}/log.db`, board: `file:${folder}/${site}/board.json` });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const clock = new WrongClock();
  const urls = new Map<string, string>();
  for (const site of NAMES) {
    const sites = Object.fromEntries(NAMES.map((name) => [name, of(name)]));
    const text = JSON.stringify({ site, listen: '127.0.0.1:0', data: `${folder}/${site}`, sites });
    const config = readConfig({ file: { path: join(folder, 'tidemark.json'), text } });
    const options = site === 'paris' ? { clock } : {};
    const onFatal = (error: unknown) => {
      throw error;
    };
    const running = await startSite(config, { ...options, onFatal });
    stack.defer(() => running.stop());
    urls.set(site, running.url);
  }
  const paris = urls.get('paris')!;
  const write = () => askAt(paris, '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', v: 1 }] }));
  await untilDone(async () => {
    expect([200, 201]).toContain((await askAt(paris, '/v1/keyspaces/travel', send('PUT', FILE))).status);
  });
  await untilDone(async () => expect(await write()).toMatchObject({ status: 200 }));
  for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
    clock.wrongMs = wrongMs;
    await untilDone(async () => {
      const refused = await write();
      expect(refused).toMatchObject({ status: 503 });
      expect(JSON.stringify(refused.body)).toMatch(/its clock (is \d+ ms|jumped)/);
    });
    expect(((await askAt(urls.get('tokyo')!, '/v1/status')).body as { site: string }).site).toBe('tokyo');
    clock.wrongMs = 0;
    await untilDone(async () => expect(await write()).toMatchObject({ status: 200 }));
  }
}, 60_000);
