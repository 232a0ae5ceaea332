/**
 * How many connections a site holds, and for how long one may stand still. When there are too many, those go first that
 * others miss least, so that votes and probes always find room.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { standAside } from '@tidemark/store/row/turn';

type ConnectionLimits = {
  readonly connectionsMax: number;
  /** A body of which nothing arrives, and an answer of which nothing is taken, for so long is given up. */
  readonly stuckMs: number;
  /** Bytes of bodies that are read whole before they are looked at, of all requests together. */
  readonly bodiesBytesMax: number;
};

const CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: 1_024,
  stuckMs: 30_000,
  bodiesBytesMax: 256 * 1024 * 1024,
};

/** What is counted for a body that does not say how long it is. */
const UNKNOWN_BODY_BYTES = 1024 * 1024;
/** A condition is told again after so many connections. */
const TOLD_EVERY = 1_000;

type Open = readonly [socket: Socket, request: IncomingMessage | null];

/** Who may go, in this order. */
const EVICTED: readonly ((open: Open) => boolean)[] = [
  ([, request]) => request === null,
  ([, request]) => request?.complete === false,
  ([socket]) => isUnread(socket),
  ([, request]) => request?.url?.startsWith('/v1/internal/') === false,
];

/** True while bytes wait that the other side does not take. */
function isUnread(socket: Socket): boolean {
  return socket.writableLength > 0;
}

/** The open connections of one server, and the bytes of request bodies that are being read. */
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
    standAside();
    this.#open.set(socket, null);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size > this.#limits.connectionsMax) this.#evict(socket);
  }

  /**
   * One that asks for nothing, else one whose request is not here yet, one that does not take its answer, one that no other
   * site asks on; the oldest of them. Else the new one.
   */
  #evict(newest: Socket): void {
    const others = [...this.#open].filter(([socket]) => socket !== newest);
    const [victim] = EVICTED.map((mayGo) => others.find(mayGo)).find((one) => one !== undefined) ?? [newest];
    victim.destroy();
    this.#open.delete(victim);
    if (this.evicted++ % TOLD_EVERY === 0) {
      const { connectionsMax } = this.#limits;
      this.#logger.warn(
        { connectionsMax },
        `more than ${connectionsMax} connections: those that are missed least are closed`,
      );
    }
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#open.has(socket)) this.#open.set(socket, request);
    response.once('close', () => {
      if (this.#open.get(socket) === request) this.#open.set(socket, null);
    });
    // Whoever waits for an answer that is not here yet may go on waiting.
    response.on('timeout', () => {
      if (!request.complete || isUnread(socket)) socket.destroy();
      else socket.setTimeout(this.#limits.stuckMs);
    });
    socket.setTimeout(this.#limits.stuckMs);
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
