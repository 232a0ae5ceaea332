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
import type { MemoryPlan } from '../config/memory-plan.ts';

/** What a listener holds at most. */
export type ConnectionLimits = {
  /** Whether other sites ask there. */
  readonly isPeers: boolean;
  readonly connectionsMax: number;
  /** A body of which nothing arrives, and an answer of which nothing is taken, for so long is given up. */
  readonly stuckMs: number;
  /** Bytes of bodies that are read whole before they are looked at, of all requests together. */
  readonly bodiesBytesMax: number;
  /** Bytes of answers that are made whole and not taken yet, of all connections together. */
  readonly answersBytesMax: number;
};

/** Of clients. */
export const CLIENT_LIMITS: ConnectionLimits = {
  isPeers: false,
  connectionsMax: 1_024,
  stuckMs: 30_000,
  bodiesBytesMax: 256 * 1024 * 1024,
  answersBytesMax: 256 * 1024 * 1024,
};

/** Of other sites, which send little but questions. */
export const PEER_LIMITS: ConnectionLimits = {
  ...CLIENT_LIMITS,
  isPeers: true,
  bodiesBytesMax: 64 * 1024 * 1024,
  answersBytesMax: 64 * 1024 * 1024,
};

/** The same with the memory that a plan gives them. */
export function limitsBy(plan: MemoryPlan): { readonly clients: ConnectionLimits; readonly peers: ConnectionLimits } {
  const { clientBodies, clientAnswers, peerBodies, peerAnswers } = plan;
  return {
    clients: { ...CLIENT_LIMITS, bodiesBytesMax: clientBodies, answersBytesMax: clientAnswers },
    peers: { ...PEER_LIMITS, bodiesBytesMax: peerBodies, answersBytesMax: peerAnswers },
  };
}

/** Of the room for answers, what is kept for those that are not refused: acks, refusals, probes. */
const SPARE_SHARE = 1 / 16;

/** What is counted for a body that does not say how long it is. */
const UNKNOWN_BODY_BYTES = 1024 * 1024;
/** Requests on one connection that wait for their answers: each may be made before the first of them is taken. */
export const REQUESTS_AT_ONCE_MAX = 16;
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
/** All connections to the same routes, by those. */
const listeners = new WeakMap<object, Connections[]>();

/** Bytes that wait at all listeners of the same routes. */
export function waitingBytes(
  routes: object,
): Pick<MemoryPlan, 'clientBodies' | 'peerBodies' | 'clientAnswers' | 'peerAnswers'> {
  const all = listeners.get(routes) ?? [];
  const sum = (isPeers: boolean, of: 'bodiesBytes' | 'answersBytes'): number =>
    all.reduce((bytes, one) => bytes + (one.isPeers === isPeers ? one[of] : 0), 0);
  return {
    clientBodies: sum(false, 'bodiesBytes'),
    peerBodies: sum(true, 'bodiesBytes'),
    clientAnswers: sum(false, 'answersBytes'),
    peerAnswers: sum(true, 'answersBytes'),
  };
}

/** True while bytes wait that the other side does not take. */
function isUnread(socket: Socket): boolean {
  return socket.writableLength > 0;
}

/** The open connections of one server, the bytes of request bodies that are being read, and of answers that are not taken. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #logger: Logger;
  /** First those that have been doing what they do for longest. */
  readonly #open = new Map<Socket, Doing>();
  /** Requests on a connection that are not answered. */
  readonly #underWay = new WeakMap<Socket, number>();
  #bodiesBytes = 0;
  /** Bytes of answers, first those that have waited for longest. */
  readonly #untaken = new Map<Socket, number>();
  #answersBytes = 0;
  /** Connections that had to go for others. */
  evicted = 0;

  constructor(logger: Logger, limits: ConnectionLimits) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Bytes of answers that nobody has taken yet. */
  get answersBytes(): number {
    return this.#answersBytes;
  }

  get isPeers(): boolean {
    return this.#limits.isPeers;
  }

  /** Bytes of bodies that are on their way, as far as they are read whole. */
  get bodiesBytes(): number {
    return this.#bodiesBytes;
  }

  /** Those that a socket was watched among; undefined for one that nobody watches. */
  static of(socket: Socket): Connections | undefined {
    return owners.get(socket);
  }

  /** @param routes that are asked there: `waitingBytes` knows them by those */
  watch(server: Server, routes: object = server): void {
    listeners.set(routes, [...(listeners.get(routes) ?? []), this]);
    server.on('connection', (socket: Socket) => this.#opened(socket));
    // Before its route begins.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#asked(request, response),
    );
    // Without descriptors none can be accepted; those that are open go on, and it is tried again.
    server.on('error', (error) =>
      this.#logger.error({ err: error }, `no connection can be accepted: ${error.message}`),
    );
  }

  #opened(socket: Socket): void {
    standAside();
    owners.set(socket, this);
    this.#open.set(socket, 'new');
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#taken(socket, Number.POSITIVE_INFINITY);
    });
    if (this.#open.size > this.#limits.connectionsMax) this.#evict(socket);
  }

  #now(socket: Socket, doing: Doing): void {
    if (this.#open.delete(socket)) this.#open.set(socket, doing);
  }

  /** As `EVICTED` says; else the newest. */
  #evict(newest: Socket): void {
    const others = [...this.#open].filter(([socket]) => socket !== newest);
    const [victim] = EVICTED.map((mayGo) => others.find(mayGo)).find((one) => one !== undefined) ?? [newest];
    this.#close(victim);
    const { connectionsMax } = this.#limits;
    const why = `more than ${connectionsMax} connections: those that are missed least are closed`;
    if (this.evicted++ % TOLD_EVERY === 0) this.#logger.warn({ connectionsMax }, why);
  }

  #close(victim: Socket): void {
    victim.destroy();
    this.#open.delete(victim);
    this.#taken(victim, Number.POSITIVE_INFINITY);
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#now(socket, request);
    this.#underWay.set(socket, this.#underWayOn(socket) + 1);
    response.once('close', () => {
      this.#underWay.set(socket, this.#underWayOn(socket) - 1);
      if (this.#open.get(socket) === request) this.#now(socket, 'idle');
    });
    // Whoever waits for an answer that is not here yet may go on waiting.
    response.on('timeout', () => {
      if (!request.complete || isUnread(socket)) socket.destroy();
      else socket.setTimeout(this.#limits.stuckMs);
    });
    socket.setTimeout(this.#limits.stuckMs);
  }

  #underWayOn(socket: Socket): number {
    return this.#underWay.get(socket) ?? 0;
  }

  /** @throws {Fault} `unavailable`: too many were sent on this connection before their answers were taken */
  checkTurn({ socket }: IncomingMessage): void {
    const underWay = this.#underWayOn(socket);
    if (underWay <= REQUESTS_AT_ONCE_MAX) return;
    const message = `${underWay} requests wait for their answers on one connection, at most ${REQUESTS_AT_ONCE_MAX} may`;
    throw new Fault('unavailable', message, { retryAfterMs: 1_000, got: underWay, expected: REQUESTS_AT_ONCE_MAX });
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
  /** @throws {Fault} `unavailable`: answers that nobody takes have no room for another one of so many bytes */
  checkRoom(bytes: number): void {
    const { answersBytesMax } = this.#limits;
    if (this.#answersBytes + bytes <= answersBytesMax * (1 - SPARE_SHARE)) return;
    const message = `answers of ${this.#answersBytes} bytes wait to be taken, at most ${answersBytesMax} may`;
    throw new Fault('unavailable', message, { retryAfterMs: 1_000, got: bytes, expected: answersBytesMax });
  }

  /**
   * Counts an answer that was made whole, until it is taken, or its connection is closed. Where there is no room for it,
   * those connections are closed that have not taken theirs for longest.
   */
  holdAnswer({ socket }: IncomingMessage, response: ServerResponse, bytes: number): void {
    if (socket.destroyed) return;
    this.#answersBytes += bytes;
    this.#untaken.set(socket, (this.#untaken.get(socket) ?? 0) + bytes);
    response.once('finish', () => this.#taken(socket, bytes));
    const { answersBytesMax } = this.#limits;
    for (const [victim] of this.#untaken) {
      if (this.#answersBytes <= answersBytesMax) return;
      this.#close(victim);
      const why = `more than ${answersBytesMax} bytes of answers: connections that do not take theirs are closed`;
      if (this.evicted++ % TOLD_EVERY === 0) this.#logger.warn({ answersBytesMax }, why);
    }
  }

  #taken(socket: Socket, bytes: number): void {
    const held = this.#untaken.get(socket) ?? 0;
    if (held > bytes) this.#untaken.set(socket, held - bytes);
    else this.#untaken.delete(socket);
    this.#answersBytes -= Math.min(held, bytes);
  }
}
