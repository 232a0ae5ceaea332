/** Addresses of the configuration: which engine stands behind a site's log or heartbeat store, where a site listens. */

import { isIPv4 } from 'node:net';

/** `sqlite:PATH` or `kafka://host:port,host:port`. */
export type LogAddress =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'kafka'; readonly brokers: readonly string[] };

/** `file:PATH`, `redis://…` or `rediss://…`. */
export type HeartbeatStoreAddress =
  | { readonly engine: 'file'; readonly path: string }
  | { readonly engine: 'redis'; readonly url: string };

/** A host as it is written in a URL, and a port; 0 lets the system choose one. */
export type ListenAddress = { readonly host: string; readonly port: number };

/** How a log's address is written, for messages. */
export const LOG_EXPECTED = 'sqlite:PATH or kafka://host:port,host:port';
/** How a heartbeat store's address is written, for messages. */
export const BOARD_EXPECTED = 'file:PATH or redis://host:port';
/** How a listening address is written, for messages. */
export const LISTEN_EXPECTED =
  'a loopback address like 127.0.0.1:7410 (listening beyond it needs authentication, or trustedNetwork)';
/** How a site's HTTP address is written, for messages. */
export const URL_EXPECTED = 'http://host:port';

const PORT_MAX = 65_535;

/** Null when the text is no such address; the same holds for the other parsers here. */
export function parseLogAddress(text: string): LogAddress | null {
  const path = after('sqlite:', text);
  if (path !== null) return { engine: 'sqlite', path };
  const list = after('kafka://', text)?.replace(/\/$/, '').split(',');
  const valid = list?.every((broker) => /^([^\s/:,@[\]]+|\[[0-9a-f:]+\]):\d{1,5}$/i.test(broker));
  return list !== undefined && valid === true ? { engine: 'kafka', brokers: list } : null;
}

/** Null for text that names no heartbeat store. */
export function parseHeartbeatStoreAddress(text: string): HeartbeatStoreAddress | null {
  const path = after('file:', text);
  if (path !== null) return { engine: 'file', path };
  return /^rediss?:\/\/[^\s/]+(\/\d+)?\/?$/.test(text) && URL.canParse(text) ? { engine: 'redis', url: text } : null;
}

/** Host and port, 0 being any free port; null for text that is none. Whether it is loopback is asked elsewhere. */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(\[[0-9a-f:]+\]|[^\s:/]+):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  return match !== null && port <= PORT_MAX ? { host: match[1]!, port } : null;
}

/** Where a site's HTTP is, without a slash at the end. */
export function parseSiteUrl(text: string): string | null {
  if (!/^https?:\/\/[^\s/@?#]+\/?$/.test(text) || !URL.canParse(text)) return null;
  return text.replace(/\/$/, '');
}

/** True of an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}

function after(prefix: string, text: string): string | null {
  return text.startsWith(prefix) && text.length > prefix.length ? text.slice(prefix.length) : null;
}

/** The address as text, with a password, if it holds one, covered. */
export function withoutPassword(text: string): string {
  return text.replace(/^(\w+:\/\/[^:@/\s]*):[^@/\s]*@/, '$1:***@');
}
