/** Row 2: with ack local the primary's newest rows are at its site alone; when it is lost an operator decides what that costs. */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import { type JobFacts, runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect, isFault, isRefusal } from '@tidemark/client';
import { calm, type FaultRow, loadOf, promise, RATE, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const SILENT = new Output(true, { write: () => true }, { write: () => true });
/** For so long the primary writes what no other site gets. */
const TAIL_MS = 1_500;
/** Beyond the suspicion of the watchdogs, who must not move it. */
const HANDS_OFF_MS = 6_000;
const MANY = 1_000_000;

export const asyncLost: FaultRow = {
  row: 2,
  fault: 'primary site lost, async',
  promise:
    'nobody moves it by itself; the loss is the un-mirrored tail only, told before; the tail is exported to the row',
  sizeIs: 'times it is lost',
  small: 1,
  large: 10,
  mutants: ['loss-not-counted'],
  keyspace: { keyspace: 'asynclost', ack: 'local' },
  run: async (trial) => {
    const { stage, folder, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const lost = stage.site(before.site);
    const [to] = stage.others(lost.name);
    stage.links!.cutOff(lost.name);
    await sleep(TAIL_MS);
    const faultAtMs = Date.now();
    await lost.takeAway();
    stage.links!.heal();
    const moved = await stage.successor(before, HANDS_OFF_MS);
    promise(moved === null, `${moved?.site} took over by itself although rows may be lost`);
    await using db = await connect([to!.url], { timeoutMs: TAKEOVER_MS_MAX });
    const job = { kind: 'failover', keyspace: stage.keyspace, to: to!.name };
    const estimate = await runJob(db, to!.url, { ...job, dryRun: true, acceptLoss: MANY }, SILENT);
    const tooLittle = await refused(() => runJob(db, to!.url, { ...job, acceptLoss: 0 }, SILENT));
    promise(tooLittle, 'a loss of 0 rows was accepted although rows are at stake');
    const facts = await runJob(db, to!.url, { ...job, acceptLoss: MANY }, SILENT);
    promise(facts.outcome === 'done', `the failover to ${to!.name} ended ${JSON.stringify(facts)}`);
    await calm(load, 1);
    const untilMs = Date.now();
    await lost.bringBack();
    const returned = await takeBack(lost, stage.keyspace);
    const account = await settle(stage, folder, load, { faultAtMs, untilMs, isLossAccepted: true });
    const estimated = Number(estimate.estimatedLoss);
    const { acked, kept, missing, wrong, extra } = account.ledger;
    say(`acked ${acked}, kept ${kept}, missing ${missing}, exported ${returned.exported}; told before ${estimated}`);
    promise(account.digestsEqual, 'the sites differ');
    promise(
      wrong === 0 && extra === 0,
      `${wrong} rows are wrong, ${extra} from nowhere: ${account.examples.join('; ')}`,
    );
    promise(missing <= returned.exported, `${missing} acked rows are missing, only ${returned.exported} were exported`);
    promise(missing > 0, 'there was a tail to lose');
    promise(estimated >= missing, `${missing} acked rows are missing, and at most ${estimated} were told before`);
    promise(missing <= RATE * 10, `${missing} rows are missing, more than were written without the others`);
    // What was exported is written again where it is still wanted, and then nothing is missing.
    await using home = await connect([lost.url], { timeoutMs: TAKEOVER_MS_MAX });
    await runJob(home, lost.url, { kind: 'return', keyspace: stage.keyspace, site: lost.name, tail: 'apply' }, SILENT);
    const whole = (await settle(stage, folder, load, { faultAtMs, untilMs, isLossAccepted: true })).ledger;
    promise(whole.missing === 0, `${whole.missing} rows are missing after the tail was applied`);
    return { missing, exported: returned.exported, estimated, kept };
  },
};

async function refused(run: () => Promise<JobFacts>): Promise<boolean> {
  try {
    return (await run()).outcome === 'refused';
  } catch (error) {
    return isFault(error, 'fenced') || isRefusal(error);
  }
}
