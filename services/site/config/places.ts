/**
 * Where the other sites' HTTP is, for clients and for sites: as configured, else as they said in their last heartbeat, even if
 * that is old.
 */

import { siteIn } from '@tidemark/peer/place';
import { Fault } from '@tidemark/platform/fault';
import type { Answer, Headers, Network } from '@tidemark/platform/network';
import type { Role } from './settings.ts';

type UrlsParts = {
  readonly site: string;
  /** Of this process. */
  readonly roles: readonly Role[];
  /** As others are reached from here, where that is configured. */
  readonly configured: (site: string) => ConfiguredUrls | null;
  readonly heard: () => Heard;
};

/** What the configuration says of a site: where clients ask it, and where other sites do. */
type ConfiguredUrls = { readonly url: string | null; readonly peerUrl: string | null };

/** What heartbeats tell. */
export type Heard = {
  /** The site's process, or its process of that role; null when it was not heard. */
  urlOf(site: string, role?: string): string | null;
  /** Where it answers other sites; null as for `urlOf`. */
  peerUrlOf(site: string, role?: string): string | null;
  /** True where a site is several processes. */
  isSplit(site: string): boolean;
};

/** Looks sites' addresses up; null for one that neither the configuration nor a heartbeat told of. */
export class SiteUrls {
  readonly #parts: UrlsParts;
  /** Where clients reach this process; empty until it listens. */
  own = '';
  /** Where other sites do. */
  ownPeer = '';

  constructor(parts: UrlsParts) {
    this.#parts = parts;
  }

  /** For clients. */
  of(site: string): string | null {
    const { site: here, configured, heard } = this.#parts;
    return (site === here ? this.own : configured(site)?.url) ?? heard().urlOf(site);
  }

  /** For this process: what a site listens on need not be how it is reached from here, so one `url` stands for both. */
  ofPeer(site: string): string | null {
    const { site: here, configured, heard } = this.#parts;
    if (site === here) return this.ownPeer;
    const { url, peerUrl } = configured(site) ?? { url: null, peerUrl: null };
    return peerUrl ?? url ?? heard().peerUrlOf(site);
  }

  /** Likewise of a site's process that votes: a site may be several, and one of them does. */
  ofVoter(site: string): string | null {
    const { site: here, roles, heard } = this.#parts;
    if (site === here && roles.includes('watchdog')) return this.ownPeer;
    // What is configured is how it is reached from here; only the processes themselves know their own addresses.
    return heard().isSplit(site) ? (heard().peerUrlOf(site, 'watchdog') ?? this.ofPeer(site)) : this.ofPeer(site);
  }
}

/** A network on which sites are found by name, so that one that moved or was heard late is found all the same. */
export class SiteNetwork implements Network {
  readonly #network: Network;
  readonly #urlOf: (site: string) => string | null;

  constructor(network: Network, urlOf: (site: string) => string | null) {
    this.#network = network;
    this.#urlOf = urlOf;
  }

  lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    return this.#network.lines(this.#resolved(url), signal);
  }

  async ask(url: string, body: object | null, timeoutMs: number, headers?: Headers): Promise<Answer> {
    return this.#network.ask(this.#resolved(url), body, timeoutMs, headers);
  }

  #resolved(url: string): string {
    const named = siteIn(url);
    if (named === null) return url;
    const { site, path } = named;
    const at = this.#urlOf(site);
    if (at === null)
      throw new Fault('unavailable', `site ${site} has no url in the configuration and was not heard yet`);
    return `${at}${path}`;
  }
}
