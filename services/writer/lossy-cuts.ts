/** Where a reign ends when records of it are lost for good: read from this site's own copy of it (protocol E5, E11). */

import { lossySeqs, type ReceivedBarrier } from '@tidemark/control/loss';
import type { CutAt, LossRule, Reign } from '@tidemark/control/register-value';
import { findAfter } from '@tidemark/log/find-position';
import type { Log } from '@tidemark/log/log';
import { chainFollows, type Envelope, type OpenedRecord, openRecord } from '@tidemark/schema/envelope';
import { Fault, isFault } from '@tidemark/world/fault';

export type LossyPlace = {
  readonly log: Log;
  /** This site's copy of the reign's origin, whole up to `received`. */
  readonly topic: string;
  readonly reign: Reign;
  /** How many records of partition 0 are searched for a barrier: they come every second, every 100 ms with traffic. */
  readonly lookedAtMax: number;
};

/** @throws {Fault} as `Log.read`; `unavailable`: this site's copy lacks something of what was received elsewhere */
export async function lossyCuts(
  place: LossyPlace,
  received: readonly CutAt[],
  mode: LossRule['mode'],
): Promise<readonly CutAt[]> {
  if (mode === 'received' || received.length === 0) return received;
  const first = received[0]!;
  const newest = await readBack(place, 0, first, Math.max(0, first.seq - place.lookedAtMax));
  const barriers: ReceivedBarrier[] = newest.flatMap(({ seq, body }) =>
    body.kind === 'Barrier' ? [{ seq, heads: body.heads }] : [],
  );
  const seqs = lossySeqs(mode, received, barriers);
  return Promise.all(seqs.map((seq, partition) => cutAt(place, partition, received[partition]!, seq)));
}

async function cutAt(place: LossyPlace, partition: number, received: CutAt, seq: number): Promise<CutAt> {
  if (seq < 0) return { seq: -1, chain: '' };
  if (seq === received.seq) return received;
  const last = (await readBack(place, partition, received, seq)).at(-1)!;
  return { seq, chain: last.chain };
}

/** The reign's records from the one at `to` back to the one with seq `from`, each proved by the chain of the next. */
async function readBack(place: LossyPlace, partition: number, to: CutAt, from: number): Promise<readonly Envelope[]> {
  if (to.seq < 0) return [];
  const { log, topic, reign } = place;
  // Behind repeats of old records the place may be found too late; then all there is is read.
  const { start } = await log.bounds(topic, partition);
  for (const offset of [await findAfter(log, topic, partition, { epoch: reign.epoch, seq: from - 1 }), start]) {
    const chained = walkBack(await readReign(place, partition, offset, from, to.seq), to, from);
    if (chained !== null) return chained;
  }
  const where = `${topic}/${partition}`;
  throw new Fault('unavailable', `${where}: not everything of epoch ${reign.epoch} from ${from} to ${to.seq} is here`);
}

/** Null when a record is missing. */
function walkBack(records: ReadonlyMap<number, readonly OpenedRecord[]>, to: CutAt, from: number): Envelope[] | null {
  const walked: Envelope[] = [];
  let next = records.get(to.seq)?.find(({ envelope }) => envelope.chain === to.chain);
  while (next !== undefined) {
    const after = next;
    const { seq } = after.envelope;
    walked.push(after.envelope);
    if (seq <= from) return walked;
    next = records.get(seq - 1)?.find(({ envelope }) => chainFollows(after, envelope.chain));
  }
  return null;
}

/** By seq: what stands there as a record of the reign, a true one or not. */
async function readReign(
  { log, topic, reign }: LossyPlace,
  partition: number,
  offset: number,
  from: number,
  to: number,
): Promise<ReadonlyMap<number, readonly OpenedRecord[]>> {
  const found = new Map<number, OpenedRecord[]>();
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from: offset, signal, untilEnd: true })) {
    for (const { value } of records) {
      const record = opened(value);
      if (record === null || record.envelope.origin !== reign.site || record.envelope.epoch !== reign.epoch) continue;
      const { seq } = record.envelope;
      if (seq < from || seq > to) continue;
      const others = found.get(seq) ?? [];
      found.set(seq, others);
      others.push(record);
    }
  }
  return found;
}

function opened(value: Uint8Array): OpenedRecord | null {
  try {
    return openRecord(value);
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}
