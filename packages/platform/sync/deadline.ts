/** Waiting for something no longer than it may take. */

import type { Clock } from '../clock.ts';

/**
 * What `work` gives, or null when it takes longer than `ms` or `signal` aborts first; it goes on then, and nobody hears
 * what becomes of it.
 * @throws what `work` throws in time
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<{ readonly value: T } | null> {
  const done = new AbortController();
  const late = clock.sleep(ms, signal === undefined ? done.signal : AbortSignal.any([done.signal, signal]));
  try {
    return await Promise.race([work.then((value) => ({ value })), late.then(() => null)]);
  } finally {
    // With a reason of its own: the default one is an exception with a stack, for every wait.
    done.abort(null);
    work.catch(() => {});
  }
}
