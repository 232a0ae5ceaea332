/** Mirrors copy, from whichever site has more; appends that were under way arrive. */

import { type Move, sent } from './move.ts';
import { settled } from './read-back.ts';
import { SITES } from './records.ts';
import type { State } from './state.ts';
import { siteNumber, type World } from './world.ts';

export function copyMoves(world: World, s: State, moves: Move[]): void {
  const origins = new Set(world.registers.at(s.register).terms.map((term) => siteNumber(term.site)));
  for (const origin of origins) {
    for (const site of world.sites) {
      if (site === origin && !catchUps(world, s, site)) continue;
      for (const partition of world.partitions) copyInto(world, s, moves, site, origin, partition);
    }
  }
  for (const [at, one] of s.flying.entries()) {
    const [topic, character] = [one.charCodeAt(0) - 0x30, one[1]!];
    const words = `${world.records.wordsOf(character)} arrives in ${world.nameOf(topic)}`;
    const landed = world.appended({ ...s, flying: s.flying.toSpliced(at, 1) }, topic, character);
    moves.push({ words, next: settled(world, landed) });
  }
}

/** A site's own log is filled from others only by its candidate, or once it is a new one. */
function catchUps(world: World, s: State, site: number): boolean {
  const value = world.registers.at(s.register);
  const member = value.members[site]!;
  if (member.state === 'RECOVERING') return true;
  return s.candidates.some(({ frozen }) => world.registers.at(frozen).election?.site === SITES[site]);
}

function copyInto(world: World, s: State, moves: Move[], site: number, origin: number, partition: number): void {
  const topic = world.topicAt(site, origin, partition);
  const found = new Set<string>();
  for (const source of world.sites) {
    if (source === site) continue;
    const from = s.topics[world.topicAt(source, origin, partition)]!;
    for (const character of world.records.nextOf(s.topics[topic]!, from)) found.add(character);
  }
  for (const character of found) {
    const words = `${SITES[site]} copies ${world.records.wordsOf(character)} into ${world.nameOf(topic)}`;
    moves.push({ words, next: settled(world, world.appended(s, topic, character)) });
    if (s.flying.length < world.scope.flying && !s.flying.some((one) => one.endsWith(character))) {
      moves.push({ words: `${words}, which is long under way`, next: sent(s, topic, character) });
    }
  }
}
