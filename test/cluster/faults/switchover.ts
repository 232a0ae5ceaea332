/** Row 37: the primary moves as planned, under load. */

import { settle } from '@tidemark/cli/drill/account';
import { acksIn } from '@tidemark/cli/drill/drill-load';
import { outageOf } from '@tidemark/cli/drill/outage';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import { calm, type FaultRow, loadOf, oneOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const PAUSE_MS_MAX = 5_000;
const SILENT = new Output(true, { write: () => true }, { write: () => true });

export const switchover: FaultRow = {
  row: 37,
  fault: 'planned switchover under load',
  promise: 'nothing lost, only errors that may be repeated, pause at most 5 s',
  sizeIs: 'switchovers',
  small: 2,
  large: 20,
  mutants: ['cut-far-too-low'],
  run: async (trial) => {
    const { stage, folder, size, random, say } = trial;
    await using load = loadOf(trial);
    await using db = await connect(stage.urls, { timeoutMs: TAKEOVER_MS_MAX });
    const pausesMs: number[] = [];
    const beganAtMs = Date.now();
    for (let move = 0; move < size; move++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const to = oneOf(random, stage.others(before.site)).name;
      const atMs = Date.now();
      const facts = await runJob(db, stage.site(to).url, { kind: 'switchover', keyspace: stage.keyspace, to }, SILENT);
      promise(facts.outcome === 'done', `the switchover to ${to} ended ${JSON.stringify(facts)}`);
      const after = await stage.mustSucceed(before, TAKEOVER_MS_MAX);
      promise(after.site === to, `${after.site} is the primary, asked for was ${to}`);
      await calm(load, 1);
      const { pauseMs } = outageOf(await acksIn(folder), atMs, Date.now());
      say(`${before.site} → ${to}: pause ${Math.round(pauseMs)} ms`);
      pausesMs.push(Math.round(pauseMs));
    }
    promise(!load.hasEnded, 'the load went on: every error could be repeated');
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    promise(Math.max(...pausesMs) <= PAUSE_MS_MAX, `writes paused for ${Math.max(...pausesMs)} ms`);
    return { moves: size, pauseMsMax: Math.max(...pausesMs), rowsLost: account.ledger.missing };
  },
};
