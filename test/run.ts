/**
 * `npm test`: the lane that computes, and beside it the lanes that mostly wait for brokers, processes and packages. Each is
 * a run of vitest, as one run has one number of workers at a time. What the second says comes when the first is done, and the
 * last line counts both. With arguments it is one run, of what they name.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const COLOURED = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
const CLOSING = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm;

type Count = readonly [passed: number, failed: number, skipped: number];
type Ended = { readonly code: number; readonly count: Count };

/** The numbers of the last closing line; one failed where there is none. */
export function countIn(output: string): Count {
  const [, passed, failed, skipped = '0'] = [...output.matchAll(CLOSING)].at(-1) ?? [];
  return passed === undefined ? [0, 1, 0] : [Number(passed), Number(failed), Number(skipped)];
}

/** The closing line of several runs. */
export function closingLineOf(counts: readonly Count[]): string {
  const [passed, failed, skipped] = [0, 1, 2].map((i) => counts.reduce((sum, count) => sum + count[i]!, 0));
  return `${passed} passed, ${failed} failed${skipped! > 0 ? `, ${skipped} skipped` : ''}`;
}

const children: ChildProcess[] = [];

function start(args: readonly string[], stdio: 'inherit' | 'pipe'): ChildProcess {
  const env = { ...process.env, ...(stdio === 'pipe' ? COLOURED : {}) };
  const child = spawn(process.execPath, [VITEST, 'run', ...args], { stdio: ['inherit', stdio, stdio], env });
  children.push(child);
  return child;
}

/** Runs vitest; `hear` gets what it says as it comes. */
function run(args: readonly string[], hear: (text: string) => void): Promise<Ended> {
  const child = start(args, 'pipe');
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      hear(text);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, count: countIn(output) }));
  });
}

async function runLanes(): Promise<number> {
  const say = (text: string): unknown => process.stdout.write(text);
  let isFirstDone = false;
  let held = '';
  const waiting = run(['--project', 'services', '--project', 'install', '--passWithNoTests'], (text) => {
    if (isFirstDone) say(text);
    else held += text;
  });
  const computing = await run(['--project', 'unit'], say);
  isFirstDone = true;
  say(held);
  const both = [computing, await waiting];
  say(`\n${closingLineOf(both.map(({ count }) => count))}\n`);
  return Math.max(...both.map(({ code }) => code));
}

async function runNamed(args: readonly string[]): Promise<number> {
  const [code] = await once(start(args, 'inherit'), 'close');
  return code ?? 1;
}

if (import.meta.main) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      for (const child of children) child.kill(signal);
    });
  const args = process.argv.slice(2);
  process.exitCode = args.length === 0 ? await runLanes() : await runNamed(args);
}
