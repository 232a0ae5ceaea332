/** The rows of the table of faults that are shown on real processes. The others are the simulator's, or exhaustive. */

import { acceptedLoss } from './accepted-loss.ts';
import { asyncLost } from './async-lost.ts';
import { brokerDead } from './broker-dead.ts';
import { clockSteps } from './clock-steps.ts';
import { coldStart } from './cold-start.ts';
import { foreignRecords } from './foreign-records.ts';
import { logCut } from './log-cut.ts';
import { minority } from './minority.ts';
import { noRedis } from './no-redis.ts';
import { offsetsReset } from './offsets-reset.ts';
import { oldCopy } from './old-copy.ts';
import { oneWay } from './one-way.ts';
import { randomCuts } from './random-cuts.ts';
import { registerLost } from './register-lost.ts';
import { replicasLost } from './replicas-lost.ts';
import { siteLost } from './site-lost.ts';
import { clocks } from './stage/clocks.ts';
import type { FaultRow } from './stage/fault-row.ts';
import { switchover } from './switchover.ts';
import { wanCut } from './wan-cut.ts';
import { writerDead } from './writer-dead.ts';
import { zombie } from './zombie.ts';

/** Held by a script at the size that is asked for: each takes long, or what it needs is not everywhere. */
export const SCRIPTED: readonly FaultRow[] = [acceptedLoss, clockSteps, brokerDead, oldCopy];

export const ROWS: readonly FaultRow[] = [
  siteLost,
  asyncLost,
  writerDead,
  wanCut,
  minority,
  oneWay,
  zombie,
  noRedis,
  registerLost,
  coldStart,
  logCut,
  offsetsReset,
  clocks,
  foreignRecords,
  randomCuts,
  replicasLost,
  switchover,
];

/** A row's name for people: `row 5`, and 30 is the same trial as 5. */
export function rowNumbered(number: number): FaultRow | undefined {
  return ROWS.find(({ row }) => row === (number === 30 ? 5 : number));
}
