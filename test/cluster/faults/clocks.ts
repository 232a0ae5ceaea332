/** Row 24: the clock of one site is an hour ahead, an hour behind, or jumps. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { fakeTime } from '@tidemark/dev/fake-time';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './fault-row.ts';
import { TiedClient } from './tied-client.ts';

const WRONG = ['+3600', '-3600'] as const;
/** Writes are refused after so long at the latest. */
const REFUSED_MS_MAX = 2_000;
const WATCHED_MS = 3_000;

export const clocks: FaultRow = {
  row: 24,
  fault: "the primary's clock an hour ahead, and an hour behind",
  promise: 'it acks nothing with such a clock; the others go on, and what was acked stays',
  sizeIs: 'clocks that are wrong, ahead and behind in turn',
  small: 2,
  large: 10,
  mutants: ['any-clock'],
  obstacle: async () => {
    const found = await fakeTime();
    return 'obstacle' in found ? found.obstacle : null;
  },
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    const found = await fakeTime();
    if ('obstacle' in found) throw new Error(found.obstacle);
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    let acksWrong = 0;
    for (let round = 0; round < size; round++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      await site.kill();
      await site.start(found.environment(WRONG[round % 2]!));
      const wrongAtMs = Date.now();
      const tied = new TiedClient(site, stage.keyspace, `clock-${wrongAtMs}`);
      await sleep(REFUSED_MS_MAX + WATCHED_MS);
      await tied.stop();
      const late = tied.acks.filter(({ atMs }) => atMs > wrongAtMs + REFUSED_MS_MAX);
      say(`${site.name} at ${WRONG[round % 2]} s answered ${tied.answersInWords}`);
      promise(late.length === 0, `${site.name} acked ${late.length} rows with a clock an hour off`);
      acksWrong += tied.acks.length;
      await site.kill();
      await site.start();
    }
    await calm(load, 1);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { clocks: size, acksWithinTwoSeconds: acksWrong, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
