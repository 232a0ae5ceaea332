/** Row 6: a link fails one way only, as behind a broken firewall. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const CUT_MS = 8_000;

export const oneWay: FaultRow = {
  row: 6,
  fault: 'one-way cut: the primary reaches nobody, or nobody reaches the primary',
  promise: 'never two ackers, at most one failover a cut, no flapping',
  sizeIs: 'cuts, one way and the other in turn',
  small: 2,
  large: 20,
  mutants: ['ack-when-stored-here'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    const links = stage.links!;
    await using load = loadOf(trial);
    await calm(load, 1);
    const beganAtMs = Date.now();
    let failovers = 0;
    for (let cut = 0; cut < size; cut++) {
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const isOutward = cut % 2 === 0;
      for (const { name } of stage.others(before.site)) {
        isOutward ? links.cutWay(before.site, name) : links.cutWay(name, before.site);
      }
      await sleep(CUT_MS);
      links.heal();
      await calm(load, 1);
      const after = await stage.primary(TAKEOVER_MS_MAX);
      say(
        `${before.site} ${isOutward ? 'reached nobody' : 'was reached by nobody'}: epoch ${after.epoch}, ${after.site}`,
      );
      promise(after.epoch <= before.epoch + 1, `one cut began ${after.epoch - before.epoch} terms`);
      if (after.epoch === before.epoch) continue;
      failovers++;
      await takeBack(stage.site(before.site), stage.keyspace);
    }
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { cuts: size, failovers, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
