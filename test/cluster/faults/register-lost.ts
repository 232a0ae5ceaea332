/**
 * Row 9: the majority of the register is gone while k sites still answer. Of five votes two are left, the primary's and a
 * replica's: sync writes need no vote, a `local` writer's lease does, and nobody can be elected.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { acksIn } from '@tidemark/cli/drill/drill-load';
import { outageOf } from '@tidemark/cli/drill/outage';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import { isFault } from '@tidemark/platform/fault';
import {
  calm,
  type FaultRow,
  loadOf,
  promise,
  promiseBalance,
  TAKEOVER_MS_MAX,
  type Trial,
} from './stage/fault-row.ts';
import { TiedClient } from './stage/tied-client.ts';

/** Three copies and two witnesses. */
const SITES = { paris: 'data', tokyo: 'data', quito: 'data', oslo: 'witness', perth: 'witness' } as const;
const SILENT = new Output(true, { write: () => true }, { write: () => true });
/** A lease holds for 12 s from when it was asked for, and is looked at four times a second. */
const LEASE_MS_MAX = 13_000;
/** What the loss of one replica may cost: who waited for it is told by the other one. */
const PAUSE_MS_MAX = 5_000;
const REFUSED_MS_MAX = 40_000;
const BACK_MS_MAX = 60_000;

/** Whether an operator's move of the primary is done in this state: it needs a majority that is not there. */
async function canBeMoved({ stage }: Trial, to: string): Promise<boolean> {
  await using db = await connect([stage.site(to).url], { timeoutMs: REFUSED_MS_MAX, idleMs: REFUSED_MS_MAX });
  try {
    const job = { kind: 'switchover', keyspace: stage.keyspace, to };
    return (await runJob(db, stage.site(to).url, job, SILENT)).outcome === 'done';
  } catch (error) {
    if (!isFault(error)) throw error;
    return false;
  }
}

export const registerLost: FaultRow = {
  row: 9,
  fault: "the register's majority gone, while the primary and a replica answer",
  promise:
    'sync writes go on, nobody is elected, a local keyspace acks nothing after its lease; one vote back mends it',
  sizeIs: 'seconds without a majority',
  small: 18,
  large: 3_600,
  mutants: ['lease-never-ends'],
  sites: SITES,
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    const local = await stage.with({ keyspace: 'lease', ack: 'local' });
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const primary = stage.site(before.site);
    const [replica, ...lost] = stage.others(primary.name);
    const tied = new TiedClient(stage.site((await local.primary(TAKEOVER_MS_MAX)).site), local.keyspace, 'lease');
    await sleep(500);
    const faultAtMs = Date.now();
    await Promise.all(lost.map((site) => site.killAll()));
    const isMoved = await Promise.race([canBeMoved(trial, replica!.name), sleep(size * 1_000, false)]);
    promise(!isMoved, `the primary was moved to ${replica!.name} with 2 of 5 votes`);
    await sleep(Math.max(0, faultAtMs + size * 1_000 - Date.now()));
    const during = await stage.primary(TAKEOVER_MS_MAX);
    promise(during.epoch === before.epoch, `epoch ${during.epoch} began with 2 of 5 votes`);
    const { pauseMs } = outageOf(await acksIn(folder), faultAtMs, Date.now());
    promise(pauseMs <= PAUSE_MS_MAX, `sync writes paused for ${pauseMs} ms although ${replica!.name} answered`);
    const backAtMs = Date.now();
    await lost.at(-1)!.startAll();
    await local.primary(BACK_MS_MAX);
    const acksBefore = tied.acks.length;
    await sleep(2_000);
    await tied.stop();
    const mendedMs = Date.now() - backAtMs;
    promise(tied.acks.length > acksBefore, `${local.keyspace} is not written again although a majority is back`);
    const late = tied.acks.filter(({ atMs }) => atMs > faultAtMs + LEASE_MS_MAX && atMs < backAtMs);
    promise(late.length === 0, `${late.length} rows were acked at ${tied.site} after its lease had run out`);
    await Promise.all(lost.slice(0, -1).map((site) => site.startAll()));
    const account = await settle(stage, folder, load, { faultAtMs, untilMs: backAtMs });
    promiseBalance(account, account.examples);
    const leased = tied.acks.filter(({ atMs }) => atMs > faultAtMs && atMs < backAtMs);
    const leaseMs = Math.max(...leased.map(({ atMs }) => atMs - faultAtMs));
    say(
      `sync paused ${Math.round(pauseMs)} ms; the last local ack ${leaseMs} ms after the loss; ${tied.answersInWords}`,
    );
    return { secondsWithout: size, syncPauseMs: Math.round(pauseMs), lastLocalAckMs: leaseMs, mendedMs, terms: 0 };
  },
};
