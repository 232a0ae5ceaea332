/** The primary site's three containers killed in the middle of a load, and started again once another site writes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { acksIn, DrillLoad } from '@tidemark/cli/drill/drill-load';
import { outageOf } from '@tidemark/cli/drill/outage';
import { type Returned, takeBack } from '@tidemark/cli/drill/returned';
import { Fault } from '@tidemark/platform/fault';
import { killSite, startSite } from './docker.ts';

const RATE = 5_000;
const CALM_ROWS = 10_000;
const CALM_MS_MAX = 120_000;
const LISTENS_MS_MAX = 120_000;
const POLL_MS = 500;

export type LosePrimaryOptions = {
  readonly keyspace: string;
  readonly sites: readonly { readonly site: string; readonly url: string }[];
  /** Holds the ledger, which is gone on with. */
  readonly folder: string;
  readonly batchRows: number;
  readonly say: (line: string) => void;
};

export type LostPrimaryReport = {
  readonly from: string;
  /** Who acked next, by the client's ledger; null when nobody did. */
  readonly to: string | null;
  readonly epoch: number | null;
  /** From the kill to that ack. */
  readonly writesBackMs: number | null;
  readonly returned: Returned;
  readonly rowsAcked: number;
};

/** @throws {Fault} `unavailable`: writes did not come back, or the site did not. */
export async function losePrimary(options: LosePrimaryOptions): Promise<LostPrimaryReport> {
  const { keyspace, sites, folder, batchRows, say } = options;
  const urls = sites.map(({ url }) => url);
  const lost = await primaryOf(options);
  await using load = new DrillLoad({ urls, keyspace, folder, batchRows, rate: RATE, timeoutMs: CALM_MS_MAX });
  await load.more(CALM_ROWS, CALM_MS_MAX);
  const faultAtMs = Date.now();
  await killSite(lost.site);
  say(`the containers of ${lost.site}, the primary, are killed; the load goes on`);
  await load.more(CALM_ROWS, CALM_MS_MAX);
  const outage = outageOf(await acksIn(folder), faultAtMs, Date.now());
  say(`${outage.to} acks in epoch ${outage.epoch}, ${outage.writesBackMs} ms after the kill`);
  await startSite(lost.site);
  await untilListens(lost.url);
  const returned = await takeBack({ name: lost.site, url: lost.url }, keyspace);
  say(`${lost.site} is a member again after ${returned.caughtUpMs} ms`);
  const { accepted } = await load.stop();
  const { to, epoch, writesBackMs } = outage;
  return { from: lost.site, to, epoch, writesBackMs, returned, rowsAcked: accepted };
}

async function primaryOf({ sites, keyspace }: LosePrimaryOptions): Promise<{ site: string; url: string }> {
  for (const one of sites) {
    const answer = await fetch(`${one.url}/primary?keyspace=${keyspace}`);
    if (answer.ok) return one;
  }
  throw new Fault('unavailable', `no site is the primary of ${keyspace}`);
}

async function untilListens(url: string): Promise<void> {
  for (const untilMs = performance.now() + LISTENS_MS_MAX; performance.now() < untilMs; await sleep(POLL_MS)) {
    const isReady = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isReady) return;
  }
  throw new Fault('unavailable', `${url} is not ready ${LISTENS_MS_MAX} ms after its containers were started`);
}
