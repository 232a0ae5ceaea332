/**
 * Which requests a browser was made to send. A site asks nobody who calls, so a page of somebody else's must not reach it
 * through a browser that can: neither under a name that was made to point here, nor by a form or a script of another origin.
 */

import { isIP } from 'node:net';
import { Fault } from '@tidemark/platform/fault';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config/config.ts';

/** Lower case, without port and brackets. @returns null for what is no host */
export function hostNameIn(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+))(?::\d{1,5})?$/i.exec(host.trim());
  return match === null ? null : (match[1] ?? match[2]!).toLowerCase().replace(/\.$/, '');
}

/** What the configuration says this site is reached by. */
export function hostsOf({
  site,
  sites,
  listen,
  peerListen,
  hosts,
}: Pick<Config, 'site' | 'sites' | 'listen' | 'peerListen' | 'hosts'>): Set<string> {
  const { url = null, peerUrl = null } = sites.get(site) ?? {};
  const urls = [url, peerUrl].filter((one) => one !== null);
  const named = [site, listen.host, peerListen.host, ...hosts, ...urls.map((one) => new URL(one).host)];
  return new Set(named.map(hostNameIn).filter((name) => name !== null));
}

/**
 * A name is one of this site's when the configuration has it. An address needs no name: whoever asks by one asked for it.
 * @param names of this site, in lower case
 */
export function isOwnHost(host: string, names: ReadonlySet<string>): boolean {
  const name = hostNameIn(host);
  return name !== null && (isIP(name) !== 0 || name === 'localhost' || names.has(name));
}

/** @throws {Fault} `forbidden`: the host is none of this site's, or a page of another origin asks. */
export function checkCaller({ headers, method, raw }: FastifyRequest, names: ReadonlySet<string>): void {
  const { host, origin } = headers;
  if (host === undefined && raw.httpVersion === '1.1')
    throw new Fault('invalid', 'no Host: whom is it for?', { expected: 'a Host header' });
  if (host !== undefined && !isOwnHost(host, names)) {
    const expected = ['localhost', 'an address', ...names].join(', ');
    const message = `Host "${host}" is none of this site's: ${expected}; others are listed as "hosts" in its configuration`;
    throw new Fault('forbidden', message, { got: host, expected });
  }
  if (origin !== undefined && originHost(origin) !== host?.toLowerCase()) {
    const message = `Origin "${origin}": pages of other origins may not ask this site`;
    throw new Fault('forbidden', message, { got: origin, expected: `http://${host}` });
  }
  const from = headers['sec-fetch-site'];
  const isLink = method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
  if ((from === 'cross-site' || from === 'same-site') && !isLink) {
    const message = `Sec-Fetch-Site "${from}": pages of other origins may not ask this site`;
    throw new Fault('forbidden', message, { got: from, expected: 'same-origin' });
  }
}

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? origin.toLowerCase().replace(/^[a-z]+:\/\//, '') : null;
}
