/** The end of a drill: the load is stopped, and what the client has in its ledger is looked for at every site. */

import type { Decision } from '@tidemark/control/audit/decision';
import { readHistory } from '../commands/history.ts';
import { equalDigests } from '../demo/site-facts.ts';
import { type Balance, balanceOf } from './balance.ts';
import { type DrillLoad, ledgerOf, verifyLoad } from './drill-load.ts';
import { failoverAfter } from './failover-after.ts';
import { acksOf, type Outage, outageOf } from './outage.ts';
import { type Stage, TABLE } from './stage.ts';

/** What the client found once the load had ended, counted by its own ledger. */
export type Account = {
  readonly ledger: Balance;
  readonly digestsEqual: boolean;
  readonly outage: Outage;
  /** The failover that followed the fault; null when none did. */
  readonly decision: Decision | null;
  /** The first findings of the comparison, in words. */
  readonly examples: readonly string[];
};

/** All sites are there again, however busy. */
const HISTORY_MS_MAX = 30_000;

/** When it went wrong, and until when the pause between acks is looked at: wall clock of this process. */
export type FaultWindow = {
  readonly faultAtMs: number;
  readonly untilMs: number;
  /** True: acked rows may be missing, as many as a loss that was accepted. */
  readonly isLossAccepted?: boolean;
};

/** @throws {Fault} `unavailable`, `unknown`: a site could not be read to its end */
export async function settle(stage: Stage, folder: string, load: DrillLoad, window: FaultWindow): Promise<Account> {
  const { unknown, notStored } = await load.stop();
  const entries = [...(await ledgerOf(folder)).entries.values()];
  const offered = Math.max(...entries.map(({ lastRow }) => lastRow)) + unknown + notStored;
  const acked = entries.reduce((sum, { firstRow, lastRow }) => sum + lastRow - firstRow + 1, 0);
  const digest = await equalDigests(stage.urls, stage.keyspace, TABLE, window.isLossAccepted === true ? 0 : acked);
  const verdict = await verifyLoad(folder, offered, stage.urls);
  const { decisions } = await readHistory(stage.urls, HISTORY_MS_MAX);
  return {
    ledger: balanceOf({ offered, acked, unknown }, verdict),
    digestsEqual: digest !== null,
    outage: outageOf(acksOf(entries), window.faultAtMs, window.untilMs),
    decision: failoverAfter(decisions, window.faultAtMs),
    examples: verdict.sites.flatMap((site) => site.examples),
  };
}
