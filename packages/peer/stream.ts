/** Lines that another site sends for as long as it is listened to, each in the shape of its route; and how they are sent. */

import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import { within } from '@tidemark/platform/sync/deadline';
import type { Route } from './routes.ts';
import { otherShape } from './told.ts';

/** Whoever has nothing to say on a stream says so this often. */
export const SAID_EVERY_MS = 1_000;

/** How a stream is listened to. */
export type StreamParts = { readonly network: Pick<Network, 'lines'>; readonly clock: Clock };

/**
 * Until the other side ends it or `signal` aborts.
 * @throws {Fault} `corrupt`: a line of another shape; names the field
 * @throws what went wrong on the way, and after so long without a line as the route says; whoever takes the lines may take
 *   its time
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
  const watching = watch(timeoutMs);
  try {
    for await (const line of network.lines(url, both)) {
      heardMs = clock.monotonicMs();
      if (line === '') continue;
      const read = tells.safeParse(jsonIn(line));
      if (!read.success) throw otherShape(url, read.error);
      // Nobody waits for the other side meanwhile.
      heardMs = Number.POSITIVE_INFINITY;
      yield read.data;
      heardMs = clock.monotonicMs();
    }
  } finally {
    connection.abort();
    await watching;
  }
}

/** The lines, and an empty one whenever there was none for a while, so that who listens knows that somebody is there. */
export async function* saidAlong(
  clock: Clock,
  lines: AsyncGenerator<string>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let next = lines.next();
  try {
    while (!signal.aborted) {
      const said = await within(clock, SAID_EVERY_MS, next, signal);
      if (said === null) {
        yield '\n';
        continue;
      }
      if (said.value.done === true) return;
      yield said.value.value;
      next = lines.next();
    }
  } finally {
    await lines.return(undefined);
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
