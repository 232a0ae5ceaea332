/** Row 52: the primary's broker is dead and its process lives: whoever is asked to move it says what the others see. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const SILENT = new Output(true, { write: () => true }, { write: () => true });
const NOTICED_MS_MAX = 30_000;
const POLL_MS = 250;

export const brokerDead: FaultRow = {
  row: 52,
  name: 'broker-dead',
  fault: "the primary's broker is dead while its process lives",
  promise: 'it is not ready, and a failover asked at any site, the sick one too, is granted and loses nothing',
  sizeIs: 'times a broker dies',
  small: 1,
  large: 5,
  mutants: ['judged-by-the-sick'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    for (let n = 0; n < size; n++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      await site.kafka!.kill();
      let status = 200;
      for (const untilMs = performance.now() + NOTICED_MS_MAX; status === 200 && performance.now() < untilMs; ) {
        await sleep(POLL_MS);
        status = (await fetch(`${site.url}/readyz`)).status;
      }
      promise(status === 503, `/readyz of ${site.name} without its broker is ${status}`);
      const [to] = stage.others(site.name);
      await using db = await connect([site.url], { timeoutMs: TAKEOVER_MS_MAX });
      const job = { kind: 'failover', keyspace: stage.keyspace, to: to!.name };
      const facts = await runJob(db, site.url, job, SILENT).catch((error) => ({ outcome: String(error) }));
      promise(facts.outcome === 'done', `asked at ${site.name} it ended ${JSON.stringify(facts)}`);
      const next = await stage.mustSucceed(before, TAKEOVER_MS_MAX);
      say(`${site.name} has no broker: asked there, ${next.site} took over in epoch ${next.epoch}`);
      await calm(load, 1);
      await site.kafka!.restart();
    }
    await calm(load, 1);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { brokers: size, rowsLost: 0, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
