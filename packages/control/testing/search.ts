/**
 * Breadth-first search of everything a small model can do, each state once: the first broken state it finds is a
 * shortest story. Of a state it keeps 18 bytes, and the state itself only until it was looked at.
 */

import { Seen } from './seen.ts';

export type Found = { readonly broken: string; readonly story: readonly string[] };

export type Searched = {
  readonly states: number;
  readonly moves: number;
  /** Longest story looked at, in moves. */
  readonly depth: number;
  /** False: it stopped at `statesMax` with more to see. */
  readonly complete: boolean;
  readonly found: Found | null;
};

/** `broken`: what is wrong with the move itself. */
export type Move<S> = { readonly name: string; readonly state: S; readonly broken?: string };

export type Model<S> = {
  readonly start: S;
  /** The same for the same state, in the same order. */
  readonly moves: (state: S) => Iterable<Move<S>>;
  /** Equal for states from which the same can happen. */
  readonly key: (state: S) => string;
  /** What is wrong with a state; null when nothing is. Asked of a new state before the next move is taken. */
  readonly broken: (state: S) => string | null;
};

export function search<S>(model: Model<S>, statesMax: number): Searched {
  const { moves, key, broken } = model;
  const seen = new Seen();
  seen.add(key(model.start), -1, 0);
  let level: { readonly state: S; readonly number: number }[] = [{ state: model.start, number: 0 }];
  let count = 0;
  for (let depth = 0; ; depth++) {
    const next: typeof level = [];
    for (const { state, number } of level) {
      let at = 0;
      for (const move of moves(state)) {
        count++;
        const added = seen.add(key(move.state), number, at++);
        const wrong = move.broken ?? (added < 0 ? null : broken(move.state));
        const so = { states: seen.count, moves: count, depth: depth + 1 };
        if (wrong !== null) {
          return {
            ...so,
            complete: false,
            found: { broken: wrong, story: [...storyOf(model, seen, number), move.name] },
          };
        }
        if (added < 0) continue;
        if (seen.count >= statesMax) return { ...so, complete: false, found: null };
        next.push({ state: move.state, number: added });
      }
    }
    if (next.length === 0) return { states: seen.count, moves: count, depth, complete: true, found: null };
    level = next;
  }
}

/** Walks the way to a state again, to have it in words. */
function storyOf<S>({ start, moves }: Model<S>, seen: Seen, last: number): string[] {
  const taken: number[] = [];
  for (let at = last; at > 0; at = seen.parentOf(at)) taken.unshift(seen.moveOf(at));
  let state = start;
  return taken.map((wanted) => {
    let at = 0;
    for (const move of moves(state)) {
      if (at++ !== wanted) continue;
      state = move.state;
      return move.name;
    }
    throw new Error(`move ${wanted} is not among those of its state`);
  });
}
