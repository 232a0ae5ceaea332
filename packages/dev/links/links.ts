/**
 * For tests: the network between sites. Each site reaches each service of each other site through a proxy of its own,
 * so that any link can be cut, one way or both. A way is named by who connects: with paris → tokyo cut, paris asks
 * tokyo in vain while tokyo still may ask paris, as behind a firewall that fails one way.
 */

import { Fault } from '@tidemark/platform/fault';
import { type CutKind, TcpProxy } from './tcp-proxy.ts';

const SERVICES = ['http', 'peer', 'kafka', 'redis'] as const;
type LinkedService = (typeof SERVICES)[number];

/** All ways between some sites, open at first; each is a proxy on a loopback port. */
export class Links implements AsyncDisposable {
  readonly sites: readonly string[];
  readonly #proxies: ReadonlyMap<string, TcpProxy>;

  private constructor(sites: readonly string[], proxies: ReadonlyMap<string, TcpProxy>) {
    this.sites = sites;
    this.#proxies = proxies;
  }

  static async open(sites: readonly string[]): Promise<Links> {
    const proxies = new Map<string, TcpProxy>();
    for (const [from, to] of ways(sites)) {
      for (const service of SERVICES) proxies.set(nameOf(from, to, service), await TcpProxy.start());
    }
    return new Links(sites, proxies);
  }

  /** Where `from` finds a service of `to`, as a loopback port. */
  port(from: string, to: string, service: LinkedService): number {
    return this.#proxy(from, to, service).port;
  }

  /** Says at which port the service of `to` really listens for `from`. */
  aim(from: string, to: string, service: LinkedService, port: number): void {
    this.#proxy(from, to, service).aim(port);
  }

  /** Cuts one way: what `from` asks of `to`, and the answers to it. */
  cutWay(from: string, to: string, how: CutKind = 'silent'): void {
    for (const service of SERVICES) this.#proxy(from, to, service).cut(how);
  }

  /** Cuts both ways between two sites. */
  cutBetween(one: string, other: string, how: CutKind = 'silent'): void {
    this.cutWay(one, other, how);
    this.cutWay(other, one, how);
  }

  /** Cuts a site off from all others. Clients still reach it. */
  cutOff(site: string, how: CutKind = 'silent'): void {
    for (const other of this.sites) if (other !== site) this.cutBetween(site, other, how);
  }

  /** Everything carries again. */
  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal();
  }

  #proxy(from: string, to: string, service: LinkedService): TcpProxy {
    const proxy = this.#proxies.get(nameOf(from, to, service));
    if (proxy !== undefined) return proxy;
    const expected = this.sites.join(', ');
    throw new Fault('invalid', `no link ${from} → ${to}; the sites are ${expected}`, {
      got: `${from} → ${to}`,
      expected,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

function nameOf(from: string, to: string, service: LinkedService): string {
  return `${from} → ${to} ${service}`;
}

function ways(sites: readonly string[]): [string, string][] {
  return sites.flatMap((from) => sites.filter((to) => to !== from).map((to): [string, string] => [from, to]));
}
