/** What a failover with loss would cost, asked of one site: a number where that can be known, and else a refusal that says why. */

import { expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 2,
  tables: { t: { columns: { k: 'string', n: 'int' }, partitionKey: 'k' } },
};
const LOSS = '/v1/internal/loss';

it('is told while a majority answers; then it is unavailable, with the reason, and nothing is guessed', async () => {
  await using sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  const ask = (keyspace: string, body: object) => sites.ask('tokyo', `${LOSS}/${keyspace}`, send('POST', body));
  await untilDone(async () => {
    const put = await sites.ask('paris', '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', n: 1 }] }));
    expect(put.status).toBe(200);
  });
  await untilDone(async () => {
    const { status, body } = await ask('travel', { heard: null });
    expect([status, (body as { received: unknown }).received]).toEqual([200, expect.anything()]);
  });
  expect(await ask('travel', { heard: 3 })).toMatchObject({ status: 400, body: { kind: 'invalid' } });
  expect(await ask('other', { heard: null })).toMatchObject({ status: 404, body: { kind: 'notFound' } });
  await sites.stop('paris');
  await sites.stop('quito');
  const refused = await ask('travel', { heard: null });
  expect(refused).toMatchObject({ status: 503, body: { kind: 'unavailable' } });
  expect((refused.body as { detail: string }).detail).toMatch(/majority|answer/);
}, 60_000);
