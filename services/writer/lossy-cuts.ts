/** Where a reign ends when records of it are lost for good: read from this site's own copy of it (protocol E5, E11). */

import { lossySeqs, type ReceivedBarrier } from '@tidemark/control/loss';
import type { CutAt, LossRule, Reign } from '@tidemark/control/register-value';
import { findAfter } from '@tidemark/log/find-position';
import type { Log } from '@tidemark/log/log';
import { type Envelope, openRecord } from '@tidemark/schema/envelope';
import { isFault } from '@tidemark/world/fault';

/** Barriers come at least every second, and every 100 ms with traffic: among so many records there is one. */
const LOOKED_AT_MAX = 20_000;

export type LossyPlace = {
  readonly log: Log;
  /** This site's copy of the reign's origin, whole up to `received`. */
  readonly topic: string;
  readonly reign: Reign;
};

/** @throws {Fault} as `Log.read` */
export async function lossyCuts(
  place: LossyPlace,
  received: readonly CutAt[],
  mode: LossRule['mode'],
): Promise<readonly CutAt[]> {
  if (mode === 'received' || received.length === 0) return received;
  const barriers: ReceivedBarrier[] = [];
  const from = Math.max(0, received[0]!.seq - LOOKED_AT_MAX);
  await readReign(place, 0, from - 1, ({ seq, body }) => {
    if (seq > received[0]!.seq) return false;
    if (body.kind === 'Barrier') barriers.push({ seq, heads: body.heads });
    return true;
  });
  const seqs = lossySeqs(mode, received, barriers);
  return Promise.all(seqs.map((seq, partition) => cutAt(place, partition, seq)));
}

async function cutAt(place: LossyPlace, partition: number, seq: number): Promise<CutAt> {
  let chain = '';
  if (seq < 0) return { seq: -1, chain };
  await readReign(place, partition, seq - 1, (envelope) => {
    if (envelope.seq === seq) chain = envelope.chain;
    return envelope.seq < seq;
  });
  return { seq, chain };
}

/** Tells of the reign's records beyond `after`, until there are no more or `take` has seen enough. */
async function readReign(
  { log, topic, reign }: LossyPlace,
  partition: number,
  after: number,
  take: (envelope: Envelope) => boolean,
): Promise<void> {
  const from = await findAfter(log, topic, partition, { epoch: reign.epoch, seq: after });
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
    for (const { value } of records) {
      const envelope = opened(value);
      if (envelope === null || envelope.origin !== reign.site || envelope.epoch !== reign.epoch) continue;
      if (envelope.seq > after && !take(envelope)) return;
    }
  }
}

function opened(value: Uint8Array): Envelope | null {
  try {
    return openRecord(value).envelope;
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}
