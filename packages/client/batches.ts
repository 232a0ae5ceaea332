/** Cutting a stream of rows into batches, and keeping several of them on their way at once. */

/** Groups of `size` items in order; the last may be smaller. */
export async function* inGroups<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/**
 * Starts `work` on each item with at most `inFlightMax` unfinished, and yields the results in the order of the items.
 * The first failure ends it, after everything already started has ended; leaving the loop early waits likewise.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  inFlightMax: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const started: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Looked at below, in its turn; until then a failure must not count as unhandled.
      result.catch(() => undefined);
      started.push(result);
      if (started.length >= inFlightMax) yield await started.shift()!;
    }
    while (started.length > 0) yield await started.shift()!;
  } finally {
    await Promise.allSettled(started);
  }
}
