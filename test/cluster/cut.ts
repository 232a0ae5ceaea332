/** One site taken off the network in the middle of a load, and given back. */

import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from '@tidemark/cli/demo/site-facts';
import { cutSite, healSite } from './docker.ts';
import { headsAt, recordsBehind, waitUntil } from './positions.ts';

const CATCH_UP_MS_MAX = 120_000;

export type CutOptions = {
  readonly keyspace: string;
  /** The site that is cut off, and the one that goes on writing. */
  readonly cut: { readonly site: string; readonly url: string };
  readonly primary: { readonly site: string; readonly url: string };
  readonly cutMs: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
};

export type CutReport = {
  readonly site: string;
  /** From the end of the one command to the start of the other. */
  readonly cutMs: number;
  /** What the primary said of the site at the end of the cut. */
  readonly stateSeen: string;
  /** Records of the primary that the site did not have then. The site itself was asked: it still answers at home. */
  readonly recordsBehind: number;
  /** Until it had all that the primary had at the moment of healing; null when it did not get there in time. */
  readonly caughtUpMs: number | null;
  /** True when the primary saw it alive again. */
  readonly seenAlive: boolean;
};

export async function cutForAWhile(options: CutOptions): Promise<CutReport> {
  const { keyspace, cut, primary, cutMs, say, signal } = options;
  await cutSite(cut.site);
  const cutAtMs = performance.now();
  say(`${cut.site} is cut off; the load goes on`);
  await sleep(cutMs, undefined, { signal });
  const stateSeen = await stateOf(cut.site, primary.url);
  const wanted = await headsAt(primary.url, keyspace, primary.site);
  const behind = recordsBehind(await headsAt(cut.url, keyspace, primary.site), wanted);
  const healAtMs = performance.now();
  await healSite(cut.site);
  const isLevel = async () => recordsBehind(await headsAt(cut.url, keyspace, primary.site), wanted) === 0;
  const level = await waitUntil(isLevel, CATCH_UP_MS_MAX);
  const caughtUpMs = level ? Math.round(performance.now() - healAtMs) : null;
  say(`${cut.site} is back: ${behind} records behind, caught up after ${caughtUpMs ?? 'NEVER'} ms`);
  const seenAlive = await waitUntil(async () => (await stateOf(cut.site, primary.url)) === 'alive', CATCH_UP_MS_MAX);
  return {
    site: cut.site,
    cutMs: Math.round(healAtMs - cutAtMs),
    stateSeen,
    recordsBehind: behind,
    caughtUpMs,
    seenAlive,
  };
}

async function stateOf(site: string, askedUrl: string): Promise<string> {
  type Status = { readonly sites: readonly { readonly site: string; readonly state: string }[] };
  const { sites } = await getJson<Status>(`${askedUrl}/v1/status`);
  return sites.find((one) => one.site === site)?.state ?? 'unknown';
}
