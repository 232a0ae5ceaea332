/**
 * `npm run sim -- --seed 42` runs one seed and tells how it went; `--trace` prints all that happened.
 * `npm run sim -- --seeds 2000 [--from 1] [--twice]` runs many. A failing one is made smaller and told, and the exit code
 * is 1. With `--twice` each must leave the same trace again.
 * `npm run sim -- --case NAME` runs one of the kept cases, `--case all` every one.
 * `npm run sim -- --mutants [--only NAME] [--seeds 500]` weakens one rule at a time and looks which seed notices.
 */

import { parseArgs } from 'node:util';
import { CASES, runCase } from './cases/all.ts';
import { runMutants } from './mutate.ts';
import { type Outcome, run } from './run.ts';
import { scenarioOf } from './scenario.ts';
import { shrink } from './shrink.ts';
import { storyOf } from './story.ts';

const STORY_LINES = 25;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string' },
    case: { type: 'string' },
  },
});

if (values.mutants) process.exitCode = await runMutants(Number(values.seeds ?? 500), values.only ?? null);
else if (values.case !== undefined) process.exitCode = await runCases(values.case);
else if (values.seed !== undefined) process.exitCode = await runOne(Number(values.seed), values.trace);
else process.exitCode = await runMany(Number(values.from), Number(values.seeds ?? 100), values.twice);

async function runOne(seed: number, isTraced: boolean): Promise<number> {
  const outcome = await run(scenarioOf(seed), isTraced);
  if (isTraced) console.log(outcome.lines.join('\n'));
  const { acked, reads, simMs, hash } = outcome;
  console.log(
    `seed ${seed}: ${acked} writes acked, ${reads} reads, ${Math.round(simMs / 1000)} s simulated, trace ${hash}`,
  );
  return outcome.violation === null ? 0 : tell(seed, outcome);
}

async function runMany(from: number, count: number, isTwice: boolean): Promise<number> {
  const beganMs = performance.now();
  let simMs = 0;
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await run(scenarioOf(seed));
    simMs += outcome.simMs;
    if (outcome.violation !== null) return tell(seed, outcome);
    const again = isTwice ? (await run(scenarioOf(seed))).hash : outcome.hash;
    if (again !== outcome.hash) {
      console.log(`seed ${seed}: trace ${outcome.hash} the first time, ${again} the second`);
      return 1;
    }
    if ((seed - from + 1) % 100 === 0) console.log(speed(seed - from + 1, simMs, performance.now() - beganMs));
  }
  console.log(`${count} seeds from ${from} on, all promises kept; ${speed(count, simMs, performance.now() - beganMs)}`);
  return 0;
}

function speed(seeds: number, simMs: number, ms: number): string {
  const perSecond = ((1_000 * seeds) / ms).toFixed(1);
  return `${seeds} seeds, ${perSecond} seeds a second, ${(simMs / 60 / ms).toFixed(1)} simulated hours a real minute`;
}

async function tell(seed: number, failed: Outcome): Promise<number> {
  console.log(`seed ${seed}: ${failed.violation!.rule}: ${failed.violation!.words}\nmaking it smaller …`);
  const { scenario, outcome } = await shrink(scenarioOf(seed), failed);
  console.log(storyOf(scenario, outcome.violation!, outcome.lines.slice(-STORY_LINES)));
  return 1;
}

async function runCases(name: string): Promise<number> {
  const wanted = CASES.filter((one) => (name === 'all' ? one.isHeld !== true : one.name === name));
  if (wanted.length === 0) console.log(`no case "${name}"; there are: ${CASES.map((one) => one.name).join(', ')}`);
  let wrong = 0;
  for (const one of wanted) {
    const words = await runCase(one);
    console.log(`${one.name}: ${words ?? 'all promises kept'}`);
    if (words !== null) wrong++;
  }
  return wanted.length > 0 && wrong === 0 ? 0 : 1;
}
