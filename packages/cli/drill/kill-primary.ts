/** The drill that matters most: everything of the primary site is killed with −9 under load, and later it is back. */

import { settle } from './account.ts';
import { DrillLoad } from './drill-load.ts';
import { type DrillReport, reportOf } from './report.ts';
import { takeBack } from './returned.ts';
import type { Stage } from './stage.ts';

/** A drill's sizes: the load that runs through it. */
export type DrillSizes = {
  /** Rows a second, and in a batch. */
  readonly rate: number;
  readonly batchRows: number;
  /** How long writes go on before the fault, and again once they are back. */
  readonly calmMs: number;
};

/** How much is written, where the ledger lies, and where progress is told. */
export type DrillOptions = DrillSizes & {
  /** Holds the client's ledger; the ledger of an earlier drill on the same stage is gone on with. */
  readonly folder: string;
  readonly say: (line: string) => void;
};

/** How long a drill waits for another site to lead before it gives up, ms. */
export const TAKEOVER_MS_MAX = 90_000;

/** @throws {Fault} `unavailable`: nobody took over, writes did not come back, or the site did not return. */
export async function killPrimary(stage: Stage, options: DrillOptions): Promise<DrillReport> {
  const startedMs = performance.now();
  const { folder, rate, batchRows, calmMs, say } = options;
  await using load = new DrillLoad({ urls: stage.urls, keyspace: stage.keyspace, folder, batchRows, rate });
  const calmRows = (rate * calmMs) / 1_000;
  await load.more(calmRows, calmMs + TAKEOVER_MS_MAX);
  const before = await stage.primary(TAKEOVER_MS_MAX);
  const lost = stage.site(before.site);
  say(`${load.acked} rows acked; ${lost.name}, the primary, is killed with −9 and put out of reach`);
  const faultAtMs = Date.now();
  await lost.takeAway();
  const next = await stage.mustSucceed(before, TAKEOVER_MS_MAX);
  say(`${next.site} is the primary, epoch ${next.epoch}, after ${next.seenAtMs - faultAtMs} ms`);
  await load.more(calmRows, calmMs + TAKEOVER_MS_MAX);
  const untilMs = Date.now();
  await lost.bringBack();
  const returned = await takeBack(lost, stage.keyspace);
  say(`${lost.name} is a member again after ${returned.caughtUpMs} ms`);
  const account = await settle(stage, folder, load, { faultAtMs, untilMs });
  return reportOf(account, {
    ...{ drill: 'kill primary', engine: stage.engine, ack: stage.file.ack, from: lost.name, returned },
    ...{ faultAtMs, promotedAtMs: next.seenAtMs, durationMs: Math.round(performance.now() - startedMs) },
  });
}
