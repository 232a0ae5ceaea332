import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const FILE = {
  ...{ keyspace: 'travel', primary: 'paris', ack: 'sync(1)', failover: 'manual', partitions: 1 },
  sites: { paris: 'data', tokyo: 'data', quito: 'witness' },
  tables: { t: { columns: { k: 'string' }, partitionKey: 'k' } },
};

let sites: EmbeddedSites;
const readmit = (site: string, at = 'paris') => sites.ask(at, '/v1/watchdog/travel/readmit', send('POST', { site }));
const pause = (paused: boolean) => sites.ask('paris', '/v1/watchdog/travel', send('POST', { paused }));

beforeEach(async () => {
  sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  await untilDone(async () => expect((await pause(true)).status).toBe(200));
}, 60_000);

afterEach(() => sites[Symbol.asyncDispose](), 30_000);

describe('a site that comes back with an empty disk', () => {
  it('votes in vain until an operator lets it in, which both others of three have to accept', async () => {
    await sites.stop('quito');
    await rm(join(sites.folder, 'quito'), { recursive: true, maxRetries: 5 });
    await sites.start('quito');
    await sites.stop('tokyo');
    // Two of three answer, and one of them has forgotten what it promised.
    await untilDone(async () => {
      const { status, body } = await pause(false);
      expect([status, JSON.stringify(body)]).toEqual([503, expect.stringContaining('quito lost its control topic')]);
    });
    expect((await readmit('quito')).status).toBe(503);
    await sites.start('tokyo');
    await untilDone(async () => expect(await readmit('quito')).toMatchObject({ body: { outcome: 'done' } }));
    await sites.stop('tokyo');
    await untilDone(async () => expect(await pause(false)).toMatchObject({ status: 200, body: { changed: true } }));
    const { body } = await sites.ask('paris', '/v1/history');
    expect(JSON.stringify(body)).toContain('"kind":"readmission","outcome":"done"');
  }, 60_000);

  it('is not let in where it has no vote, or has one that counts: nothing is changed, and it says why', async () => {
    const refusals = [
      ['quito', 'the vote of quito counts already'],
      ['tokyo', 'the vote of tokyo counts already'],
      ['lima', 'lima has no vote in it'],
    ] as const;
    for (const [site, words] of refusals) {
      expect(await readmit(site)).toMatchObject({ status: 200, body: { outcome: 'refused', words } });
    }
    expect((await sites.ask('paris', '/v1/watchdog/travel/readmit', send('POST', { name: 'quito' }))).status).toBe(400);
  }, 60_000);
});
