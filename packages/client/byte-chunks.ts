/** An answer's bytes as they arrive, for forms that are no lines. */

import { type Reply, transportFault } from './exchange.ts';

/**
 * Leaving the loop early ends the request.
 * @throws {Fault} `unknown`: the connection broke or fell silent before the body's end.
 */
export async function* byteChunks(reply: Reply, what: string, idleMs: number): AsyncGenerator<Uint8Array> {
  const reader = reply.response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw transportFault(error, what, reply.deadline, idleMs);
      });
      reply.deadline.restart();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
