/**
 * The promise a mirror gives to the origin's writer (protocol rule 12): for each partition the highest ackable position
 * stored here, cumulative. One JSON object a line, a new one whenever any has risen, and every second.
 */

import type { Position } from '@tidemark/model/position';
import type { Durable } from '@tidemark/peer/shapes';
import type { Notifier } from '@tidemark/platform/sync/notifier';

type DurableSource = {
  readonly site: string;
  readonly logId: () => string;
  readonly positions: () => readonly Position[];
  readonly changed: Notifier;
};

/** Lines without end, until `signal` aborts; `changed` tells of something at least every second. */
export async function* durableLines(source: DurableSource, signal: AbortSignal): AsyncGenerator<string> {
  while (!signal.aborted) {
    const { count } = source.changed;
    const positions = source.positions().map(({ epoch, seq }) => [epoch, seq] as const);
    const line: Durable = { site: source.site, logId: source.logId(), positions };
    yield `${JSON.stringify(line)}\n`;
    await source.changed.after(count, signal);
  }
}
