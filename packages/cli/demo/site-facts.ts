/** What the demo asks a site about itself. */

import { setTimeout as sleep } from 'node:timers/promises';
import { parsed } from '@tidemark/model/parsed';
import { type Answer, addressOf, ROUTES, type Route } from '@tidemark/peer/routes';
import { Fault, messageOf } from '@tidemark/platform/fault';

/** Live rows of a table at a site, and a hash of them, in hex. */
export type TableDigest = { readonly rows: number; readonly hash: string };
/** One that all sites have, and what it was taken at; null: nothing is left out. */
export type EqualDigest = TableDigest & { readonly gcWatermark: string | null };
type SiteDigest = Answer<typeof ROUTES.digest>;
/** Age of writes when they were applied, as quantiles in ms of `count` records. */
export type Lag = { readonly count: number; readonly p50: number; readonly p99: number };

const DIGEST_WAIT_MS = 60_000;
const POLL_MS = 250;
const KEPT_CONNECTIONS_MAX = 8;

/** @throws {Fault} `unavailable`: another status than 2xx, or nobody answers in `msMax`. */
export async function getJson<T>(url: string, msMax?: number): Promise<T> {
  const ask = (): Promise<Response> =>
    fetch(url, msMax === undefined ? {} : { signal: AbortSignal.timeout(msMax) }).catch((cause: unknown) => {
      throw new Fault('unavailable', `GET ${url}: ${messageOf(cause)}`, { cause });
    });
  const response = await repeatedly(ask);
  if (response.ok) return (await response.json()) as T;
  throw new Fault('unavailable', `GET ${url}: status ${response.status} ${(await response.text()).slice(0, 300)}`);
}

/** Connections that were kept and have been closed by the other side say nothing of it; there may be several. */
async function repeatedly(ask: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const code = (((error as Error).cause as Error | undefined)?.cause as { readonly code?: string } | undefined)
        ?.code;
      const wasClosed = code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
      if (!wasClosed || attempt === KEPT_CONNECTIONS_MAX) throw error;
    }
  }
}

/** @param gcWatermark deletions below it are left out: a site may have forgotten them; null: as many as that site has */
export function digestOf(url: string, keyspace: string, gcWatermark: string | null = null): Promise<SiteDigest> {
  return told(ROUTES.digest, url, keyspace, gcWatermark === null ? {} : { gcWatermark });
}

/** @throws {Fault} `unavailable`: as `getJson`. `corrupt`: an answer that the route does not have */
async function told<T>(
  { path, tells }: Pick<Route<unknown, T>, 'path' | 'tells'>,
  url: string,
  keyspace: string,
  query: Readonly<Record<string, string>> = {},
): Promise<T> {
  const address = addressOf(url, path, { keyspace }, query);
  return parsed(tells, await getJson(address), address, 'corrupt');
}

/** The digests of all sites, taken at the latest of their gcWatermarks. */
async function digestsOf(urls: readonly string[], keyspace: string): Promise<SiteDigest[]> {
  const found = await Promise.all(urls.map((url) => digestOf(url, keyspace)));
  const gcWatermarks = [...new Set(found.map(({ gcWatermark }) => gcWatermark))];
  if (gcWatermarks.length === 1) return found;
  const latest = gcWatermarks.filter((one) => one !== null).sort((a, b) => compareNumbers(a.split('.'), b.split('.')));
  return Promise.all(urls.map((url) => digestOf(url, keyspace, latest.at(-1))));
}

function compareNumbers(a: readonly string[], b: readonly string[]): number {
  return Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1]);
}

/** Waits until the table's digest is the same at all sites, and holds at least `rows`. Null when the time is up. */
export async function equalDigests(
  urls: readonly string[],
  keyspace: string,
  table: string,
  rows: number,
): Promise<EqualDigest | null> {
  const untilMs = performance.now() + DIGEST_WAIT_MS;
  while (performance.now() < untilMs) {
    if (await arePositionsEqual(urls, keyspace)) {
      const found = await digestsOf(urls, keyspace);
      const { gcWatermark } = found[0]!;
      const first = found[0]!.tables[table];
      const isSame = ({ tables, gcWatermark: at }: SiteDigest): boolean =>
        at === gcWatermark && tables[table]?.hash === first?.hash;
      if (first !== undefined && first.rows >= rows && found.every(isSame)) return { ...first, gcWatermark };
    }
    await sleep(POLL_MS);
  }
  return null;
}

/** Barriers keep coming, so positions of partition 0 are never quite level; the others tell. */
async function arePositionsEqual(urls: readonly string[], keyspace: string): Promise<boolean> {
  const all = await Promise.all(urls.map((url) => told(ROUTES.applied, url, keyspace).catch(() => null)));
  const rest = all.map((one) =>
    one === null
      ? null
      : JSON.stringify(Object.entries(one.positions).map(([origin, list]) => [origin, list.slice(1)])),
  );
  return rest.every((text) => text !== null && text === rest[0]);
}

/** now − stamp when rows were applied at a site, over its whole run. */
export async function lagOf(url: string, keyspace: string): Promise<Lag> {
  const { lagMs } = await told(ROUTES.lag, url, keyspace);
  return lagMs.run;
}
