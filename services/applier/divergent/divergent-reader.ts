/**
 * The divergent suffix of an origin (protocol rule 20): records that were accepted, and perhaps acknowledged, but lie
 * beyond the epoch end of their epoch. They are found by reading the site's copy of the origin from its start.
 */

import type { Log } from '@tidemark/log/log';
import { Fault } from '@tidemark/platform/fault';
import { accept, emptyLogHead, type LogHead, type PartitionName } from '@tidemark/record/admit';
import type { Envelope } from '@tidemark/record/envelope';

/** A copy of an origin's log, and what is known of where its epochs ended. */
export type Copy = {
  readonly log: Log;
  readonly topic: string;
  readonly name: Omit<PartitionName, 'partition'>;
  readonly partitions: number;
  /** Last seq of the epoch that counts in the partition, −1 for none; null while it is not closed. */
  readonly epochEndOf: (partition: number, epoch: number) => number | null;
};

/** A record beyond its epoch's end, decoded and as its bytes. */
export type SuffixRecord = { readonly envelope: Envelope; readonly value: Uint8Array };

/** Rows of closed epochs that count. */
export type Kept = { records: number; rows: number };

/**
 * Yields what lies beyond the epoch ends, partition by partition, each in order; counts into `kept`, by epoch, what does not.
 * @throws {Fault} `corrupt`: two records under one position. `unavailable`: the signal aborted, or the log is away.
 */
export async function* recordsBeyond(
  copy: Copy,
  kept: Map<number, Kept>,
  signal: AbortSignal,
): AsyncGenerator<SuffixRecord> {
  const { log, topic, name } = copy;
  for (let partition = 0; partition < copy.partitions; partition++) {
    const { start: from } = await log.bounds(topic, partition);
    let logHead: LogHead = emptyLogHead({ ...name, partition });
    for await (const batch of log.read({ topic, partition, from, signal, untilEnd: true })) {
      for (const { offset, value } of batch.records) {
        const verdict = accept(logHead, value);
        logHead = verdict.logHead;
        if (verdict.kind === 'HALT')
          throw new Fault('corrupt', `${topic}/${partition} at ${offset}: ${verdict.reason}`);
        if (verdict.kind !== 'ACCEPT') continue;
        const { epoch, seq } = verdict.envelope;
        const epochEnd = copy.epochEndOf(partition, epoch);
        if (epochEnd === null) continue;
        if (seq > epochEnd) yield { envelope: verdict.envelope, value };
        else count(kept, verdict.envelope);
      }
    }
    if (signal.aborted) throw new Fault('unavailable', `reading ${topic} for its tail: the site is stopping`);
  }
}

function count(kept: Map<number, Kept>, { epoch, body }: Envelope): void {
  const counts = kept.get(epoch) ?? { records: 0, rows: 0 };
  counts.records++;
  if (body.kind === 'Mutate') counts.rows += body.rowCount;
  kept.set(epoch, counts);
}
