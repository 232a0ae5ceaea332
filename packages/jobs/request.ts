/** What several routes need of a request. */

import type { FastifyReply } from 'fastify';

/** Aborts when the connection is closed, or the answer is through. */
export function closedSignal(reply: FastifyReply): AbortSignal {
  const closed = new AbortController();
  reply.raw.once('close', () => closed.abort());
  return closed.signal;
}
