import type { Status } from '@tidemark/watchdog/status/status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

/** Two sites with data: when one is lost there is nobody left to hold what the other one holds. */
const FILE = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'sync(1)',
  degradeTo: 0,
  sites: { paris: 'data', tokyo: 'data', quito: 'witness' },
  partitions: 2,
  tables: { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } },
};

let sites: EmbeddedSites;

const writeAt = (site: string, k: string, query = '') =>
  sites.ask(site, `/v1/travel/t/rows${query}`, send('POST', { rows: [{ k, v: 1 }] }));

async function statusAt(site: string) {
  return ((await sites.ask(site, '/v1/status')).body as Status).keyspaces[0]!;
}

const acked = (site: string, k: string, ack: string) =>
  untilDone(async () => expect(await writeAt(site, k)).toMatchObject({ status: 200, body: { ack } }));

beforeEach(async () => {
  sites = await EmbeddedSites.make({ suspectAfterMs: 1_200, suspicionStableMs: 300 });
  await sites.startAll();
  await untilDone(async () => {
    const put = await sites.ask('paris', '/v1/keyspaces/travel', send('PUT', FILE));
    expect([200, 201]).toContain(put.status);
  });
  await untilDone(async () => {
    for (const name of SITE_NAMES) expect((await sites.ask(name, '/readyz')).status).toBe(200);
  });
}, 60_000);

afterEach(() => sites[Symbol.asyncDispose](), 30_000);

describe('two data sites and a witness, which may lower the level', () => {
  it('write on at the site that is left, say at which level, and raise it when the other one is back', async () => {
    await acked('paris', 'a', 'sync(1)');
    await untilDone(async () => expect(await statusAt('tokyo')).toMatchObject({ primary: 'paris', ackLowered: null }));
    await sites.stop('paris');
    await untilDone(async () => expect((await statusAt('quito')).primary).toBe('tokyo'));
    await acked('tokyo', 'b', 'local');
    expect(await statusAt('tokyo')).toMatchObject({ ack: 'sync(1)', ackLowered: 'local' });
    expect(await sites.ask('tokyo', '/v1/travel/t/rows/a')).toMatchObject({ status: 200 });
    // Whoever asks for more than there is gets no less than that: the answer is not known.
    expect(await writeAt('tokyo', 'c', '?ack=sync&timeoutMs=300')).toMatchObject({ status: 504 });
    await sites.start('paris');
    await acked('tokyo', 'd', 'sync(1)');
    await untilDone(async () => expect(await statusAt('tokyo')).toMatchObject({ ackLowered: null }));
    await untilDone(async () => {
      for (const k of ['a', 'b', 'c', 'd']) {
        expect(await sites.ask('paris', `/v1/travel/t/rows/${k}`)).toMatchObject({ status: 200 });
      }
    });
    await sites.ask('tokyo', '/v1/keyspaces/travel', send('PUT', { ...FILE, failover: 'manual' }));
    await untilDone(async () => expect((await statusAt('quito')).failover).toBe('manual'));
    // And now it can be lost: what it acked alone is at the other site too.
    await sites.stop('tokyo');
    await untilDone(async () => {
      const { decisions } = (await sites.ask('quito', '/v1/history?all')).body as { decisions: { words: string }[] };
      expect(decisions.some(({ words }) => /moved by operators only/.test(words))).toBe(true);
    });
  }, 90_000);
});
