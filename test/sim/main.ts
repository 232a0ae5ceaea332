/**
 * `npm run sim -- --seed 42` runs one seed and tells how it went; `--trace` prints all that happened.
 * `npm run sim -- --seeds 2000 [--from 1 | --from any] [--twice] [--jobs 2]` runs many, on so many processes. A failing one
 * is made smaller and told, and the exit code is 1. With `--twice` each must leave the same trace again.
 * `--draws restored,remade` has only these drawn beside what always is (`test/sim/draws.ts`).
 * `npm run sim -- --case NAME` runs one of the kept cases, `--case all` every one.
 * `npm run sim -- --mutants [--only NAME] [--seeds 500] [--jobs 2]` weakens one rule at a time and looks which seed notices.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { CASES, runCase } from './cases/all.ts';
import { ALL_DRAWS, DRAWS } from './draws.ts';
import { runMutants } from './mutate.ts';
import { type Outcome, run } from './run.ts';
import { type Scenario, scenarioOf } from './scenario.ts';
import { shrink } from './shrink.ts';
import { storyOf } from './story.ts';

const STORY_LINES = 25;
/** A process ends after so many seeds: what a run leaves in memory, as its sites are not ended, goes with it. */
const SEEDS_A_PROCESS = 100;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1' },
    draws: { type: 'string', default: DRAWS.join() },
    only: { type: 'string' },
    case: { type: 'string' },
  },
});

if (values.mutants)
  process.exitCode = await runMutants(Number(values.seeds ?? 500), values.only ?? null, Number(values.jobs));
else if (values.case !== undefined) process.exitCode = await runCases(values.case);
else if (values.seed !== undefined) process.exitCode = await runOne(Number(values.seed), values.trace);
else {
  const [from, count, jobs] = [startOf(values.from), Number(values.seeds ?? 100), Number(values.jobs)];
  const isMany = jobs > 1 || count > SEEDS_A_PROCESS;
  process.exitCode = await (isMany ? runJobs(jobs, from, count) : runMany(from, count));
}

function drawn(seed: number): Scenario {
  return scenarioOf(
    seed,
    ALL_DRAWS.filter((draw) => values.draws.split(',').includes(draw)),
  );
}

/** `any`: one that nobody chose. */
function startOf(from: string): number {
  return from === 'any' ? randomInt(1, 1_000_000_000) : Number(from);
}

/** So many processes at once, each with the next few seeds; the first that fails ends all. */
async function runJobs(jobs: number, from: number, count: number): Promise<number> {
  console.log(`${count} seeds from ${from} on, on ${jobs} ${jobs === 1 ? 'process' : 'processes'} at a time`);
  const running = new Set<ChildProcess>();
  let next = from;
  let failed = 0;
  const slot = async (): Promise<void> => {
    while (next < from + count && failed === 0) {
      const few = Math.min(SEEDS_A_PROCESS, from + count - next);
      const rest = ['--from', `${next}`, '--seeds', `${few}`, '--draws', values.draws];
      next += few;
      const args = [process.argv[1]!, ...rest, ...(values.twice ? ['--twice'] : [])];
      const child = spawn(process.execPath, args, { stdio: 'inherit' });
      running.add(child);
      const [code] = (await once(child, 'exit')) as [number | null];
      running.delete(child);
      if (code === 0 || failed !== 0) continue;
      failed = code ?? 1;
      for (const other of running) other.kill();
    }
  };
  await Promise.all(Array.from({ length: jobs }, slot));
  if (failed === 0) console.log(`${count} seeds from ${from} on, all promises kept`);
  return failed;
}

async function runOne(seed: number, isTraced: boolean): Promise<number> {
  const outcome = await run(drawn(seed), isTraced);
  if (isTraced) console.log(outcome.lines.join('\n'));
  const { acked, reads, simMs, hash } = outcome;
  console.log(
    `seed ${seed}: ${acked} writes acked, ${reads} reads, ${Math.round(simMs / 1000)} s simulated, trace ${hash}`,
  );
  return outcome.violation === null ? 0 : tell(seed, outcome);
}

async function runMany(from: number, count: number): Promise<number> {
  const beganMs = performance.now();
  let simMs = 0;
  let ran = 0;
  console.log(`from seed ${from} on`);
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await run(drawn(seed));
    simMs += outcome.simMs;
    if (outcome.violation !== null) return tell(seed, outcome);
    const again = values.twice ? (await run(drawn(seed))).hash : outcome.hash;
    if (again !== outcome.hash) {
      console.log(`seed ${seed}: trace ${outcome.hash} the first time, ${again} the second`);
      return 1;
    }
    if (++ran % 100 === 0) console.log(speed(ran, simMs, performance.now() - beganMs));
  }
  console.log(`${ran} seeds from ${from} on, all promises kept; ${speed(ran, simMs, performance.now() - beganMs)}`);
  return 0;
}

function speed(seeds: number, simMs: number, ms: number): string {
  const perSecond = ((1_000 * seeds) / ms).toFixed(1);
  return `${seeds} seeds, ${perSecond} seeds a second, ${(simMs / 60 / ms).toFixed(1)} simulated hours a real minute`;
}

async function tell(seed: number, failed: Outcome): Promise<number> {
  console.log(`seed ${seed}: ${failed.violation!.rule}: ${failed.violation!.words}\nmaking it smaller …`);
  const { scenario, outcome } = await shrink(drawn(seed), failed);
  console.log(storyOf(scenario, outcome.violation!, outcome.lines.slice(-STORY_LINES)));
  return 1;
}

async function runCases(name: string): Promise<number> {
  const wanted = CASES.filter((one) => name === 'all' || one.name === name);
  if (wanted.length === 0) console.log(`no case "${name}"; there are: ${CASES.map((one) => one.name).join(', ')}`);
  let wrong = 0;
  for (const one of wanted) {
    const words = await runCase(one);
    console.log(`${one.name}: ${words ?? 'all promises kept'}`);
    if (words !== null) wrong++;
  }
  return wanted.length > 0 && wrong === 0 ? 0 : 1;
}
