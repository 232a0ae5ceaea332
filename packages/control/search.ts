/** Breadth-first search of everything a small model can do: the first broken state it finds is a shortest story. */

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

export type Model<S> = {
  readonly start: S;
  readonly moves: (state: S) => Iterable<{ readonly name: string; readonly state: S }>;
  /** Equal for states from which the same can happen. */
  readonly key: (state: S) => string;
  /** What is wrong with a state; null when nothing is. */
  readonly broken: (state: S) => string | null;
};

export function search<S>({ start, moves, key, broken }: Model<S>, statesMax: number): Searched {
  const parents: number[] = [-1];
  const names: string[] = [''];
  const seen = new Set([key(start)]);
  let level: { readonly state: S; readonly number: number }[] = [{ state: start, number: 0 }];
  let count = 0;
  for (let depth = 0; level.length > 0; depth++) {
    const next: typeof level = [];
    for (const { state, number } of level) {
      for (const move of moves(state)) {
        count++;
        const text = key(move.state);
        if (seen.has(text)) continue;
        seen.add(text);
        parents.push(number);
        names.push(move.name);
        const at = parents.length - 1;
        const wrong = broken(move.state);
        const so = { states: parents.length, moves: count, depth: depth + 1 };
        if (wrong !== null)
          return { ...so, complete: false, found: { broken: wrong, story: storyOf(parents, names, at) } };
        if (parents.length >= statesMax) return { ...so, complete: false, found: null };
        next.push({ state: move.state, number: at });
      }
    }
    if (next.length === 0) return { states: parents.length, moves: count, depth, complete: true, found: null };
    level = next;
  }
  return { states: parents.length, moves: count, depth: 0, complete: true, found: null };
}

function storyOf(parents: readonly number[], names: readonly string[], last: number): string[] {
  const story: string[] = [];
  for (let at = last; at > 0; at = parents[at]!) story.unshift(names[at]!);
  return story;
}
