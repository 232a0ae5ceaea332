/** All steps that can happen next. Each is one step of one process, or one fault. */

import { copyMoves } from './copy-moves.ts';
import { electionMoves } from './election-moves.ts';
import { faultMoves } from './fault-moves.ts';
import type { Move } from './move.ts';
import type { State } from './state.ts';
import type { World } from './world.ts';
import { writerMoves } from './writer-moves.ts';

export function movesOf(world: World, s: State): Move[] {
  const moves: Move[] = [];
  writerMoves(world, s, moves);
  copyMoves(world, s, moves);
  electionMoves(world, s, moves);
  faultMoves(world, s, moves);
  return moves;
}
