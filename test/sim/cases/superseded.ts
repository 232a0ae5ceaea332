/** A site that won an election and was cut off before its first lease is superseded, and can lead again later. */

import { check, Stage } from './stage.ts';

export async function supersededBeforeItsLease(): Promise<void> {
  const stage = new Stage({ k: 0, degradeTo: 0 });
  const { world } = stage;
  await stage.makeKeyspace();
  await stage.putAll('paris', 0, 5);
  await stage.rest(3_000);
  let isCut = false;
  // Version 4 names its second term.
  world.onLog = (site, fields) => {
    if (isCut || site !== 'paris' || (fields as { readonly version?: unknown }).version !== 4) return;
    isCut = true;
    stage.isolate('paris');
  };
  stage.stop('paris');
  stage.begin('paris');
  await stage.until('paris is cut off in the moment it is named', async () => isCut);
  await stage.rest(5_000);
  await stage.until(
    'tokyo is asked to take over',
    async () => (await stage.nominate('tokyo', 'failover', 2_000_000_000)) === 202,
  );
  await stage.until('tokyo takes writes', () => stage.put('tokyo', 100));
  stage.join('paris');
  await stage.until('paris counts again and leads', async () => {
    const status = await stage.nominate('paris', 'switchover');
    return status === 409 && stage.put('paris', 101);
  });
  stage.stop('tokyo', 'with its log');
  await stage.rest(1_000);
  check(await stage.put('paris', 102), 'paris writes on without tokyo');
}
