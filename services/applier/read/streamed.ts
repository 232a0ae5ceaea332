/** Answers that are sent as they are read: no faster than they are taken, and by few at once. */

import { Readable } from 'node:stream';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { ScanPlace } from './scan-admission.ts';

/** JSON objects, one a line. */
export const NDJSON_TYPE = 'application/x-ndjson';

/** What an answer needs while it is sent. */
export type StreamParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends it, and knows when it waits for its reader. */
  readonly place: ScanPlace;
  /** Told of what breaks it off: column files may have to be built again. */
  readonly noteDamage: (error: unknown) => boolean;
};

/** An answer and its media type. */
export type StreamedAnswer = { readonly type: string; readonly stream: Readable };

/** The answer that these make. It ends when its place does, though nobody reads it; and the place is free when it has ended. */
export function streamOf(
  type: string,
  chunks: AsyncIterable<string | Uint8Array>,
  parts: Pick<StreamParts, 'clock' | 'place'>,
): StreamedAnswer {
  const { place } = parts;
  const stream = Readable.from(watched(chunks, parts), { objectMode: false, highWaterMark: 64 * 1024 });
  const stop = (): void => void stream.destroy();
  if (place.signal.aborted) stop();
  place.signal.addEventListener('abort', stop, { once: true });
  stream.once('close', () => place.leave());
  return { type, stream };
}

/** Tells the place from when to when the reader was waited for. */
async function* watched<T>(
  chunks: AsyncIterable<T>,
  { clock, place }: Pick<StreamParts, 'clock' | 'place'>,
): AsyncGenerator<T> {
  for await (const chunk of chunks) {
    place.unreadSinceMs = clock.monotonicMs();
    yield chunk;
    place.unreadSinceMs = null;
  }
}

/** Lines; what breaks them off is the last one, `{"$error":…}`, and the socket is closed behind it. @param what for the log */
export async function* linesTold(
  { logger, place, noteDamage }: StreamParts,
  what: string,
  lines: () => AsyncGenerator<string>,
): AsyncGenerator<string> {
  try {
    yield* lines();
  } catch (error) {
    noteDamage(error);
    if (place.signal.aborted) return;
    logger.error({ err: error }, `${what} broke off: ${messageOf(error)}`);
    yield `${JSON.stringify({ $error: problemOf(error) })}\n`;
    // The line leaves before the socket is closed under it.
    await new Promise((resolve) => setImmediate(resolve));
    throw error;
  }
}

function problemOf(error: unknown): object {
  const fault = isFault(error) ? error : new Fault('unknown', 'internal error: the log of this site has it');
  const { table, column, retryAfterMs } = fault.details;
  return { kind: fault.kind, detail: fault.message, table, column, retryAfterMs };
}
