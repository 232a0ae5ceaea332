/** The searched world as the engine takes it: a state is its text. */

import { type Searched, search } from '@tidemark/control/testing/search';
import { violationOf } from './invariants.ts';
import { movesOf } from './moves.ts';
import type { Rules } from './rules.ts';
import type { Scope } from './scope.ts';
import { type State, stateOf, textOf } from './state.ts';
import { World } from './world.ts';

/** `seconds` of processor time: the machine may have other things to do. */
export type Outcome = Searched & { readonly seconds: number };

export function searchWorld(scope: Scope, rules: Rules, statesMax: number): Outcome {
  const began = process.cpuUsage();
  const world = new World(scope, rules);
  const start = world.initial();
  // The engine asks what is wrong with a state right after it was given it.
  let newest: State = start;
  const searched = search<string>(
    {
      start: textOf(start),
      *moves(text) {
        for (const { words, next, broken } of movesOf(world, stateOf(text, scope))) {
          newest = next;
          const move = { name: words, state: textOf(next) };
          yield broken === undefined ? move : { ...move, broken };
        }
      },
      key: (text) => text,
      broken: () => violationOf(world, newest),
    },
    statesMax,
  );
  const { user, system } = process.cpuUsage(began);
  return { ...searched, seconds: Math.round((user + system) / 10_000) / 100 };
}
