/** Control topics empty beside full logs: a PUT is refused, or begins above every epoch there is; no site ends, no row goes. */

import { topicNames } from '@tidemark/model/table';
import { KEYSPACE } from '../clients/client.ts';
import { fileOf } from '../shape.ts';
import { check, Stage } from './stage.ts';

export async function emptyControl(): Promise<void> {
  const stage = new Stage();
  const { world } = stage;
  const { data } = stage.shape;
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 10);
  await stage.rest(3_000);
  for (const site of data) stage.stop(site);
  for (const site of data) world.site(site).store.deleteTopic(topicNames.control);
  for (const site of data) stage.begin(site);
  await stage.rest(3_000);
  const ends = data.map((site) => world.site(site).ends.length);
  const { status, body } = await stage.ask('paris', 'PUT', `/v1/keyspaces/${KEYSPACE}`, fileOf(KEYSPACE, stage.shape));
  await stage.rest(10_000);
  for (const [i, site] of data.entries())
    check(world.site(site).ends.length === ends[i], `${site} goes on: ${world.site(site).ends.at(-1)}`);
  if (status >= 300) {
    check(/\d/.test(JSON.stringify(body)), `a refusal says why: ${JSON.stringify(body)}`);
    return;
  }
  await stage.until('writes are taken again', () => stage.put('paris', 50));
  for (const site of data)
    await stage.until(`${site} has every row`, async () => {
      const rows = await stage.rowsAt(site);
      return acked.every((n) => rows.includes(n)) && rows.includes(50);
    });
}
