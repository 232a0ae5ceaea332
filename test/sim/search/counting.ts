/** What a writer may ack: what its own log holds and what the others' lines say (protocol rules 11–13). */

import { committedSeq } from '@tidemark/writer/appending/committed';
import type { State, WriterState } from './state.ts';
import type { World } from './world.ts';

/** Highest seq of a partition that the writer may count in its own log. */
function ownSeq(world: World, s: State, writer: WriterState, epoch: number, partition: number): number {
  const origin = world.originOf(s, epoch);
  const copy = world.copyAt(s, origin, origin, partition);
  const count = world.rules.own ? copy.ackable[epoch] : copy.accepted[epoch]?.length;
  return Math.min(count ?? 0, writer.written[partition]!.length) - 1;
}

/** Highest seq that a site's line says is durable now. */
export function durableSeq(world: World, s: State, site: number, epoch: number, partition: number): number {
  const { epoch: born, fencedBelow, vouched } = s.births[site]!;
  if (world.rules.birth && epoch < fencedBelow) return -1;
  if (born === epoch && !vouched) return -1;
  return heldSeq(world, s, site, epoch, partition);
}

/** What it would say were it asked by who vouches for it. */
export function heldSeq(world: World, s: State, site: number, epoch: number, partition: number): number {
  if (world.rules.gate && !world.passesGate(s, site, epoch, partition)) return -1;
  const copy = world.copyAt(s, site, world.originOf(s, epoch), partition);
  return ((world.rules.fence ? copy.ackable[epoch] : copy.accepted[epoch]?.length) ?? 0) - 1;
}

/** The highest seq of a site's lines, new and old, that counts for a writer. */
function heardSeq(world: World, s: State, listed: number, site: number, epoch: number, partition: number): number {
  const { rules } = world;
  if (rules.inc && listed < 0) return -1;
  let seq = -1;
  const identity = world.identityAt(s, site, world.originOf(s, epoch));
  if (!rules.inc || identity === listed) seq = durableSeq(world, s, site, epoch, partition);
  for (const [e, x, p, told, count] of s.lines) {
    if (e === epoch && x === site && p === partition && (!rules.inc || told === listed))
      seq = Math.max(seq, count! - 1);
  }
  return seq;
}

/** Rule 13, and 23 while the level is being changed. */
export function mayAckSeq(world: World, s: State, writer: WriterState, epoch: number, partition: number): number {
  const view = world.views.at(writer.view);
  const origin = world.originOf(s, epoch);
  const others = world.sites.filter((site) => site !== origin);
  const durable = others.map((site) => heardSeq(world, s, view.listed[site]!, site, epoch, partition));
  const own = ownSeq(world, s, writer, epoch, partition);
  const seq = committedSeq(own, durable, view.k);
  if (view.joint === null || !world.rules.joint) return seq;
  return Math.min(seq, committedSeq(own, durable, view.joint));
}
