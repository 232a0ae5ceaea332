/** Row 32: both replicas are lost, and sync(1) can be promised by nobody. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';
import { TiedClient } from './stage/tied-client.ts';

/** Acks that were earned before the replicas were gone may still be on their way to the client. */
const ON_THE_WAY_MS = 200;

export const replicasLost: FaultRow = {
  row: 32,
  fault: 'the sync replicas lost',
  promise: 'a write blocks, or is 503 or 504 by its deadline; never acked by the primary alone',
  sizeIs: 'seconds without replicas',
  small: 3,
  large: 60,
  mutants: ['ack-when-stored-here'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const primary = stage.site(before.site);
    const replicas = stage.others(primary.name);
    const tied = new TiedClient(primary, stage.keyspace, `alone-${Date.now()}`);
    await sleep(300);
    await Promise.all(replicas.map((site) => site.killAll()));
    const faultAtMs = Date.now();
    await sleep(size * 1_000);
    const untilMs = Date.now();
    await Promise.all(replicas.map((site) => site.startAll()));
    await calm(load, 1);
    await tied.stop();
    const account = await settle(stage, folder, load, { faultAtMs, untilMs });
    promiseBalance(account, account.examples);
    const alone = tied.acks.filter(({ atMs }) => atMs > faultAtMs + ON_THE_WAY_MS && atMs < untilMs);
    promise(alone.length === 0, `${primary.name} acked ${alone.length} rows with no replica there`);
    for (const site of stage.sites) {
      const missing = await tied.missingAt(site);
      promise(missing.length === 0, `acked and missing: ${missing.join(', ')}`);
    }
    say(`${primary.name} answered ${tied.answersInWords}`);
    return { secondsAlone: size, acksAlone: alone.length, pauseMs: Math.round(account.outage.pauseMs) };
  },
};
