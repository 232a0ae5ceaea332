import { SILENT } from '@tidemark/platform/logger';
import { describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

describe('a first start', () => {
  it('of sites one after the other, and of a keyspace, logs no errors where nothing is wrong', async () => {
    await using sites = await EmbeddedSites.make();
    const errors: string[] = [];
    const loggerOf = (name: string) => ({
      ...SILENT,
      error: (_fields: object, message: string) => void errors.push(`${name}: ${message}`),
    });
    for (const name of SITE_NAMES) await sites.start(name, { logger: loggerOf(name) });
    const tables = { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } };
    const roles = { paris: 'data', tokyo: 'data', quito: 'data' };
    await sites.define({ keyspace: 'travel', primary: 'paris', ack: 'sync(1)', sites: roles, partitions: 4, tables });
    const written = await sites.ask('paris', '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', v: 1 }] }));
    expect(written).toMatchObject({ status: 200 });
    for (const name of SITE_NAMES) {
      await untilDone(async () => {
        expect(await sites.ask(name, '/v1/travel/t/rows/a')).toMatchObject({ status: 200, body: { v: 1 } });
      });
    }
    expect(errors).toEqual([]);
  });
});
