/**
 * The log that alone could close a `local` term without a loss has lost its end, so that the election which may lose
 * nothing stands open. An operator who accepts a loss need not wait for it.
 */

import { topicNames } from '@tidemark/model/table';
import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

export async function givesWay(): Promise<void> {
  const stage = new Stage({ k: 0, degradeTo: 0 });
  await stage.makeKeyspace();
  await stage.putAll('paris', 0, 10);
  await stage.rest(2_000);
  stage.stop('paris');
  stage.world.site('paris').store.loseEnd(topicNames.log(KEYSPACE, 'paris'), 0, 4);
  stage.begin('paris');
  await stage.until('an election stands open', async () => {
    const { body } = await stage.ask('tokyo', 'GET', '/v1/status');
    const [told] = body.keyspaces as readonly { readonly election: { readonly waits: unknown } | null }[];
    return told?.election?.waits != null;
  });
  const asked = { kind: 'failover', to: 'tokyo', acceptLoss: 2_000_000_000 } as const;
  const ended = await stage.job('tokyo', asked);
  check(ended.outcome === 'done', `it gives way to a failover that accepts a loss: ${JSON.stringify(ended)}`);
  await stage.until('tokyo takes writes', () => stage.put('tokyo', 100));
}
