/** A site whose disks were lost, and that reaches no other, defines no keyspace anew: it does not know what the others have. */

import { KEYSPACE } from '../clients/client.ts';
import { fileOf } from '../shape.ts';
import { check, Stage } from './stage.ts';

export async function definedTwice(): Promise<void> {
  const stage = new Stage();
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 10);
  stage.isolate('paris');
  stage.stop('paris');
  stage.world.site('paris').wipe();
  stage.begin('paris');
  await stage.rest(500);
  const path = `/v1/keyspaces/${KEYSPACE}`;
  await stage.ask('paris', 'PUT', path, fileOf(KEYSPACE, stage.shape));
  const { status } = await stage.ask('paris', 'GET', path);
  check(status === 503, `a site that knows nothing defines nothing, and does not say that there is nothing: ${status}`);
  stage.join('paris');
  await stage.until('tokyo leads', async () => (await stage.nominate('tokyo', 'failover')) === 409);
  await stage.until('writes are taken', () => stage.put('tokyo', 100));
  const rows = await stage.rowsAt('tokyo');
  check(
    [...acked, 100].every((n) => rows.includes(n)),
    'every acked row is there',
  );
}
