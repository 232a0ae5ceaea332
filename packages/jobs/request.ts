/** What several routes need of a request. */

import type { FastifyReply } from 'fastify';

/** Aborts when the connection is closed, or the answer is through. */
export function closedSignal(reply: FastifyReply): AbortSignal {
  const closed = new AbortController();
  if (reply.raw.destroyed || reply.raw.closed) closed.abort();
  else reply.raw.once('close', () => closed.abort());
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
