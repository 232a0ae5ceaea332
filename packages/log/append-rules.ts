/** What every log asks of an append before it touches its engine. */

import assert from 'node:assert/strict';
import { Fault } from '@tidemark/platform/fault';
import { Mutex } from '@tidemark/platform/sync/mutex';
import { BATCH_RECORDS_MAX, HEADER_BYTES_MAX, type LogEntry, RECORD_BYTES_MAX } from './log.ts';

/** @throws {Fault} `tooLarge` naming both sizes; see the constants of log.ts. No entry at all is the caller's bug. */
export function checkAppend(topic: string, partition: number, entries: readonly LogEntry[]): void {
  assert(entries.length > 0, `${topic}/${partition}: an append without entries`);
  const place = `${topic}/${partition}`;
  let valueBytes = 0;
  let headerBytes = 0;
  for (const { value, key, headers } of entries) {
    valueBytes += value.length;
    headerBytes += (key?.length ?? 0) + headerBytesOf(headers);
  }
  refuseAbove(valueBytes, RECORD_BYTES_MAX, `${place}: append of`, 'value bytes');
  refuseAbove(headerBytes, HEADER_BYTES_MAX, `${place}: append of`, 'key and header bytes');
  refuseAbove(entries.length, BATCH_RECORDS_MAX, `${place}: append of`, 'records');
}

/** Names and values. */
export function headerBytesOf(headers: LogEntry['headers']): number {
  let bytes = 0;
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name]!);
  return bytes;
}

function refuseAbove(got: number, limit: number, what: string, unit: string): void {
  if (got <= limit) return;
  throw new Fault('tooLarge', `${what} ${got} ${unit}, at most ${limit}`, { got, expected: limit });
}

/** One turn after the other for the appends of a handle to one topic partition. */
export class AppendTurns {
  readonly #turns = new Map<string, Mutex>();

  of(topic: string, partition: number): Mutex {
    const place = `${topic}/${partition}`;
    const turn = this.#turns.get(place) ?? new Mutex();
    this.#turns.set(place, turn);
    return turn;
  }

  /** Waits for all appends that were asked for so far. */
  async settled(): Promise<void> {
    await Promise.all([...this.#turns.values()].map((turn) => turn.settled()));
  }
}

/** The Fault for a topic, or a partition of it, that is not there. */
export function noTopic(address: string, topic: string, partition?: number): Fault {
  const what = partition === undefined ? `topic ${topic}` : `partition ${topic}/${partition}`;
  return new Fault('notFound', `${address}: no ${what}`, { got: what });
}
