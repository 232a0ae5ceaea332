/** Ports nobody listens on. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { Fault } from '@tidemark/platform/fault';

// Below the range that outgoing connections draw from: a server that is killed and started again finds its port free,
// and a client that dials the dead port can never be connected to itself.
const LOWEST = 15_000;
const HIGHEST = 31_999;
const TRIES_MAX = 200;

const given = new Set<number>();

/** A loopback port that was free a moment ago; this process is never given the same one twice. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    if (given.has(port) || !(await canListen(port))) continue;
    given.add(port);
    return port;
  }
  throw new Fault('unavailable', `no free port found between ${LOWEST} and ${HIGHEST} in ${TRIES_MAX} tries`);
}

/** Whether nobody listens on the loopback port. */
export async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
