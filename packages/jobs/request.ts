/** What several routes need of a request. */

import { Fault } from '@tidemark/platform/fault';
import type { FastifyReply } from 'fastify';

/** One for all requests: without it an exception with a stack is made for each, also for those that were answered. */
const CLOSED = new Fault('unavailable', 'the connection was closed, or the answer is through');

/** Aborts when the connection is closed, or the answer is through. */
export function closedSignal(reply: FastifyReply): AbortSignal {
  const closed = new AbortController();
  if (reply.raw.destroyed || reply.raw.closed) closed.abort(CLOSED);
  else reply.raw.once('close', () => closed.abort(CLOSED));
  return closed.signal;
}

/** `closedSignal` for those that mostly need none: it is made when it is first asked for. */
export class Closing {
  readonly #reply: FastifyReply;
  #signal: AbortSignal | null = null;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  get signal(): AbortSignal {
    this.#signal ??= closedSignal(this.#reply);
    return this.#signal;
  }
}
