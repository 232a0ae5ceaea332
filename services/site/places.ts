/** Where the other sites' HTTP is: as configured, else as they said in their last heartbeat, even if that is old. */

import { Fault } from '@tidemark/world/fault';
import type { Answer, Headers, Network } from '@tidemark/world/network';

/** Stands for a site wherever a URL is asked for before it is known: `site://tokyo/v1/…`. */
const SCHEME = 'site://';

/** The address that stands for a site whatever its URL turns out to be; `SiteNetwork` resolves it with each request. */
export function placeOf(site: string): string {
  return `${SCHEME}${site}`;
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
    const [, site, path] = /^site:\/\/([^/]+)(.*)$/.exec(url) ?? [];
    if (site === undefined) return url;
    const at = this.#urlOf(site);
    if (at === null)
      throw new Fault('unavailable', `site ${site} has no url in the configuration and was not heard yet`);
    return `${at}${path}`;
  }
}
