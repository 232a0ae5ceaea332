/** Row 7: the primary's process stands still across a failover and then goes on as if nothing had been. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';
import { TiedClient } from './stage/tied-client.ts';

const AWAKE_MS = 2_000;

export const zombie: FaultRow = {
  row: 7,
  fault: 'writer paused across a failover, then resumed',
  promise: 'no ack from the zombie; nothing of it beyond the epoch end is applied anywhere',
  sizeIs: 'seconds that it stands still after the failover',
  small: 1,
  large: 180,
  // It steps down when it hears of the next term, may not ack behind a fence, nor alone: any of these holds it.
  mutants: ['term-on+fenced-is-ackable+fence-forgotten-on-append+ack-when-stored-here'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const paused = stage.site(before.site);
    const tied = new TiedClient(paused, stage.keyspace, `zombie-${Date.now()}`);
    await sleep(200);
    const faultAtMs = Date.now();
    await paused.pause();
    const next = await stage.successor(before, TAKEOVER_MS_MAX);
    promise(next !== null, `${paused.name} stood still, and nobody took over`);
    await sleep(size * 1_000);
    await calm(load, 1);
    const untilMs = Date.now();
    paused.resume();
    await sleep(AWAKE_MS);
    await tied.stop();
    if (!paused.isRunning) await paused.start();
    await takeBack(paused, stage.keyspace);
    const account = await settle(stage, folder, load, { faultAtMs, untilMs });
    promiseBalance(account, account.examples);
    const acks = tied.acks.filter(({ epoch, atMs }) => epoch <= before.epoch && atMs > next!.seenAtMs);
    promise(acks.length === 0, `${paused.name} woke up and acked ${acks.length} rows of epoch ${before.epoch}`);
    for (const site of stage.sites) {
      const missing = await tied.missingAt(site);
      promise(missing.length === 0, `acked by ${paused.name} and missing: ${missing.join(', ')}`);
    }
    say(`${paused.name} answered ${tied.answersInWords}`);
    return { pausedS: size, writesBackMs: account.outage.writesBackMs, acksOfTheZombie: acks.length };
  },
};
