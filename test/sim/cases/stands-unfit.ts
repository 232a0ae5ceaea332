/** A site whose log is another topic than the register lists is asked to lead: it does not stand, and writes go on. */

import { topicNames } from '@tidemark/model/table';
import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

type Copies = readonly { readonly origin: string; readonly logId: string }[];

export async function standsUnfit(): Promise<void> {
  const stage = new Stage({ k: 0, degradeTo: 0 });
  await stage.makeKeyspace();
  await stage.putAll('paris', 0, 10);
  await stage.rest(3_000);
  await stage.leads('quito');
  const logId = async (): Promise<string> => {
    const { body } = await stage.ask('paris', 'GET', `/v1/internal/copies/${KEYSPACE}`);
    return (body.copies as Copies | undefined)?.find(({ origin }) => origin === 'paris')?.logId ?? '';
  };
  stage.stop('paris');
  stage.world.site('paris').store.loseEnd(topicNames.log(KEYSPACE, 'paris'), 0, 4);
  stage.begin('paris');
  await stage.until('the log of paris has its next identity', async () => (await logId()).endsWith('~1'));
  await stage.nominate('paris', 'failover');
  await stage.rest(1_000);
  for (let n = 100; n < 105; n++) {
    check(await stage.put('quito', n), `quito writes on: row ${n}`);
    await stage.rest(500);
  }
  await stage.leads('paris');
}
