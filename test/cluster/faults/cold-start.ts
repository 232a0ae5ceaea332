/** Row 10: everything is killed at once and started again in some order, brokers and Redis and sites. */

import { settle } from '@tidemark/cli/drill/account';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const WRITES_BACK_MS_MAX = 120_000;

function shuffled<T>(random: Random, all: readonly T[]): T[] {
  const list = [...all];
  for (let i = list.length - 1; i > 0; i--) {
    const j = integerBetween(random, 0, i);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

export const coldStart: FaultRow = {
  row: 10,
  fault: 'cold start of everything in any order',
  promise: 'the same data, the same epoch or a later one at the same site, within 120 s; never an empty start',
  sizeIs: 'orders',
  small: 1,
  large: 24,
  mutants: ['cut-far-too-low'],
  run: async (trial) => {
    const { stage, folder, size, random, say } = trial;
    await using load = loadOf(trial);
    const firstAtMs = Date.now();
    const backMs: number[] = [];
    for (let order = 0; order < size; order++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const faultAtMs = Date.now();
      await Promise.all(stage.sites.map((site) => site.killAll()));
      const parts = stage.sites.flatMap((site) => [
        { name: `${site.name}'s broker`, start: () => site.kafka!.start() },
        { name: `${site.name}'s Redis`, start: () => site.redis!.start() },
        // It is not ready before its broker is, which may come later.
        { name: site.name, start: () => site.start() },
      ]);
      const started: Promise<void>[] = [];
      for (const part of shuffled(random, parts)) {
        started.push(part.start());
        await new Promise((resolve) => setTimeout(resolve, integerBetween(random, 0, 1_000)));
      }
      await Promise.all(started);
      await calm(load, 1);
      const after = await stage.primary(WRITES_BACK_MS_MAX);
      backMs.push(Date.now() - faultAtMs);
      say(`order ${order + 1}: ${after.site} in epoch ${after.epoch}, was ${before.site} in ${before.epoch}`);
      promise(after.epoch >= before.epoch, `the epoch went from ${before.epoch} to ${after.epoch}`);
      promise(backMs.at(-1)! <= WRITES_BACK_MS_MAX, `writes were back after ${backMs.at(-1)} ms`);
    }
    const account = await settle(stage, folder, load, { faultAtMs: firstAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { orders: size, writesBackMsMax: Math.max(...backMs), rowsLost: account.ledger.missing };
  },
};
