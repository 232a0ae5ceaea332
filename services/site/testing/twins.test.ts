import { parseToken } from '@tidemark/model/position';
import { describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const FILE = {
  ...{ keyspace: 'travel', primary: 'paris', ack: 'local', partitions: 2 },
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  tables: { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } },
};

describe('a second process of a site, on the same log and with a folder of its own', () => {
  it('is refused and told why; the first one goes on, and no epoch is spent on it', async () => {
    await using sites = await EmbeddedSites.make();
    await sites.startAll();
    await sites.define(FILE);
    const put = (v: number) => sites.ask('paris', '/v1/travel/t/rows', send('POST', { rows: [{ k: 'a', v }] }));
    const epoch = async (): Promise<number> => {
      const { token } = (await put(3)).body as { readonly token: string };
      return [...parseToken(token).positions.values()][0]!.epoch;
    };
    await untilDone(async () => expect((await put(1)).status).toBe(200));
    const before = await epoch();
    const url = sites.running.get('paris')!.url;
    const refusal = expect.stringMatching(
      /^site paris is run already, by a process that began at .* and answers at http:/,
    );
    const second = sites.start('paris', { data: 'paris-2' });
    await expect(second).rejects.toMatchObject({ kind: 'unavailable', message: refusal });
    await expect(second).rejects.toThrow(url);
    await untilDone(async () => expect((await put(2)).status).toBe(200));
    expect(await epoch()).toBe(before);
  });

  it('starts once the first one is gone, though its last word still stands on the board', async () => {
    await using sites = await EmbeddedSites.make();
    await sites.start('paris');
    await sites.stop('paris');
    await using stack = new AsyncDisposableStack();
    const second = await sites.start('paris', { data: 'paris-2' });
    stack.defer(() => second.stop());
    expect(second.url).toMatch(/^http:/);
  });
});
