/** A writer appends, reads back and acks. The writer of every epoch lives on: nothing tells it of a newer one. */

import { changeMoves } from './change-moves.ts';
import { mayAckSeq } from './counting.ts';
import { type Move, sent } from './move.ts';
import { acksAtOnce, settled } from './read-back.ts';
import { SITES } from './records.ts';
import type { State, WriterState } from './state.ts';
import type { World } from './world.ts';

export function writerMoves(world: World, s: State, moves: Move[]): void {
  for (const epoch of s.writers.keys()) {
    const writer = world.writerAt(s, epoch);
    if (writer === null) continue;
    for (const partition of world.partitions) {
      appendMoves(world, s, moves, writer, epoch, partition);
      ackMove(world, s, moves, writer, epoch, partition);
    }
    changeMoves(world, s, moves, writer, epoch);
  }
}

function appendMoves(
  world: World,
  s: State,
  moves: Move[],
  writer: WriterState,
  epoch: number,
  partition: number,
): void {
  const { scope, records } = world;
  const origin = world.originOf(s, epoch);
  const topic = world.topicAt(origin, origin, partition);
  const pending = writer.pending[partition]!;
  const who = `writer ${epoch} (${SITES[origin]})`;
  if (pending !== '') {
    if (!s.flying.some((one) => one.endsWith(pending)) || records.copy(s.topics[topic]!).text.includes(pending)) return;
    const words = `${who} appends ${records.wordsOf(pending)} again`;
    moves.push({ words, next: settled(world, world.appended(s, topic, pending)) });
    return;
  }
  const written = writer.written[partition]!;
  const isStart = written === '';
  if (!isStart && s.writes >= scope.writes) return;
  // Two processes that go on with one epoch may write different records under one position: a mutant's business.
  const twin = world.rules.fresh ? 0 : s.writes;
  const character = isStart ? world.startOf(s, epoch, partition) : records.after(written.at(-1)!, twin);
  const waiting = { ...writer, pending: writer.pending.with(partition, character) };
  const asked = { ...world.withWriter(s, epoch, waiting), writes: s.writes + (isStart ? 0 : 1) };
  const words = `${who} appends ${records.wordsOf(character)}`;
  moves.push({ words, next: settled(world, world.appended(asked, topic, character)) });
  if (s.flying.length < scope.flying) {
    moves.push({ words: `${words}, which is long under way`, next: sent(asked, topic, character) });
  }
}

function ackMove(world: World, s: State, moves: Move[], writer: WriterState, epoch: number, partition: number): void {
  // Without losses nothing hangs on what was not acked yet, and `settled` acks at once.
  if (acksAtOnce(world)) return;
  const count = world.ackedAt(s, epoch, partition).length;
  if (count >= writer.written[partition]!.length) return;
  if (mayAckSeq(world, s, writer, epoch, partition) < count) return;
  const acked = writer.written[partition]!.slice(0, count + 1);
  const words = `writer ${epoch} acks ${world.records.wordsOf(acked.at(-1)!)}`;
  moves.push({ words, next: world.withAcked(s, epoch, partition, acked) });
}
