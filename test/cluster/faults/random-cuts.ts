/** Row 31: many cuts of one site after another, too short or too far from the primary to move anything for long. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { integerBetween } from '@tidemark/platform/random';
import {
  calm,
  type FaultRow,
  loadOf,
  oneOf,
  promise,
  promiseBalance,
  TAKEOVER_MS_MAX,
  type Trial,
} from './stage/fault-row.ts';

/** Of a cut, and of the quiet after it. */
const CUT_MS = { min: 500, max: 20_000 };
const QUIET_MS_MAX = 1_000;
const SHORT_MS = 3_000;
/** As an operator has it; the other trials' sites may move as often as they are hit. */
const AN_HOUR = { TIDEMARK_FAILOVER_EVERY_MS_MIN: '3600000' };

async function restart({ stage }: Trial, env: Readonly<Record<string, string>>): Promise<void> {
  // All at once: one after the other they would be missed, and the hour's failover be used up.
  await Promise.all(stage.sites.map((site) => site.stop()));
  await Promise.all(stage.sites.map((site) => site.start(env)));
}

export const randomCuts: FaultRow = {
  row: 31,
  fault: 'random cuts of one site, 0.5–20 s each (all short ones at a small size)',
  promise: 'at most one failover in all, and none by cuts of at most 3 s',
  sizeIs: 'cuts',
  small: 4,
  large: 30,
  mutants: ['hasty-suspicion'],
  keyspace: { keyspace: 'cuts' },
  run: async (trial) => {
    const { stage, folder, size, random, say } = trial;
    await restart(trial, AN_HOUR);
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const beganAtMs = Date.now();
    const isShort = size < 10;
    const max = isShort ? SHORT_MS : CUT_MS.max;
    for (let cut = 0; cut < size; cut++) {
      // Every other time the one whose loss would move something.
      const site = cut % 2 === 0 ? before.site : oneOf(random, stage.sites).name;
      const cutMs = integerBetween(random, CUT_MS.min, max);
      stage.links!.cutOff(site);
      await sleep(cutMs);
      stage.links!.heal();
      say(`${site} was cut off for ${cutMs} ms`);
      await sleep(integerBetween(random, 0, QUIET_MS_MAX));
    }
    await calm(load, 1);
    const after = await stage.primary(TAKEOVER_MS_MAX);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    const terms = after.epoch - before.epoch;
    await restart(trial, {});
    promise(terms <= (isShort ? 0 : 1), `${size} cuts of at most ${max} ms began ${terms} terms`);
    return { cuts: size, cutMsMax: max, failovers: terms, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
