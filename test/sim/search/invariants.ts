/** What must hold in every state (I1, I2, I4, I9, and that no closed epoch is out of reach for ever). */

import type { RegisterValue, Term } from '@tidemark/control/consensus/register-value';
import { KEYSPACE, SITES } from './records.ts';
import type { State } from './state.ts';
import { siteNumber, type World } from './world.ts';

/** I1: a commit adds one term and closes one; it changes nothing else. Says what it broke; null for nothing. */
export function broken(before: RegisterValue, after: RegisterValue): string | null {
  for (const [at, term] of before.terms.entries()) {
    const now = after.terms[at];
    if (now?.epoch !== term.epoch || now.writerId !== term.writerId) return `${KEYSPACE}: term ${term.epoch} is gone`;
    if (term.epochEnds !== null && JSON.stringify(now.epochEnds) !== JSON.stringify(term.epochEnds))
      return `epoch ${term.epoch} is closed twice`;
  }
  const epochs = after.terms.map((term) => term.epoch);
  return new Set(epochs).size === epochs.length ? null : `two primaries of one epoch in ${epochs.join(', ')}`;
}

/** What does not hold in a state; null for nothing. */
export function violationOf(world: World, s: State): string | null {
  for (const term of world.registers.at(s.register).terms) {
    for (const partition of world.partitions) {
      const found = ackedViolation(world, s, term, partition) ?? copiesViolation(world, s, term, partition);
      if (found !== null) return found;
    }
  }
  return null;
}

function ackedViolation(world: World, s: State, term: Term, partition: number): string | null {
  const acked = world.ackedAt(s, term.epoch, partition);
  if (acked === '') return null;
  const origin = siteNumber(term.site);
  const last = world.records.wordsOf(acked.at(-1)!);
  const epochEnd = term.epochEnds?.[partition];
  if (epochEnd !== undefined && epochEnd.seq < acked.length - 1)
    return `${last} was acked and is not in the epoch end ${term.epoch}:${epochEnd.seq}`;
  const holders = world.sites.filter((site) =>
    world.copyAt(s, site, origin, partition).accepted[term.epoch]?.startsWith(acked),
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

function copiesViolation(world: World, s: State, term: Term, partition: number): string | null {
  const origin = siteNumber(term.site);
  const epochEnd = term.epochEnds?.[partition];
  let isHeld = epochEnd === undefined || epochEnd.seq < 0;
  for (const site of world.sites) {
    const { halted, dead, accepted, logHead } = world.copyAt(s, site, origin, partition);
    const name = world.nameOf(world.topicAt(site, origin, partition));
    if (halted !== null) return `chain conflict in ${name}: ${halted}`;
    if (dead) return `${name} accepts nothing any more`;
    if (epochEnd === undefined || epochEnd.seq < 0) continue;
    const head = (accepted[term.epoch]?.length ?? 0) - 1;
    if (head >= epochEnd.seq) isHeld = true;
    else if (logHead.epoch > term.epoch) return `${name} skipped the end of epoch ${term.epoch}, it can never have it`;
    else if (!world.rules.late && logHead.fencedBelow > term.epoch)
      return `${name} is fenced and can never finish epoch ${term.epoch}`;
  }
  return isHeld ? null : `no site holds the epoch end ${term.epoch}:${epochEnd!.seq}`;
}
