/** Wrong bytes in a site's logs: an end that is lost, what somebody else appended, a record that comes too early. */

import type { LogRecord } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { openRecord, sealRecord } from '@tidemark/record/seal';
import { KEYSPACE } from '../clients/client.ts';
import type { SimSite } from '../cluster/sim-site.ts';
import type { SimWorld } from '../world.ts';

/** A partition of the log or a mirror is shorter than it was, though it was flushed: a broker's recovery cut it. */
export function loseEnd(world: SimWorld, site: SimSite, salt: number): void {
  const { topic, partition } = placeOf(world, site, salt);
  const found = site.store.topic(topic)?.partitions[partition];
  if (found === undefined) return;
  const end = found.start + found.records.length;
  // Its first record stays: without that it would be another topic.
  site.store.loseEnd(topic, partition, Math.max(found.start + 1, end - 1 - ((salt >> 4) % 30)));
}

function placeOf(world: SimWorld, site: SimSite, salt: number): { readonly topic: string; readonly partition: number } {
  const origin = world.siteNames[salt % world.siteNames.length]!;
  const topic = origin === site.name ? topicNames.log(KEYSPACE, origin) : topicNames.mirror(KEYSPACE, origin);
  return { topic, partition: salt % 2 };
}

/** Somebody else's bytes in a log or a mirror: noise, or a record of another place copied as it is. */
export function poison(world: SimWorld, site: SimSite, salt: number): void {
  const random = world.random.of(`poison ${salt}`);
  const place = placeOf(world, site, salt);
  const topic = site.store.topic(place.topic);
  const partition = topic?.partitions[place.partition];
  if (topic === undefined || partition === undefined) return;
  const stored = partition.records[integerBetween(random, 0, Math.max(0, partition.records.length - 1))];
  const dice = random.fraction();
  const value = dice < 0.3 || stored === undefined ? noise(random) : dice < 0.6 ? bent(random, stored.value) : null;
  site.store.land(topic, partition, [{ value: value ?? forged(partition.records) ?? noise(random) }]);
}

/** The newest EPOCH_START of the origin's log lands in the site's copy. */
export function landEarly(world: SimWorld, at: string, origin: string): void {
  const to = world.site(at).store.topic(topicNames.mirror(KEYSPACE, origin));
  const from = world.site(origin).store.topic(topicNames.log(KEYSPACE, origin));
  for (const partition of to?.partitions ?? []) {
    const start = from?.partitions[partition.number]?.records.findLast(({ value }) => isStart(value));
    if (start !== undefined) world.site(at).store.land(to!, partition, [{ value: start.value }]);
  }
}

function isStart(value: Uint8Array): boolean {
  try {
    return openRecord(value).envelope.body.kind === 'EpochStart';
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    return false;
  }
}

function noise(random: Random): Uint8Array {
  return new Uint8Array(integerBetween(random, 0, 200)).map(() => integerBetween(random, 0, 255));
}

/** A copy of a record with, half the time, one bit turned. */
function bent(random: Random, value: Uint8Array): Uint8Array {
  const copy = new Uint8Array(value);
  if (random.fraction() < 0.5) copy[integerBetween(random, 0, copy.length - 1)]! ^= 1;
  return copy;
}

/** What would come next, in every field but the chain. */
function forged(records: readonly LogRecord[]): Uint8Array | null {
  for (const { value } of records.toReversed()) {
    try {
      const { chain, ...envelope } = openRecord(value).envelope;
      if (envelope.seq < 0) continue;
      const body = { kind: 'Noop' } as const;
      const other = `${chain.startsWith('f') ? '0' : 'f'}${chain.slice(1)}`;
      return sealRecord({ ...envelope, seq: envelope.seq + 1, body }, other).bytes;
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
    }
  }
  return null;
}
