/** Topics lose their end, sites lose their disks, and what was lost comes back (protocol rule 22). */

import { demoteMember, readmitMember } from '@tidemark/control/consensus/register-changes';
import { memberNamed, newestTerm } from '@tidemark/control/consensus/register-value';
import { isLevel } from '@tidemark/control/failover/election';
import { durableSeq, heldSeq } from './counting.ts';
import type { Move } from './move.ts';
import { SITES } from './records.ts';
import type { State, WriterState } from './state.ts';
import type { World } from './world.ts';

export function faultMoves(world: World, s: State, moves: Move[]): void {
  if (s.tails < world.scope.tails) tailMoves(world, s, moves);
  if (s.wipes < world.scope.wipes) for (const site of world.sites) moves.push(wiped(world, s, site));
  if (s.rollbacks < world.scope.rollbacks) rollbackMoves(world, s, moves);
  if (s.tails + s.wipes + s.rollbacks === 0) return;
  for (const site of world.sites) {
    demoteMove(world, s, moves, site);
    vouchMove(world, s, moves, site);
    readmitMove(world, s, moves, site);
    if (!world.rules.refence) forgiveMoves(world, s, moves, site);
  }
}

function tailMoves(world: World, s: State, moves: Move[]): void {
  const { rules, records, partitions } = world;
  for (const site of world.sites) {
    for (const origin of world.sites) {
      for (const partition of partitions) {
        const topic = world.topicAt(site, origin, partition);
        const { text } = world.copyAt(s, site, origin, partition);
        for (let lost = 1; lost <= text.length; lost++) {
          const epochEnd = {
            ...s,
            tails: s.tails + 1,
            topics: s.topics.with(topic, records.topicOf({ origin, partition }, text.slice(0, -lost))),
          };
          const fences = [...text.slice(-lost)].filter((character) => records.token(character).seq < 0).length;
          const words = `${world.nameOf(topic)} loses its last ${lost}`;
          if (rules.doubt) moves.push({ words, next: renewed(world, s, epochEnd, site, [origin]) });
          else if (fences === 0) moves.push({ words: `${words} unnoticed`, next: epochEnd });
          if (!rules.ff && fences === lost) moves.push({ words: `${words}, a fence, unnoticed`, next: epochEnd });
        }
      }
    }
  }
}

/** A copy is what it was earlier, and looks whole; the site's process begins on it. */
function rollbackMoves(world: World, s: State, moves: Move[]): void {
  const value = world.registers.at(s.register);
  const epoch = newestTerm(value)?.epoch ?? 0;
  const born = { epoch, fencedBelow: value.election?.epoch ?? epoch, vouched: false };
  for (const site of world.sites) {
    for (const origin of world.sites) {
      for (const partition of world.partitions) {
        const topic = world.topicAt(site, origin, partition);
        const { text } = world.copyAt(s, site, origin, partition);
        for (let lost = 1; lost <= text.length; lost++) {
          const older = world.records.topicOf({ origin, partition }, text.slice(0, -lost));
          const candidates = s.candidates.filter(
            ({ frozen }) => world.registers.at(frozen).election?.site !== SITES[site],
          );
          let next: State = {
            ...toldBefore(world, s, site, origin),
            ...{ topics: s.topics.with(topic, older), candidates, rollbacks: s.rollbacks + 1 },
            births: s.births.with(site, born),
          };
          for (const at of s.writers.keys()) {
            if (world.writerAt(s, at) !== null && world.originOf(s, at) === site)
              next = world.withWriter(next, at, null);
          }
          moves.push({ words: `${world.nameOf(topic)} is put back by ${lost}, and ${SITES[site]} begins anew`, next });
        }
      }
    }
  }
}

/** What a copy had told the writers of its origin stays told. */
function toldBefore(world: World, s: State, site: number, origin: number): State {
  const lines = [...s.lines];
  for (const epoch of s.writers.keys()) {
    if (world.writerAt(s, epoch) === null || world.originOf(s, epoch) !== origin || site === origin) continue;
    for (const partition of world.partitions) {
      const count = durableSeq(world, s, site, epoch, partition) + 1;
      if (count > 0) lines.push([epoch, site, partition, world.identityAt(s, site, origin), count]);
    }
  }
  lines.sort((a, b) => a.join(',').localeCompare(b.join(',')));
  return { ...s, lines };
}

/** The writer of the term that a process began in looks whether the copy holds what it counted; else it is another one. */
function vouchMove(world: World, s: State, moves: Move[], site: number): void {
  const { epoch, vouched } = s.births[site]!;
  if (epoch === 0 || vouched || world.writerAt(s, epoch) === null) return;
  const origin = world.originOf(s, epoch);
  if (origin === site) return;
  const identity = world.identityAt(s, site, origin);
  const holds = s.lines.every(([e, x, p, told, count]) => {
    if (e !== epoch || x !== site || told !== identity) return true;
    return heldSeq(world, s, site, epoch, p!) >= count! - 1;
  });
  const births = s.births.with(site, { ...s.births[site]!, vouched: true });
  if (holds || !world.rules.floor) {
    moves.push({ words: `writer ${epoch} vouches for ${SITES[site]}`, next: { ...s, births } });
    return;
  }
  const next = renewed(world, s, { ...s, births }, site, [origin]);
  moves.push({ words: `writer ${epoch} has counted more of ${SITES[site]}, which is another copy from now on`, next });
}

/** A site's disks are gone, and with them its processes. */
function wiped(world: World, s: State, site: number): Move {
  const topics = s.topics.map((topic, at) => {
    const isHere = Math.floor(at / (world.sites.length * world.partitions.length)) === site;
    return isHere ? world.records.topicOf(world.records.copy(topic), '') : topic;
  });
  const candidates = s.candidates.filter(({ frozen }) => world.registers.at(frozen).election?.site !== SITES[site]);
  const epochEnd = { ...s, topics, candidates, wipes: s.wipes + 1 };
  return { words: `${SITES[site]} loses its disks`, next: renewed(world, s, epochEnd, site, world.sites) };
}

/** Copies get new identities; what they had told stays told; a writer whose own log it is stops. */
function renewed(world: World, before: State, after: State, site: number, origins: readonly number[]): State {
  const { sites, partitions } = world;
  const lines = [...after.lines];
  let { identities } = after;
  let state = after;
  for (const origin of origins) {
    const at = site * sites.length + origin;
    for (const epoch of after.writers.keys()) {
      const writer = world.writerAt(after, epoch);
      if (writer === null || world.originOf(before, epoch) !== origin) continue;
      if (site === origin) {
        state = world.withWriter(state, epoch, world.rules.fresh ? null : resumed(world, after, writer, epoch));
        continue;
      }
      for (const partition of partitions) {
        const count = durableSeq(world, before, site, epoch, partition) + 1;
        if (count > 0) lines.push([epoch, site, partition, identities[at]!, count]);
      }
    }
    identities = identities.with(at, identities[at]! + 1);
  }
  lines.sort((a, b) => a.join(',').localeCompare(b.join(',')));
  return { ...state, identities, lines };
}

/** Rule `fresh` taken away: a process that goes on with the epoch it finds in its log. */
function resumed(world: World, s: State, writer: WriterState, epoch: number): WriterState | null {
  const site = world.originOf(s, epoch);
  const written = world.partitions.map((partition) => world.copyAt(s, site, site, partition).accepted[epoch] ?? '');
  return written.some((records) => records === '') ? null : { ...writer, written, pending: written.map(() => '') };
}

function isRenewed(world: World, s: State, site: number): boolean {
  const { logIds } = memberNamed(world.registers.at(s.register), SITES[site]!)!;
  return world.sites.some((origin) => logIds[SITES[origin]!] !== String(world.identityAt(s, site, origin)));
}

function demoteMove(world: World, s: State, moves: Move[], site: number): void {
  const value = world.registers.at(s.register);
  const name = SITES[site]!;
  if (memberNamed(value, name)?.state !== 'ACTIVE' || !isRenewed(world, s, site)) return;
  const change = demoteMember(value, '', name, name);
  if ('refused' in change) return;
  moves.push({ words: `${name} says it lost something`, next: { ...s, register: world.registerId(change.value) } });
}

/** The newest term's writer finds a site level and lets it count again. */
function readmitMove(world: World, s: State, moves: Move[], site: number): void {
  const value = world.registers.at(s.register);
  const term = newestTerm(value);
  if (term === null) return;
  const writer = world.writerAt(s, term.epoch);
  const origin = world.originOf(s, term.epoch);
  if (writer === null || origin === site) return;
  const name = SITES[site]!;
  if (memberNamed(value, name)?.state === 'ACTIVE' && !isRenewed(world, s, site)) return;
  const committed = world.partitions.map((partition) => {
    const acked = world.ackedAt(s, term.epoch, partition);
    return { seq: acked.length - 1, chain: acked === '' ? '' : world.records.chainOf(acked.at(-1)!) };
  });
  if (!isLevel(value, world.copiesOf(s, site), committed)) return;
  const member = { site: name, state: 'ACTIVE' as const, logIds: world.logIdsOf(s.identities, site) };
  const change = readmitMember(value, '', { epoch: term.epoch, writerId: term.writerId }, member);
  if ('refused' in change) return;
  const view = world.views.at(writer.view);
  const identity = world.identityAt(s, site, origin);
  const seen = world.views.idOf({ ...view, listed: view.listed.with(site, identity) });
  const lines = world.rules.forget
    ? s.lines
    : s.lines.map(([e, x, p, told, count]) => [e!, x!, p!, e === term.epoch && x === site ? identity : told!, count!]);
  const told = world.withWriter(s, term.epoch, { ...writer, view: seen });
  const next = { ...told, register: world.registerId(change.value), lines };
  moves.push({ words: `writer ${term.epoch} readmits ${name}`, next });
}

/** Rule `refence` taken away: a topic that lost its end counts again by itself once it has what its origin has. */
function forgiveMoves(world: World, s: State, moves: Move[], site: number): void {
  const { logIds } = memberNamed(world.registers.at(s.register), SITES[site]!)!;
  for (const origin of world.sites) {
    const at = site * world.sites.length + origin;
    const listed = Number(logIds[SITES[origin]!]);
    if (site === origin || s.identities[at] === listed) continue;
    const isEven = world.partitions.every((partition) => {
      const [here, there] = [site, origin].map((x) => world.headAt(s, x!, origin, partition));
      return here!.epoch > there!.epoch || (here!.epoch === there!.epoch && here!.seq >= there!.seq);
    });
    if (!isEven) continue;
    const next = { ...s, identities: s.identities.with(at, listed) };
    moves.push({ words: `${SITES[site]} is level with ${SITES[origin]} and counts again by itself`, next });
  }
}
