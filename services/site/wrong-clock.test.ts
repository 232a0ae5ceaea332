import type { Clock } from '@tidemark/world/clock';
import { SystemClock } from '@tidemark/world/system-clock';
import { expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

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
  const clock = new WrongClock();
  await using sites = await EmbeddedSites.make();
  for (const site of SITE_NAMES) await sites.start(site, site === 'paris' ? { clock } : {});
  const write = () => sites.ask('paris', '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', v: 1 }] }));
  await sites.define(FILE);
  await untilDone(async () => expect(await write()).toMatchObject({ status: 200 }));
  for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
    clock.wrongMs = wrongMs;
    await untilDone(async () => {
      const refused = await write();
      expect(refused).toMatchObject({ status: 503 });
      expect(JSON.stringify(refused.body)).toMatch(/its clock (is \d+ ms|jumped)/);
    });
    // A read at the primary has a barrier written, whatever the clock says.
    expect(await sites.ask('paris', '/v1/travel/t/rows/a?read=primary')).toMatchObject({ status: 200 });
    expect(((await sites.ask('tokyo', '/v1/status')).body as { site: string }).site).toBe('tokyo');
    clock.wrongMs = 0;
    await untilDone(async () => expect(await write()).toMatchObject({ status: 200 }));
    // Nor did what it wrote meanwhile without being asked, its barriers, carry the wrong hour into later stamps.
    await untilDone(async () => {
      const reply = await fetch(`${sites.running.get('paris')!.url}/v1/travel/t/rows/a?read=primary`);
      const offMs = Number(reply.headers.get('tidemark-stamp')?.split('.')[0]) - new SystemClock().nowMs();
      expect(Math.abs(offMs)).toBeLessThan(HOUR_MS / 2);
    });
  }
}, 60_000);

it('a site that is started with a wrong clock begins no reign by it: another one writes, with right stamps', async () => {
  const clock = new WrongClock();
  await using sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  const write = (site: string) => sites.ask(site, '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', v: 1 }] }));
  await untilDone(async () => expect(await write('paris')).toMatchObject({ status: 200 }));
  await sites.stop('paris');
  clock.wrongMs = HOUR_MS;
  const urlOf = (site: string) => [site, sites.running.get(site)!.url] as const;
  await sites.start('paris', { clock, urls: Object.fromEntries(['tokyo', 'quito'].map(urlOf)) });
  let primary = '';
  await untilDone(async () => {
    for (const site of ['tokyo', 'quito']) if ((await sites.ask(site, '/primary')).status === 200) primary = site;
    expect(primary).not.toBe('');
    expect(await write(primary)).toMatchObject({ status: 200 });
  });
  const asked = send('POST', { cause: 'failover', reason: 'the test says so' });
  const refused = await sites.ask('paris', '/v1/internal/nominate/travel', asked);
  expect(refused).toMatchObject({ status: 409 });
  expect(JSON.stringify(refused.body)).toMatch(/paris cannot write: its clock is \d+ ms ahead/);
  const reply = await fetch(`${sites.running.get(primary)!.url}/v1/travel/t/rows/a`);
  const offMs = Number(reply.headers.get('tidemark-stamp')?.split('.')[0]) - new SystemClock().nowMs();
  expect(Math.abs(offMs)).toBeLessThan(HOUR_MS / 2);
}, 60_000);
