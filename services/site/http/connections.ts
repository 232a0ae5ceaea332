/**
 * How many connections a site holds, and for how long one may say nothing. Those that ask for nothing go first when there
 * are too many, so that votes and probes always find room.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';

export type ConnectionLimits = {
  readonly connectionsMax: number;
  /** A body of which nothing arrives for so long is given up. */
  readonly bodyIdleMs: number;
  /** Bytes of bodies that are read whole before they are looked at, of all requests together. */
  readonly bodiesBytesMax: number;
};

export const CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: 1_024,
  bodyIdleMs: 30_000,
  bodiesBytesMax: 256 * 1024 * 1024,
};

/** What is counted for a body that does not say how long it is. */
const UNKNOWN_BODY_BYTES = 1024 * 1024;
/** A condition is told again after so many connections. */
const TOLD_EVERY = 1_000;

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #logger: Logger;
  /** Oldest first; with the request that is under way. */
  readonly #open = new Map<Socket, IncomingMessage | null>();
  #bodiesBytes = 0;
  /** Connections that had to go for others. */
  evicted = 0;

  constructor(logger: Logger, limits: ConnectionLimits = CONNECTION_LIMITS) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get open(): number {
    return this.#open.size;
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#opened(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#asked(request, response));
    // Without descriptors none can be accepted; those that are open go on, and it is tried again.
    server.on('error', (error) =>
      this.#logger.error({ err: error }, `no connection can be accepted: ${error.message}`),
    );
  }

  #opened(socket: Socket): void {
    this.#open.set(socket, null);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size > this.#limits.connectionsMax) this.#evict(socket);
  }

  /** One that is idle, else one whose request is not here yet, else the new one; the oldest of them. */
  #evict(newest: Socket): void {
    const all = [...this.#open];
    const idle = all.find(([socket, request]) => request === null && socket !== newest);
    const [victim] = idle ?? all.find(([, request]) => request !== null && !request.complete) ?? [newest];
    victim.destroy();
    this.#open.delete(victim);
    if (this.evicted++ % TOLD_EVERY === 0) {
      const { connectionsMax } = this.#limits;
      this.#logger.warn(
        { connectionsMax },
        `more than ${connectionsMax} connections: those that ask for nothing are closed`,
      );
    }
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#open.has(socket)) this.#open.set(socket, request);
    response.once('close', () => {
      if (this.#open.get(socket) === request) this.#open.set(socket, null);
    });
    if (request.complete) return;
    const giveUp = (): void => {
      if (!request.complete) socket.destroy();
    };
    socket.setTimeout(this.#limits.bodyIdleMs, giveUp);
    const done = (): void => {
      socket.removeListener('timeout', giveUp);
      socket.setTimeout(0);
    };
    request.once('end', done);
    request.once('close', done);
  }

  /**
   * Makes room for a body that is read whole.
   * @throws {Fault} `unavailable`: the bodies that are on their way are too many
   */
  admitBody(request: IncomingMessage): void {
    const length = request.headers['content-length'];
    if (length === undefined && request.headers['transfer-encoding'] === undefined) return;
    const bytes = length === undefined ? UNKNOWN_BODY_BYTES : Number(length);
    const { bodiesBytesMax } = this.#limits;
    if (this.#bodiesBytes + bytes > bodiesBytesMax) {
      const message = `bodies of ${this.#bodiesBytes} bytes are on their way, at most ${bodiesBytesMax} may be`;
      throw new Fault('unavailable', message, { retryAfterMs: 1_000, got: bytes, expected: bodiesBytesMax });
    }
    this.#bodiesBytes += bytes;
    let isHeld = true;
    const free = (): void => {
      if (isHeld) this.#bodiesBytes -= bytes;
      isHeld = false;
    };
    request.once('end', free);
    request.once('close', free);
  }
}
