/**
 * Where a site's HTTP is taken in: at one address from clients, at another from the other sites. Node takes in one connection
 * of each listener every time round its loop, and each has limits of its own: however many clients stand in line at the one,
 * votes, probes, fences and copies at the other wait for none of them.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { FastifyInstance } from 'fastify';
import type { ListenAddress } from '../config/address.ts';
import { type ConnectionLimits, Connections, PEER_LIMITS } from './connections.ts';
import { refusalOfHttp } from './problem.ts';

/** A request's head arrives within this time. */
const HEADERS_MS = 10_000;

/** Of either listener; bodies and answers that stand still are seen to by `connections.ts`. */
export const HTTP_OPTIONS = {
  headersTimeout: HEADERS_MS,
  requestTimeout: 0,
  requireHostHeader: false,
  connectionsCheckingInterval: HEADERS_MS / 4,
};

/** What could not even be read as a request: as a problem, then the connection is closed. */
export function refuseUnread(error: Error & { readonly code?: string }, socket: Socket): void {
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const problem = refusalOfHttp(status, `no request: ${error.message}`, '');
  const body = JSON.stringify(problem);
  const head = `HTTP/1.1 ${status} ${problem.title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  if (socket.writable && error.code !== 'ECONNRESET') socket.end(head + body);
  socket.destroySoon();
}

/**
 * Begins to listen for clients.
 * @returns the URL of this server
 * @throws {Fault} `unavailable`: the port is in use, or may not be listened on.
 */
export async function listen(app: FastifyInstance, address: ListenAddress): Promise<string> {
  try {
    await app.listen({ host: bare(address.host), port: address.port });
  } catch (error) {
    throw refused(address, error);
  }
  return urlOf(app.server, address);
}

/**
 * Begins to listen for the other sites, with all the same routes, until `app` is closed.
 * @returns the URL at which they are answered
 * @throws {Fault} as `listen`
 */
export async function listenToPeers(
  app: FastifyInstance,
  address: ListenAddress,
  logger: Logger,
  limits: ConnectionLimits = PEER_LIMITS,
): Promise<string> {
  const server = createServer(HTTP_OPTIONS, (request, response) => app.routing(request, response));
  server.on('clientError', refuseUnread);
  new Connections(logger, limits).watch(server, app);
  // Before this one's own: what is under way here ends as it does there.
  app.addHook('preClose', async () => {
    server.close();
    server.closeAllConnections();
  });
  await app.ready();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(address.port, bare(address.host), resolve);
  try {
    await promise;
  } catch (error) {
    throw refused(address, error);
  }
  server.off('error', reject);
  return urlOf(server, address);
}

function urlOf(server: Server, { host }: ListenAddress): string {
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

/** Without the brackets that an IPv6 address has in a URL. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

function refused({ host, port }: ListenAddress, error: unknown): Fault {
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === 'EADDRINUSE' ? 'the port is in use by another process' : messageOf(error);
  return new Fault('unavailable', `cannot listen on ${host}:${port}: ${why}`, { got: `${host}:${port}`, cause: error });
}
