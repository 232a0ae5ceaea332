/**
 * Rows 5 and 30: the primary alone is cut off from both others while a client beside it goes on writing there. What it
 * is acked has to be everywhere in the end; what it was not acked is the divergent suffix that the return writes out.
 */

import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import {
  calm,
  type FaultRow,
  loadOf,
  promise,
  promiseBalance,
  TAKEOVER_MS_MAX,
  type Trial,
} from './stage/fault-row.ts';
import { tailOf } from './stage/tail-of.ts';
import { TiedClient } from './stage/tied-client.ts';

const RETURN_WRITES_MS = 1_000;

async function cutOffPrimary(trial: Trial, round: number): Promise<{ tail: number; exported: number; backMs: number }> {
  const { stage, say, folder } = trial;
  await using load = loadOf(trial);
  await calm(load, 1);
  const before = await stage.primary(TAKEOVER_MS_MAX);
  const minority = stage.site(before.site);
  const tied = new TiedClient(minority, stage.keyspace, `minority-${Date.now()}-${round}`);
  const faultAtMs = Date.now();
  stage.links!.cutOff(minority.name);
  const next = await stage.successor(before, TAKEOVER_MS_MAX);
  promise(next !== null, `${minority.name} was cut off, and nobody took over`);
  await calm(load, 2);
  const untilMs = Date.now();
  stage.links!.heal();
  const returned = await takeBack(minority, stage.keyspace);
  await new Promise((resolve) => setTimeout(resolve, RETURN_WRITES_MS));
  await tied.stop();
  const account = await settle(stage, folder, load, { faultAtMs, untilMs });
  promiseBalance(account, account.examples);
  const zombie = tied.acks.filter(({ epoch, atMs }) => epoch <= before.epoch && atMs > next!.seenAtMs);
  promise(zombie.length === 0, `${minority.name} acked ${zombie.length} rows of epoch ${before.epoch} after it ended`);
  for (const site of stage.sites) {
    const missing = await tied.missingAt(site);
    promise(missing.length === 0, `acked by ${minority.name} and missing: ${missing.join(', ')}`);
  }
  const [first, ...others] = await Promise.all(stage.sites.map((site) => tied.unackedAt(site)));
  for (const one of others)
    promise(String(one) === String(first), 'rows that were not acked are not the same everywhere');
  const lost = tied.unacked.length - first!.length;
  const kept = new Set(first);
  const tail = await tailOf(minority, stage.keyspace);
  promise(tail.rows === returned.exported, `${returned.exported} rows were exported, ${tail.rows} are in the files`);
  // What it took and could not have confirmed is either what counts, or beyond the epoch end and written out.
  const gone = tied.unknown.filter((row) => !kept.has(row) && !tail.probes.has(row));
  promise(gone.length === 0, `taken by ${minority.name}, and neither kept nor exported: ${gone.join(', ')}`);
  say(
    `${minority.name} answered ${tied.answersInWords}; ${lost} unacked rows are nowhere, ${returned.divergentRecords} records were beyond the epoch end`,
  );
  return {
    tail: returned.divergentRecords,
    exported: returned.exported,
    backMs: Math.round(account.outage.writesBackMs ?? Number.NaN),
  };
}

export const minority: FaultRow = {
  row: 5,
  fault: 'cut with the primary in the minority, sync; and the old primary returns (row 30)',
  promise:
    'the minority acks nothing after the fence; what it has beyond the epoch end is written out whole; digests equal',
  sizeIs: 'cuts',
  small: 1,
  large: 10,
  mutants: ['ack-when-stored-here', 'tail-without-its-last-row'],
  run: async (trial) => {
    const rounds = [];
    for (let round = 0; round < trial.size; round++) rounds.push(await cutOffPrimary(trial, round));
    return {
      cuts: trial.size,
      writesBackMsMax: Math.max(...rounds.map(({ backMs }) => backMs)),
      tailRecords: rounds.reduce((sum, { tail }) => sum + tail, 0),
      tailRowsExported: rounds.reduce((sum, { exported }) => sum + exported, 0),
    };
  },
};
