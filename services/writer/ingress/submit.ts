/** Hands a batch's slices to the writer and follows them to the ack that was asked for. */

import { formatToken, type Position } from '@tidemark/model/position';
import { type AckLevel, ackOf, formatAck } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { within } from '@tidemark/platform/sync/deadline';
import type { Entry } from '../appending/appender.ts';
import type { Writer } from '../writer.ts';
import type { Growth } from './growth.ts';
import type { Slice } from './slice.ts';

/** What a client learns of a batch that was acked. */
export type Receipt = { readonly accepted: number; readonly ack: string; readonly token: string };

/** The ack a batch waits for, how long, and what it brings beside rows. */
export type SubmitOptions = {
  readonly ack: AckLevel;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly site: string;
  /** How long ago the request was first sent under its idempotency key; null when its sender does not say. */
  readonly keyAgeMs?: number | null;
  /** The columns that the batch brings; they are added with it. */
  readonly growth?: Growth;
};

/**
 * Resolves when every slice is committed at the level asked for.
 *
 * Call it in the turn in which the slices were cut: the order of calls is the order in the log.
 * @throws {Fault} `unavailable`: no batches are taken, or at the deadline nothing of it had been written and nothing will be. `unknown`: some
 *   of it may be stored. `keyForgotten`: so it may, and the key is older than what is known of keys. `keyReused`: the key
 *   was used for another batch.
 */
export async function submit(writer: Writer, slices: readonly Slice[], options: SubmitOptions): Promise<Receipt> {
  const { ack, timeoutMs, clock, site, keyAgeMs = null, growth } = options;
  writer.checkAdmission();
  writer.checkKey(slices, keyAgeMs);
  growth?.adopt();
  const entries: Entry[] = [];
  for (const { partition, body, bytes } of slices) entries.push(writer.write(partition, body, bytes));
  const committed = Promise.all(entries.map((entry, i) => writer.wait(slices[i]!.partition, entry, ack.k)));
  const inTime = await within(clock, timeoutMs, committed, writer.signal);
  // Another request under the same key may have given up an entry that both waited for.
  if (inTime === null || entries.some((entry) => entry.cancelled)) throw late(writer, slices, entries, options);
  const positions = new Map<number, Position>();
  slices.forEach(({ partition }, i) => {
    positions.set(partition, { epoch: writer.epoch, seq: entries[i]!.seq });
  });
  return {
    accepted: slices.reduce((sum, slice) => sum + slice.body.rowCount, 0),
    ack: formatAck(ack),
    token: formatToken({ keyspace: writer.keyspace.name, origin: site, positions }),
  };
}

/** What can be said of a batch that was not committed in time. */
function late(writer: Writer, slices: readonly Slice[], entries: readonly Entry[], options: SubmitOptions): Fault {
  const gone = entries.filter((entry, i) => writer.cancel(slices[i]!.partition, entry)).length;
  const level = formatAck(options.ack);
  const lag = slices
    .map(({ partition }, i) => {
      const committed = writer.commits.committed(partition, options.ack.k);
      return `partition ${partition}: ${entries[i]!.seq} wanted, ${committed} committed`;
    })
    .join('; ');
  const message = `no ${level} ack within ${options.timeoutMs} ms (${lag})`;
  if (gone === entries.length)
    return new Fault('unavailable', `${message}; nothing of it is stored`, { retryAfterMs: 1_000 });
  return new Fault('unknown', `${message}; it may be stored: repeat it with the same Idempotency-Key`, {
    retryAfterMs: 1_000,
  });
}

/**
 * The level a request gets: what it asks for, never less than the term's.
 * @throws {Fault} `invalid`: less than the term promises, or a level there is not.
 */
export function ackAskedFor(asked: string | undefined, level: AckLevel): AckLevel {
  if (asked === undefined) return level;
  const ack = asked === 'local' ? ackOf(0) : asked === 'sync' ? ackOf(Math.max(1, level.k)) : null;
  if (ack === null) {
    const expected = 'local or sync';
    throw new Fault('invalid', `ack "${asked}", expected ${expected}`, { got: asked, expected });
  }
  if (ack.k >= level.k) return ack;
  const expected = formatAck(level);
  throw new Fault('invalid', `ack "${asked}" is less than the keyspace's ${expected}`, { got: asked, expected });
}
