import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CASES, runCase } from './cases/all.ts';
import type { Operation } from './check/history.ts';
import { unexplained } from './check/linearizable.ts';
import { MUTANTS } from './mutants/all.ts';
import { trial } from './mutate.ts';
import { run } from './run.ts';
import { scenarioOf } from './scenario.ts';
import { shrink } from './shrink.ts';
import { storyOf } from './story.ts';

/** More by `SIM_SEEDS=1000`, or with a table of speeds by `npm run sim`. */
const SEEDS = Number(process.env.SIM_SEEDS ?? 12);
/** Seeds that nobody chose, other ones in each run. */
const FRESH_SEEDS = Number(process.env.SIM_FRESH_SEEDS ?? 12);

/** Runs seeds; the first that breaks a promise is made smaller and told. */
async function keepsAll(from: number, count: number): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    const scenario = scenarioOf(seed);
    const outcome = await run(scenario);
    if (outcome.violation === null) continue;
    const smaller = await shrink(scenario, outcome);
    const { violation, lines } = smaller.outcome;
    expect.fail(storyOf(smaller.scenario, violation!, lines.slice(-25)));
  }
}

describe('sim', () => {
  it('all sites hold equal cells, and no acknowledged write is missing, once the faults are over', async () => {
    await keepsAll(1, SEEDS);
  }, 600_000);

  it('so do seeds that were never run before', async () => {
    const from = randomInt(10_000, 1_000_000_000);
    console.log(`fresh seeds, to run them again: npm run sim -- --from ${from} --seeds ${FRESH_SEEDS}`);
    await keepsAll(from, FRESH_SEEDS);
  }, 900_000);

  it.each(CASES)(
    '$name does not happen again',
    async (one) => {
      expect(await runCase(one)).toBe(null);
    },
    60_000,
  );

  it('a seed gives the same trace whenever it is run', async () => {
    for (const seed of [3, 7]) {
      const first = await run(scenarioOf(seed));
      expect((await run(scenarioOf(seed))).hash).toBe(first.hash);
      expect((await run(scenarioOf(seed + 100))).hash).not.toBe(first.hash);
    }
  }, 300_000);

  it('every mutant has a name of its own and says which promise should notice', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).toBe(MUTANTS.length);
    for (const mutant of MUTANTS) expect(mutant.caughtBy.length, mutant.name).toBeGreaterThan(0);
  });

  it('a writer that acks what is stored at home alone is found out', async () => {
    const mutant = MUTANTS.find((one) => one.name === 'ack-when-stored-here')!;
    expect(mutant.caughtBy).toContain((await trial(mutant, 20))?.rule);
  }, 60_000);
});

describe('linearizability', () => {
  const op = (kind: 'write' | 'read', value: string | null, invokedMs: number, returnedMs: number): Operation => {
    return { client: 'c', key: 'a', kind, value, invokedMs, returnedMs };
  };

  it('a read that overlaps a write may see it or not', () => {
    expect(unexplained([op('write', 'x', 0, 10), op('read', null, 5, 6)])).toBe(null);
    expect(unexplained([op('write', 'x', 0, 10), op('read', 'x', 5, 6)])).toBe(null);
  });

  it('a read after a write must see it', () => {
    expect(unexplained([op('write', 'x', 0, 4), op('read', null, 5, 6)])).toMatchObject({ kind: 'read' });
  });

  it('what one read saw a later one must not have lost', () => {
    const history = [op('write', 'x', 0, Number.POSITIVE_INFINITY), op('read', 'x', 1, 2), op('read', null, 3, 4)];
    expect(unexplained(history)).toMatchObject({ value: null });
  });

  it('a write of unknown outcome may take effect late, or never', () => {
    const unknown = op('write', 'x', 0, Number.POSITIVE_INFINITY);
    expect(unexplained([unknown, op('read', null, 1, 2), op('write', 'y', 3, 4), op('read', 'x', 5, 6)])).toBe(null);
    expect(unexplained([unknown, op('write', 'y', 3, 4), op('read', 'y', 5, 6)])).toBe(null);
    expect(unexplained([unknown, op('read', 'x', 1, 2), op('write', 'y', 3, 4), op('read', 'x', 5, 6)])).not.toBe(null);
  });
});
