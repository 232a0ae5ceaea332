/** Writers read back what they appended, and ack. */

import { mayAckSeq } from './counting.ts';
import type { State } from './state.ts';
import type { World } from './world.ts';

/**
 * Writers read back what they appended as soon as it stands in the log: reading it later tells the same, as the order
 * of record and fence is fixed. What is not ackable stops its writer (rule 11).
 */
export function settled(world: World, s: State): State {
  let read = s;
  for (const epoch of s.writers.keys()) read = readBack(world, read, epoch);
  return acksAtOnce(world) ? acked(world, read) : read;
}

function readBack(world: World, s: State, epoch: number): State {
  let writer = world.writerAt(s, epoch);
  if (writer?.pending.every((pending) => pending === '') ?? true) return s;
  const origin = world.originOf(s, epoch);
  for (const [partition, pending] of writer!.pending.entries()) {
    if (pending === '') continue;
    const copy = world.copyAt(s, origin, origin, partition);
    const { seq } = world.records.token(pending);
    const found = copy.accepted[epoch]?.[seq];
    if (found === undefined) continue;
    if (found !== pending || (world.rules.own && (copy.ackable[epoch] ?? 0) <= seq)) {
      return world.withWriter(s, epoch, null);
    }
    const written = writer!.written.with(partition, writer!.written[partition]! + pending);
    writer = { ...writer!, written, pending: writer!.pending.with(partition, '') };
  }
  return world.withWriter(s, epoch, writer);
}

/** True where acking early is the worst that can happen: only a loss or a change of k asks what was acked so far. */
export function acksAtOnce({ scope }: World): boolean {
  return scope.tails + scope.wipes + scope.rollbacks === 0 && scope.change === null;
}

function acked(world: World, s: State): State {
  let state = s;
  for (const epoch of s.writers.keys()) {
    const writer = world.writerAt(s, epoch);
    if (writer === null) continue;
    for (const partition of world.partitions) {
      const written = writer.written[partition]!;
      const { length } = world.ackedAt(s, epoch, partition);
      if (length >= written.length) continue;
      const count = mayAckSeq(world, s, writer, epoch, partition) + 1;
      if (count > length) state = world.withAcked(state, epoch, partition, written.slice(0, count));
    }
  }
  return state;
}
