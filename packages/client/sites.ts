/** The sites a connection knows: their addresses, their names once asked, and which of them takes a keyspace's writes. */

import { Fault } from '@tidemark/platform/fault';
import { exchange, type Network } from './exchange.ts';
import { askForPrimary, type Claim, PROBE_MS, primaryAmong, successorAmong } from './find-primary.ts';

/** Addresses of a connection and what was learned by asking them; that is a hint, which the next redirect corrects. */
export class Sites {
  readonly #network: Network;
  /** Addresses as given, without a trailing slash, then those learned from redirects. */
  readonly #urls: string[];
  readonly #primaries = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** Keyspace → the asking around that is going on. */
  readonly #asking = new Map<string, Promise<Claim[]>>();
  #reader = 0;

  /** @throws {Fault} `invalid`: no address, or one that is not http(s). */
  constructor(urls: readonly string[], network: Network) {
    if (urls.length === 0) throw new Fault('invalid', 'no site address given; expected one like http://127.0.0.1:7410');
    this.#urls = [...new Set(urls.map(siteAddress))];
    this.#network = network;
  }

  get urls(): readonly string[] {
    return this.#urls;
  }

  /** Where writes of the keyspace go, as far as is known; the first address until something better is learned. */
  primaryOf(keyspace: string): string {
    return this.#primaries.get(keyspace) ?? this.#urls[0]!;
  }

  /**
   * A site said that writes of the keyspace go to `location`, where the site `name` is. An address that was given for
   * that site goes before: what sites call each other need not be what reaches them from here.
   */
  async learnPrimary(keyspace: string, location: string, name?: unknown): Promise<void> {
    const url = siteAddress(new URL(location).origin);
    if (this.#urls.includes(url)) {
      this.#primaries.set(keyspace, url);
      return;
    }
    if (typeof name === 'string' && !this.#names.has(name)) await this.#askNames();
    const known = typeof name === 'string' ? this.#names.get(name) : undefined;
    if (known === undefined) this.#urls.push(url);
    this.#primaries.set(keyspace, known ?? url);
  }

  /**
   * Asks every site whether it is the primary and remembers the one that is. When none says so, the site after `tried`
   * is next, so that trying again goes round all of them. Requests that fail together look around once.
   * @param tried the site that failed; when another has been learned since, nothing is asked
   * @returns false when no site calls itself primary
   */
  async findPrimary(keyspace: string, tried: string): Promise<boolean> {
    if (this.primaryOf(keyspace) !== tried) return true;
    const found = primaryAmong(await this.#ask(keyspace), tried);
    if (this.primaryOf(keyspace) !== tried) return true;
    const after = this.#urls.indexOf(tried) + 1;
    this.#primaries.set(keyspace, found ?? this.#urls[after % this.#urls.length]!);
    return found !== null;
  }

  /**
   * Whether another site than `asked`, which keeps silent, is the primary by now; it is remembered. A site that still
   * calls itself primary, and no later one does, is only slow.
   */
  async hasMoved(keyspace: string, asked: string): Promise<boolean> {
    if (this.primaryOf(keyspace) !== asked) return true;
    const claims = await this.#ask(keyspace);
    const found = successorAmong(claims, asked);
    if (found !== null && this.primaryOf(keyspace) === asked) this.#primaries.set(keyspace, found);
    return found !== null;
  }

  /** What the sites say; those who ask while others do are told the same. */
  async #ask(keyspace: string): Promise<Claim[]> {
    const asking = this.#asking.get(keyspace) ?? this.#lookAround(keyspace);
    this.#asking.set(keyspace, asking);
    return asking;
  }

  async #lookAround(keyspace: string): Promise<Claim[]> {
    const claims = await askForPrimary(this.#network, this.#urls, keyspace);
    this.#asking.delete(keyspace);
    return claims;
  }

  /** The site reads go to. */
  get reader(): string {
    return this.#urls[this.#reader % this.#urls.length]!;
  }

  /** The site reads went to did not answer: the next one is the reader now. */
  readElsewhere(): void {
    this.#reader++;
  }

  /**
   * The address of a site by its name; an address is its own.
   * @throws {Fault} `invalid`: every site answered and none has that name, naming those found. `unavailable`: some did
   *   not answer, so it may be one of them.
   */
  async urlOf(nameOrUrl: string): Promise<string> {
    if (/^https?:\/\//.test(nameOrUrl)) return siteAddress(nameOrUrl);
    if (!this.#names.has(nameOrUrl)) await this.#askNames();
    const url = this.#names.get(nameOrUrl);
    if (url !== undefined) return url;
    const silent = this.#urls.filter((known) => ![...this.#names.values()].includes(known));
    const found = [...this.#names].map(([name, at]) => `${name} at ${at}`).join(', ') || 'none';
    if (silent.length === 0) {
      throw new Fault('invalid', `no site is called "${nameOrUrl}"; found ${found}`, { got: nameOrUrl });
    }
    throw new Fault(
      'unavailable',
      `site "${nameOrUrl}" not found; found ${found}; no answer from ${silent.join(', ')}`,
      {
        got: nameOrUrl,
      },
    );
  }

  /** Reads go to this site from now on, while it answers. @throws {Fault} as `urlOf` */
  async readFrom(nameOrUrl: string): Promise<void> {
    const url = await this.urlOf(nameOrUrl);
    if (!this.#urls.includes(url)) this.#urls.push(url);
    this.#reader = this.#urls.indexOf(url);
  }

  /** Asks the sites for their names and for the sites they know, and learns both. */
  async lookAround(): Promise<void> {
    await this.#askNames();
  }

  async #askNames(): Promise<void> {
    const statuses = await Promise.all(this.#urls.map((url) => this.#statusOf(url)));
    statuses.forEach((status, i) => {
      if (typeof status?.site === 'string') this.#names.set(status.site, this.#urls[i]!);
    });
    for (const status of statuses) for (const [name, url] of sitesIn(status)) this.#learnSite(name, url);
  }

  /** What a site says of another counts only while the other has not been asked itself. */
  #learnSite(name: string, url: string): void {
    if (this.#names.has(name) || !URL.canParse(url)) return;
    const address = siteAddress(url);
    this.#names.set(name, address);
    if (!this.#urls.includes(address)) this.#urls.push(address);
  }

  async #statusOf(url: string): Promise<Status | null> {
    try {
      using reply = await exchange(this.#network, url, { method: 'GET', path: '/v1/status' }, PROBE_MS);
      return (await reply.response.json()) as Status;
    } catch {
      return null;
    }
  }
}

/** The part of a status that says where sites are. */
type Status = { readonly site?: unknown; readonly sites?: unknown };

/** Name and address of each site that a status names with an address. */
function sitesIn(status: Status | null): [string, string][] {
  const { sites } = status ?? {};
  if (!Array.isArray(sites)) return [];
  return (sites as Readonly<Record<string, unknown>>[]).flatMap(({ site, url }): [string, string][] =>
    typeof site === 'string' && typeof url === 'string' ? [[site, url]] : [],
  );
}

/** @throws {Fault} `invalid`: not an http(s) address. */
function siteAddress(text: string): string {
  // `URL.parse` is not there in Node 20.
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  }
  const expected = 'an address like http://127.0.0.1:7410';
  throw new Fault('invalid', `site address "${text}", expected ${expected}`, { got: text, expected });
}
