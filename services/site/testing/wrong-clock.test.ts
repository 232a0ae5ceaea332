import type { Clock } from '@tidemark/platform/clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import type { Status } from '@tidemark/watchdog/status/status';
import { expect, it } from 'vitest';
import { jobAt, send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const FILE = {
  failover: 'automatic',
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

/** Three sites with a clock each that can be stepped; and who writes. */
async function sitesWith(file: typeof FILE): Promise<{ sites: EmbeddedSites; clocks: Map<string, WrongClock> }> {
  const sites = await EmbeddedSites.make();
  const clocks = new Map(SITE_NAMES.map((site) => [site as string, new WrongClock()]));
  for (const site of SITE_NAMES) await sites.start(site, { clock: clocks.get(site)! });
  await sites.define(file);
  return { sites, clocks };
}

const ROW = send('POST', { rows: [{ k: 'a', v: 1 }] });
const writeAt = async (sites: EmbeddedSites, site: string) =>
  expect(await sites.ask(site, '/v1/travel/t/rows', ROW)).toMatchObject({ status: 200 });

async function primaryOf(sites: EmbeddedSites, not: string | null): Promise<string> {
  let primary = '';
  await untilDone(async () => {
    for (const site of SITE_NAMES) {
      if (site !== not && (await sites.ask(site, '/primary')).status === 200) primary = site;
    }
    expect(primary).not.toBe('');
    await writeAt(sites, primary);
  });
  return primary;
}

async function reasonAt(sites: EmbeddedSites, asked: string, site: string): Promise<string | null> {
  const { body } = await sites.ask(asked, '/v1/status');
  return (body as Status).sites.find((one) => one.site === site)!.reason;
}

async function stampOffMs(sites: EmbeddedSites, site: string): Promise<number> {
  const reply = await fetch(`${sites.running.get(site)!.url}/v1/travel/t/rows/a?read=primary`);
  return Math.abs(Number(reply.headers.get('tidemark-stamp')?.split('.')[0]) - new SystemClock().nowMs());
}

it('a primary whose clock steps hands over by itself, whichever way, and says what is wrong', async () => {
  const { sites, clocks } = await sitesWith(FILE);
  await using _ = sites;
  let primary = await primaryOf(sites, null);
  const steps = [
    [-MINUTE_MS, /^clock 60 s behind/],
    [HOUR_MS, /^clock 3600 s ahead/],
  ] as const;
  for (const [wrongMs, words] of steps) {
    clocks.get(primary)!.wrongMs = wrongMs;
    await untilDone(async () => expect(await reasonAt(sites, primary, primary)).toMatch(words));
    const next = await primaryOf(sites, primary);
    expect(await stampOffMs(sites, next)).toBeLessThan(MINUTE_MS / 2);
    clocks.get(primary)!.wrongMs = 0;
    await untilDone(async () => expect(await reasonAt(sites, primary, primary)).toBeNull());
    primary = next;
  }
}, 60_000);

it('one that operators alone may move refuses writes and says why, and either command moves it', async () => {
  const { sites, clocks } = await sitesWith({ ...FILE, failover: 'manual' });
  await using _ = sites;
  let primary = await primaryOf(sites, null);
  for (const kind of ['switchover', 'failover']) {
    const clock = clocks.get(primary)!;
    clock.wrongMs = kind === 'switchover' ? MINUTE_MS : -HOUR_MS;
    await untilDone(async () => {
      const refused = await sites.ask(primary, '/v1/travel/t/rows', ROW);
      expect(refused).toMatchObject({ status: 503 });
      expect(JSON.stringify(refused.body)).toMatch(/its clock (is \d+ ms|jumped)/);
      const notReady = await sites.ask(primary, '/readyz');
      expect(notReady).toMatchObject({ status: 503 });
      expect(JSON.stringify(notReady.body)).toMatch(/clock \d+ s (ahead|behind)/);
    });
    const [to] = SITE_NAMES.filter((site) => site !== primary);
    // Asked at the sick site, which is the last to know how it looks from elsewhere.
    await untilDone(async () => {
      const job = await jobAt(sites, primary, { kind, keyspace: 'travel', to });
      expect(job).toMatchObject({ outcome: 'done', to, lost: { records: 0, rows: 0 } });
    });
    await untilDone(() => writeAt(sites, to!));
    clock.wrongMs = 0;
    primary = to!;
  }
}, 60_000);

it('a site that is started with a wrong clock begins no term by it: another one writes, with right stamps', async () => {
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
  const asked = { cause: 'failover', reason: 'the test says so' };
  const refused = await sites.nominate('paris', 'travel', asked);
  expect(refused).toMatchObject({ status: 409 });
  expect(JSON.stringify(refused.body)).toMatch(/paris cannot write: its clock is \d+ ms ahead/);
  const reply = await fetch(`${sites.running.get(primary)!.url}/v1/travel/t/rows/a`);
  const offMs = Number(reply.headers.get('tidemark-stamp')?.split('.')[0]) - new SystemClock().nowMs();
  expect(Math.abs(offMs)).toBeLessThan(HOUR_MS / 2);
}, 60_000);
