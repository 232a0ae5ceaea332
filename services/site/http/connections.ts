/**
 * How many connections a site holds, and for how long one may stand still. When there are too many, those go first that
 * others miss least, so that votes and probes always find room.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { INTERNAL } from '@tidemark/peer/routes';
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

/** Of clients. */
export const CLIENT_LIMITS: ConnectionLimits = {
  connectionsMax: 1_024,
  stuckMs: 30_000,
  bodiesBytesMax: 256 * 1024 * 1024,
};

/** Of other sites, which send little but questions. */
export const PEER_LIMITS: ConnectionLimits = { ...CLIENT_LIMITS, bodiesBytesMax: 64 * 1024 * 1024 };

/** What is counted for a body that does not say how long it is. */
const UNKNOWN_BODY_BYTES = 1024 * 1024;
/** A condition is told again after so many connections. */
const TOLD_EVERY = 1_000;

/** What a connection is about: nothing was asked on it yet, nothing more is asked, or a request that is under way. */
type Doing = 'new' | 'idle' | IncomingMessage;
type Open = readonly [socket: Socket, doing: Doing];

/**
 * Who may go, in this order, and of each kind who has been so for longest. A client that keeps a connection for its next
 * request goes after those that never asked for anything, and after bodies that do not come.
 */
const EVICTED: readonly ((open: Open) => boolean)[] = [
  ([, doing]) => doing === 'new',
  ([, doing]) => typeof doing === 'object' && !doing.complete,
  ([socket]) => isUnread(socket),
  ([, doing]) => doing === 'idle',
  ([, doing]) => typeof doing === 'object' && doing.url?.startsWith(INTERNAL) === false,
];

/** Which connections a socket is one of. */
const owners = new WeakMap<Socket, Connections>();

/** True while bytes wait that the other side does not take. */
function isUnread(socket: Socket): boolean {
  return socket.writableLength > 0;
}

/** The open connections of one server, and the bytes of request bodies that are being read. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #logger: Logger;
  /** First those that have been doing what they do for longest. */
  readonly #open = new Map<Socket, Doing>();
  #bodiesBytes = 0;
  /** Connections that had to go for others. */
  evicted = 0;

  constructor(logger: Logger, limits: ConnectionLimits) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Those that a socket was watched among; undefined for one that nobody watches. */
  static of(socket: Socket): Connections | undefined {
    return owners.get(socket);
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
    owners.set(socket, this);
    this.#open.set(socket, 'new');
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size > this.#limits.connectionsMax) this.#evict(socket);
  }

  #now(socket: Socket, doing: Doing): void {
    if (this.#open.delete(socket)) this.#open.set(socket, doing);
  }

  /** As `EVICTED` says; else the newest. */
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
    this.#now(socket, request);
    response.once('close', () => {
      if (this.#open.get(socket) === request) this.#now(socket, 'idle');
    });
    // Whoever waits for an answer that is not here yet may go on waiting.
    response.on('timeout', () => {
      if (!request.complete || isUnread(socket)) socket.destroy();
      else socket.setTimeout(this.#limits.stuckMs);
    });
    socket.setTimeout(this.#limits.stuckMs);
  }

  /**
   * Makes room for a body that is read whole, until it is here, or is answered without.
   * @throws {Fault} `unavailable`: the bodies that are on their way are too many
   */
  admitBody(request: IncomingMessage, response: ServerResponse): void {
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
    response.once('close', free);
  }
}
