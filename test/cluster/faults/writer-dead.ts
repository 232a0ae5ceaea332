/** Row 3: the primary's process is dead and its broker lives: what it acked is all in a log that can be fenced and read. */

import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const SILENT = new Output(true, { write: () => true }, { write: () => true });
/** What the watchdogs may do by themselves comes first; after that an operator asks. */
const AUTOMATIC_MS_MAX = 8_000;

export const writerDead: FaultRow = {
  row: 3,
  fault: "primary's writer dead, its Kafka alive, async",
  promise: 'no acked row lost: the log is fenced and drained',
  sizeIs: 'times it is killed',
  small: 1,
  large: 10,
  mutants: ['cut-far-too-low'],
  keyspace: { keyspace: 'writerdead', ack: 'local' },
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    const backMs: number[] = [];
    for (let kill = 0; kill < size; kill++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const dead = stage.site(before.site);
      const atMs = Date.now();
      await dead.kill();
      const automatic = await stage.successor(before, AUTOMATIC_MS_MAX);
      if (automatic === null) await moveFrom(trial, dead.name);
      const next = await stage.successor(before, TAKEOVER_MS_MAX);
      promise(next !== null, `${dead.name} is dead, and nobody took over`);
      backMs.push(next!.seenAtMs - atMs);
      say(`${dead.name} → ${next!.site}, ${automatic === null ? 'asked by an operator' : 'by itself'}`);
      await calm(load, 1);
      await dead.start();
      await takeBack(dead, stage.keyspace);
    }
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { kills: size, promotedMsMax: Math.max(...backMs), rowsLost: account.ledger.missing };
  },
};

async function moveFrom({ stage }: Parameters<FaultRow['run']>[0], dead: string): Promise<void> {
  const [to] = stage.others(dead);
  await using db = await connect([to!.url], { timeoutMs: TAKEOVER_MS_MAX });
  const job = { kind: 'failover', keyspace: stage.keyspace, to: to!.name };
  const facts = await runJob(db, to!.url, job, SILENT);
  promise(facts.outcome === 'done', `the failover to ${to!.name} ended ${JSON.stringify(facts)}`);
}
