/**
 * `npm run cluster`: docker-compose.yml up, loaded, one site cut off and healed, the primary
 * site's containers killed and started again, verified, and down again. Progress
 * goes to standard error; the figures are one line of JSON on standard output.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { composeDown, composeLogs, composeUp } from './docker.ts';
import { isSound, ROWS_MAX, ROWS_MIN, tryCluster } from './trial.ts';

const USAGE = 'usage: npm run cluster -- [--rows 100000] [--cut-s 30]';
const CUT_S_MAX = 600;
const EXIT = { done: 0, failed: 1, usage: 2, unavailable: 4, different: 5 } as const;

type Sizes = { readonly rows: number; readonly cutS: number };

/** @throws {Fault} `invalid`: an unknown flag, or a size out of its range, naming both. */
function sizesOf(args: readonly string[]): Sizes {
  const options = { rows: { type: 'string', default: '100000' }, 'cut-s': { type: 'string', default: '30' } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    return {
      rows: wholeOf('--rows', values.rows, ROWS_MIN, ROWS_MAX),
      cutS: wholeOf('--cut-s', values['cut-s'], 1, CUT_S_MAX),
    };
  } catch (error) {
    throw new Fault('invalid', `${messageOf(error)}; ${USAGE}`, { cause: error });
  }
}

function wholeOf(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Fault('invalid', `${flag} ${text}, expected a whole number from ${min} to ${max}`, { got: text });
}

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
}

async function runLane(sizes: Sizes, signal: AbortSignal): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-cluster-'));
  try {
    await composeDown();
    const beganMs = performance.now();
    await composeUp(signal);
    const upMs = Math.round(performance.now() - beganMs);
    say(`three sites are healthy (${upMs} ms with the build)`);
    const report = await tryCluster({ ...sizes, folder, say, signal });
    const sound = isSound(report);
    if (!sound) await composeLogs();
    process.stdout.write(`${JSON.stringify({ sound, upMs, ...report, durationMs: Math.round(performance.now()) })}\n`);
    return sound ? EXIT.done : EXIT.different;
  } catch (error) {
    if (!signal.aborted) await composeLogs().catch(() => {});
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await composeDown();
  }
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());
try {
  process.exitCode = await runLane(sizesOf(process.argv.slice(2)), interrupted.signal);
} catch (error) {
  say(messageOf(error));
  if (!isFault(error)) throw error;
  process.exitCode =
    error.kind === 'invalid' ? EXIT.usage : error.kind === 'unavailable' ? EXIT.unavailable : EXIT.failed;
}
