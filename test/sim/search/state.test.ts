import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { violationOf } from './invariants.ts';
import { movesOf } from './moves.ts';
import { ALL_RULES, without } from './rules.ts';
import { BASE, type Scope } from './scope.ts';
import { stateOf, textOf } from './state.ts';
import { World } from './world.ts';

const scope = fc.record({
  sites: fc.constantFrom(2, 3, 4),
  partitions: fc.constantFrom(1, 2),
  epochs: fc.constantFrom(2, 4),
  tails: fc.constantFrom(0, 1),
  wipes: fc.constantFrom(0, 1),
  change: fc.constantFrom(null, 2),
  first: fc.constantFrom(0, 1),
});
const turns = fc.array(fc.nat(), { minLength: 1, maxLength: 60 });

function walk(world: World, choices: readonly number[], look: (world: World, text: string) => void): void {
  let state = world.initial();
  for (const choice of choices) {
    const moves = movesOf(world, state);
    if (moves.length === 0) return;
    state = moves[choice % moves.length]!.next;
    look(world, textOf(state));
    // A search ends at what must not be; nothing is defined beyond it.
    if (violationOf(world, state) !== null) return;
  }
}

describe('a searched state', () => {
  it('is its text: what is read back is what was written', () => {
    fc.assert(
      fc.property(scope, turns, fc.boolean(), (small, choices, early) => {
        const whole: Scope = { ...BASE, ...small, k: small.sites - 1, writes: 4, flying: 2 };
        const world = new World(whole, early ? without('after') : ALL_RULES);
        walk(world, choices, (_, text) => expect(textOf(stateOf(text, whole))).toBe(text));
      }),
    );
  });

  it('holds what it must on long ways through worlds too large to search, four sites among them', () => {
    fc.assert(
      fc.property(scope, turns, (small, choices) => {
        // k = 1 survives one loss.
        fc.pre(small.tails + small.wipes < 2);
        const whole: Scope = { ...BASE, ...small, k: 1, writes: 4, flying: 2 };
        walk(new World(whole, ALL_RULES), choices, (world, text) => {
          expect(violationOf(world, stateOf(text, whole))).toBeNull();
        });
      }),
      { numRuns: 300 },
    );
  });
});
