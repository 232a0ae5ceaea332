/** Of two data sites the one that stood for election loses all its disks: the primary, which lives, ends that election. */

import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

export async function stoodAndGone(): Promise<void> {
  const stage = new Stage({ data: ['paris', 'tokyo'], witnesses: ['quito'] });
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 5);
  stage.isolate('paris');
  // Begun anew it has nobody to vouch for its copy, so that it cannot win without paris.
  stage.stop('tokyo');
  stage.begin('tokyo');
  await stage.until('tokyo stands', async () => (await stage.nominate('tokyo', 'failover')) === 202);
  await stage.rest(1_000);
  stage.stop('tokyo');
  stage.world.site('tokyo').wipe();
  stage.join('paris');
  stage.begin('tokyo');
  const letIn = { site: 'tokyo' };
  await stage.until(
    'the vote of tokyo is let in',
    async () => (await stage.ask('paris', 'POST', `/v1/watchdog/${KEYSPACE}/readmit`, letIn)).status === 200,
  );
  await stage.until('paris takes writes again', () => stage.put('paris', 100));
  await stage.until('tokyo has every row', async () => {
    const rows = await stage.rowsAt('tokyo').catch((): number[] => []);
    return [...acked, 100].every((n) => rows.includes(n));
  });
  check(stage.world.violations.length === 0, 'no promise was broken');
}
