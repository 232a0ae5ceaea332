/** One line of the stream in which a mirror tells the origin's writer what it holds (protocol rule 12). */

import { Fault } from '@tidemark/platform/fault';

/** What one mirror holds of one keyspace of an origin; it replaces what the same mirror said before. */
export type Durable = {
  readonly site: string;
  /** Identity of the mirror topic; empty before it is known. */
  readonly logId: string;
  /** By partition: epoch and seq of the highest ackable record stored there, cumulative. */
  readonly positions: readonly (readonly [number, number])[];
};

/** @throws {Fault} `invalid`: not such a line. */
export function parseDurable(line: string): Durable {
  const { site, logId, positions } = JSON.parse(line) as Partial<Durable>;
  if (typeof site === 'string' && typeof logId === 'string' && Array.isArray(positions)) {
    return { site, logId, positions };
  }
  throw new Fault('invalid', `durable stream: "${line.slice(0, 80)}", expected site, logId and positions`);
}
