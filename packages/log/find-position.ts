/** Where in a topic partition a copy that stands at some position has to read on. */

import { comparePositions, type Position } from '@tidemark/model/position';
import { isFault } from '@tidemark/platform/fault';
import { openRecord } from '@tidemark/record/seal';
import type { Log, LogRecord } from './log.ts';

/**
 * An offset at or before the first record beyond `after`, found by halving: positions rise with offsets, but for repeats
 * and records that do not count. So what is found may lie some records too early; and too late where repeats of old
 * records stand behind it: who finds something missing reads from the start.
 * Cost: about log2(records) reads of one record.
 * @throws {Fault} as `Log.bounds` and `Log.read`
 */
export async function findAfter(log: Log, topic: string, partition: number, after: Position): Promise<number> {
  const { start, end } = await log.bounds(topic, partition);
  let low = start;
  let high = end;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const found = await firstPosition(log, topic, partition, middle, high);
    // Nothing with a position from here to `high`: what is sought lies before, or at `high`.
    if (found === null || comparePositions(found, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Position of the first record in [from, to) that has one; local kinds have none, nor has what cannot be read. */
async function firstPosition(
  log: Log,
  topic: string,
  partition: number,
  from: number,
  to: number,
): Promise<Position | null> {
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true, batchBytesMax: 1 })) {
    for (const record of records) {
      if (record.offset >= to) return null;
      const position = positionOf(record);
      if (position !== null) return position;
    }
  }
  return null;
}

function positionOf({ value }: LogRecord): Position | null {
  try {
    const { epoch, seq } = openRecord(value).envelope;
    return seq < 0 ? null : { epoch, seq };
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}
