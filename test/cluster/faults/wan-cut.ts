/** Row 4: the WAN to the primary fails for 43 s; with ack local its writes go on for the lease, and nobody takes over. */

import { setTimeout as sleep } from 'node:timers/promises';
import { equalDigests } from '@tidemark/cli/demo/site-facts';
import { settle } from '@tidemark/cli/drill/account';
import { TABLE } from '@tidemark/cli/drill/stage';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const LEVEL_MS_MAX = 60_000;

export const wanCut: FaultRow = {
  row: 4,
  fault: 'WAN cut, async',
  promise: 'no failover, no divergence, level at most 60 s after it heals',
  sizeIs: 'seconds that it is cut',
  small: 6,
  large: 43,
  mutants: ['local-moves-by-itself'],
  keyspace: { keyspace: 'async', ack: 'local' },
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const faultAtMs = Date.now();
    stage.links!.cutOff(before.site);
    await sleep(size * 1_000);
    stage.links!.heal();
    const untilMs = Date.now();
    await calm(load, 1);
    await load.stop();
    const healedMs = performance.now();
    const level = await equalDigests(stage.urls, stage.keyspace, TABLE, load.acked);
    const levelMs = Math.round(performance.now() - healedMs);
    promise(level !== null && levelMs <= LEVEL_MS_MAX, `the sites are not level after ${levelMs} ms`);
    const after = await stage.primary(TAKEOVER_MS_MAX);
    // Beyond its lease the writer ends (rule 15), and once the sites meet again a new one begins at the same site.
    promise(after.site === before.site, `${after.site} took over from ${before.site}, in epoch ${after.epoch}`);
    const account = await settle(stage, folder, load, { faultAtMs, untilMs });
    promiseBalance(account, account.examples);
    say(`level ${levelMs} ms after the last ack`);
    return { cutS: size, levelMs, pauseMs: Math.round(account.outage.pauseMs), epochs: after.epoch - before.epoch };
  },
};
