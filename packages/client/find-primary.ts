/** Which site takes a keyspace's writes, by what the sites themselves say of it. */

import { isFault } from '@tidemark/platform/fault';
import { exchange, type Network } from './exchange.ts';

/** A site that answers at all answers this fast; one that does not is passed over while looking around. */
export const PROBE_MS = 1_000;
/** How long the others may still object to the first who calls itself primary. */
const GRACE_MS = 200;

/** What a site says when it is asked whether it is the primary; null when it says nothing. */
export type Claim = {
  readonly url: string;
  readonly isPrimary: boolean | null;
  /** Of its term: of two that call themselves primary the later one is. 0 when it does not tell. */
  readonly epoch: number;
};

/**
 * The address of the primary among those who claim to be it: the one of the latest epoch. Of two with the same epoch
 * (or none) the one that has not just failed. Null when nobody claims it.
 */
export function primaryAmong(claims: readonly Claim[], tried: string): string | null {
  const claiming = claims.filter((claim) => claim.isPrimary === true);
  const latest = Math.max(...claiming.map((claim) => claim.epoch));
  const best = claiming.filter((claim) => claim.epoch === latest);
  return (best.find((claim) => claim.url !== tried) ?? best[0])?.url ?? null;
}

/** The address of a site that took over from `asked`, which still may call itself primary; null when none did. */
export function successorAmong(claims: readonly Claim[], asked: string): string | null {
  const own = claims.find((claim) => claim.url === asked && claim.isPrimary === true);
  const later = claims.filter((claim) => claim.url !== asked && (own === undefined || claim.epoch > own.epoch));
  return primaryAmong(later, asked);
}

/**
 * Asks all sites at once. It waits for the slowest no longer than `PROBE_MS`, and once a site claims to be the primary
 * for `GRACE_MS` more: a site that is gone keeps nobody from its successor.
 * @returns the claims that were heard by then
 */
export async function askForPrimary(network: Network, urls: readonly string[], keyspace: string): Promise<Claim[]> {
  const heard: Claim[] = [];
  const over = new AbortController();
  const claimed = Promise.withResolvers<void>();
  const all = urls.map(async (url) => {
    const claim = await askOne(network, url, keyspace);
    heard.push(claim);
    if (claim.isPrimary === true) claimed.resolve();
  });
  const everyone = Promise.all(all).then(() => undefined);
  const enough = claimed.promise.then(() => network.clock.sleep(GRACE_MS, over.signal));
  await Promise.race([everyone, enough]);
  over.abort();
  return [...heard];
}

async function askOne(network: Network, url: string, keyspace: string): Promise<Claim> {
  const path = `/primary?keyspace=${encodeURIComponent(keyspace)}`;
  try {
    using reply = await exchange(network, url, { method: 'GET', path }, PROBE_MS);
    const body = (await reply.response.json().catch(() => null)) as { readonly epoch?: unknown } | null;
    return { url, isPrimary: true, epoch: typeof body?.epoch === 'number' ? body.epoch : 0 };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { url, isPrimary: error.details.answeredBy === undefined ? null : false, epoch: 0 };
  }
}
