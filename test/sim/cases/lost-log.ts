/** A site whose log topics were lost while its folder survived comes back, and leads again. */

import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

const OLD_MS = 25_000;

export async function lostLog(): Promise<void> {
  // Its writer notes where its log can be read on from, and such a note is old enough to be believed.
  const stage = new Stage({ isBrief: true });
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 20);
  await stage.rest(OLD_MS);
  await stage.leads('tokyo');
  stage.stop('paris');
  stage.world.site('paris').store.wipe();
  stage.begin('paris');
  await stage.rest(3_000);
  const path = `/v1/watchdog/${KEYSPACE}/readmit`;
  const isIn = async (): Promise<boolean> => (await stage.ask('tokyo', 'POST', path, { site: 'paris' })).status === 200;
  await stage.until('the vote of paris is let in', isIn);
  await stage.until('paris leads again', async () => {
    const { outcome } = await stage.job('tokyo', { kind: 'switchover', to: 'paris' });
    return outcome === 'done';
  });
  await stage.until('paris takes writes', () => stage.put('paris', 100));
  for (const site of stage.shape.data) {
    await stage.until(`${site} has every row`, async () => {
      const rows = await stage.rowsAt(site);
      return acked.every((n) => rows.includes(n)) && rows.includes(100);
    });
  }
  await stage.leads('quito');
  await stage.leads('paris');
  check(stage.world.violations.length === 0, 'no promise was broken');
}
