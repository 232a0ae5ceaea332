/** What every log says about a place a reader asks for. */

import { Fault } from '@tidemark/platform/fault';
import { BATCH_RECORDS_MAX, RECORD_BYTES_MAX } from './log.ts';

/** @throws {Fault} `outOfRange` before the start, `corrupt` beyond the end; both offsets named. */
export function checkPlace(place: string, from: number, start: number, end: number): void {
  if (from < start) {
    const message = `${place}: offset ${from} is gone; the first one left is ${start}`;
    throw new Fault('outOfRange', message, { got: from, expected: start });
  }
  if (from > end) {
    const message = `${place}: the log lost its end: offset ${from} wanted, its end is ${end}`;
    throw new Fault('corrupt', message, { got: from, expected: end });
  }
}

/** @throws {Fault} `invalid` when a trim is asked beyond the end. */
export function checkTrim(place: string, offset: number, end: number): void {
  if (offset <= end) return;
  throw new Fault('invalid', `${place}: trim to ${offset}, its end is ${end}`, { got: offset, expected: end });
}

/** The Fault for a topic that is no longer the one a reader or writer began with. */
export function notTheSame(place: string, got: string, expected: string): Fault {
  const what = got === 'none' ? 'was deleted' : 'was deleted and made again';
  return new Fault('corrupt', `${place}: the topic ${what}: identity ${got}, expected ${expected}`, { got, expected });
}

/** How many of the records, whose sizes come in order, fit into one batch: always the first, whatever its size. */
export function countFitting(sizes: Iterable<number>, bytesMax = RECORD_BYTES_MAX): number {
  let count = 0;
  let bytes = 0;
  for (const size of sizes) {
    bytes += size;
    if (count > 0 && (bytes > bytesMax || count >= BATCH_RECORDS_MAX)) break;
    count++;
  }
  return count;
}
