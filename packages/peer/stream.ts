/** Lines that another site sends for as long as it is listened to, each in the shape of its route. */

import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import type { Route } from './routes.ts';
import { otherShape } from './told.ts';

/** How a stream is listened to. */
export type StreamParts = { readonly network: Pick<Network, 'lines'>; readonly clock: Clock };

/**
 * Until the other side ends it or `signal` aborts.
 * @throws {Fault} `corrupt`: a line of another shape; names the field
 * @throws what went wrong on the way, and after so long without a line as the route says
 */
export async function* linesOf<T>(
  { network, clock }: StreamParts,
  url: string,
  { tells, timeoutMs }: Pick<Route<unknown, T>, 'tells' | 'timeoutMs'>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const connection = new AbortController();
  const both = AbortSignal.any([signal, connection.signal]);
  let heardMs = clock.monotonicMs();
  const watch = async (silenceMsMax: number): Promise<void> => {
    while (!both.aborted) {
      await clock.sleep(silenceMsMax / 4, both);
      if (clock.monotonicMs() - heardMs > silenceMsMax)
        connection.abort(new Fault('unknown', `${url}: silent for ${silenceMsMax} ms`));
    }
  };
  const watching = timeoutMs === null ? null : watch(timeoutMs);
  try {
    for await (const line of network.lines(url, both)) {
      heardMs = clock.monotonicMs();
      if (line === '') continue;
      const read = tells.safeParse(jsonIn(line));
      if (!read.success) throw otherShape(url, read.error);
      yield read.data;
    }
  } finally {
    connection.abort();
    await watching;
  }
}

/** Undefined: it is none, which no shape takes. */
function jsonIn(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
