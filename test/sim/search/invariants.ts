/** What must hold in every state (I1, I2, I4, I9, and that no closed epoch is out of reach for ever). */

import type { RegisterValue, Reign } from '@tidemark/control/consensus/register-value';
import { KEYSPACE, SITES } from './records.ts';
import type { State } from './state.ts';
import { siteNumber, type World } from './world.ts';

/** I1: a commit adds one reign and closes one; it changes nothing else. Says what it broke; null for nothing. */
export function broken(before: RegisterValue, after: RegisterValue): string | null {
  for (const [at, reign] of before.reigns.entries()) {
    const now = after.reigns[at];
    if (now?.epoch !== reign.epoch || now.writerId !== reign.writerId)
      return `${KEYSPACE}: reign ${reign.epoch} is gone`;
    if (reign.cuts !== null && JSON.stringify(now.cuts) !== JSON.stringify(reign.cuts))
      return `epoch ${reign.epoch} is closed twice`;
  }
  const epochs = after.reigns.map((reign) => reign.epoch);
  return new Set(epochs).size === epochs.length ? null : `two primaries of one epoch in ${epochs.join(', ')}`;
}

/** What does not hold in a state; null for nothing. */
export function violationOf(world: World, s: State): string | null {
  for (const reign of world.registers.at(s.register).reigns) {
    for (const partition of world.partitions) {
      const found = ackedViolation(world, s, reign, partition) ?? copiesViolation(world, s, reign, partition);
      if (found !== null) return found;
    }
  }
  return null;
}

function ackedViolation(world: World, s: State, reign: Reign, partition: number): string | null {
  const acked = world.ackedAt(s, reign.epoch, partition);
  if (acked === '') return null;
  const origin = siteNumber(reign.site);
  const last = world.records.wordsOf(acked.at(-1)!);
  const cut = reign.cuts?.[partition];
  if (cut !== undefined && cut.seq < acked.length - 1)
    return `${last} was acked and is not in the cut ${reign.epoch}:${cut.seq}`;
  const holders = world.sites.filter((site) =>
    world.copyAt(s, site, origin, partition).accepted[reign.epoch]?.startsWith(acked),
  );
  const levels = [
    world.scope.k,
    world.scope.kMin ?? world.scope.k,
    ...(world.scope.levels ?? []),
    world.scope.change ?? world.scope.k,
  ];
  const needed = Math.max(1, Math.min(...levels) + 1 - s.tails - s.wipes - s.rollbacks);
  if (holders.length >= needed) return null;
  const where = holders.map((site) => SITES[site]).join(', ') || 'nowhere';
  return `${last} was acked and is held by ${where}, expected ${needed} sites`;
}

function copiesViolation(world: World, s: State, reign: Reign, partition: number): string | null {
  const origin = siteNumber(reign.site);
  const cut = reign.cuts?.[partition];
  let isHeld = cut === undefined || cut.seq < 0;
  for (const site of world.sites) {
    const { halted, dead, accepted, prefix } = world.copyAt(s, site, origin, partition);
    const name = world.nameOf(world.topicAt(site, origin, partition));
    if (halted !== null) return `chain conflict in ${name}: ${halted}`;
    if (dead) return `${name} accepts nothing any more`;
    if (cut === undefined || cut.seq < 0) continue;
    const head = (accepted[reign.epoch]?.length ?? 0) - 1;
    if (head >= cut.seq) isHeld = true;
    else if (prefix.epoch > reign.epoch) return `${name} skipped the end of epoch ${reign.epoch}, it can never have it`;
    else if (!world.rules.late && prefix.fencedBelow > reign.epoch)
      return `${name} is fenced and can never finish epoch ${reign.epoch}`;
  }
  return isHeld ? null : `no site holds the cut ${reign.epoch}:${cut!.seq}`;
}
