/**
 * Every member of a `local` keyspace has lost something: the primary all its disks, the other one the end of its copy. An
 * operator who accepts the loss goes on with what is left; without that nobody ever could.
 */

import { topicNames } from '@tidemark/model/table';
import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

export async function lastResort(): Promise<void> {
  const stage = new Stage({ data: ['paris', 'tokyo'], witnesses: ['quito'], k: 0, degradeTo: 0 });
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 10);
  await stage.rest(3_000);
  for (const site of stage.shape.data) stage.stop(site);
  stage.world.site('paris').wipe();
  stage.world.site('tokyo').store.loseEnd(topicNames.mirror(KEYSPACE, 'paris'), 0, 6);
  for (const site of stage.shape.data) stage.begin(site);
  const letIn = { site: 'paris' };
  await stage.until(
    'the vote of paris is let in',
    async () => (await stage.ask('tokyo', 'POST', `/v1/watchdog/${KEYSPACE}/readmit`, letIn)).status === 200,
  );
  // Barriers that were read at the start are old by then.
  await stage.rest(10_000);
  const asked = { kind: 'failover', to: 'tokyo' } as const;
  const unaccepted = await stage.job('tokyo', { ...asked, acceptLoss: 0 });
  check(unaccepted.outcome === 'refused', `nothing goes on unasked: ${JSON.stringify(unaccepted)}`);
  const ended = await stage.job('tokyo', { ...asked, acceptLoss: 2_000_000_000 });
  check(ended.outcome === 'done', `what is left goes on: ${JSON.stringify(ended)}`);
  await stage.until('tokyo takes writes', () => stage.put('tokyo', 100));
  const left = await stage.rowsAt('tokyo');
  check(acked.length > 0 && left.length > 1, `rows that were there are kept: ${left.join()}`);
  await stage.until('paris has the same', async () => {
    const rows = await stage.rowsAt('paris').catch((): number[] => []);
    return left.every((n) => rows.includes(n));
  });
  await stage.leads('paris');
}
