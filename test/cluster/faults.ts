/**
 * `npm run faults -- --row 5 --size 10`: rows of the table of faults on real processes, at any size. Without a row all
 * of them, one after the other on the same stage. Progress goes to standard error; a line of JSON for each row, with
 * its figures, to standard output. Exit 1 when a promise was broken.
 */

import { parseArgs } from 'node:util';
import { Reaper } from '@tidemark/dev/reaper';
import { Fault, isFault, messageOf } from '@tidemark/world/fault';
import { SeededRandom } from '@tidemark/world/random';
import { BrokenPromise, type FaultRow } from './faults/fault-row.ts';
import { FaultStage } from './faults/fault-stage.ts';
import { ROWS, rowNumbered } from './faults/rows.ts';

const USAGE = 'usage: npm run faults -- [--row N]… [--size N] [--large] [--seed N]';
const EXIT = { done: 0, failed: 1, usage: 2 } as const;

type Plan = { readonly rows: readonly FaultRow[]; readonly sizeOf: (row: FaultRow) => number; readonly seed: number };

/** @throws {Fault} `invalid`: an unknown flag or row, or a size that is no number */
function planOf(args: readonly string[]): Plan {
  const options = {
    row: { type: 'string', multiple: true },
    size: { type: 'string' },
    large: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    const rows = values.row === undefined ? ROWS : values.row.map(rowOf);
    const size = values.size === undefined ? null : wholeOf('--size', values.size);
    const sizeOf = (row: FaultRow): number => size ?? (values.large ? row.large : row.small);
    return { rows, sizeOf, seed: wholeOf('--seed', values.seed) };
  } catch (error) {
    throw new Fault('invalid', `${messageOf(error)}; ${USAGE}`, { cause: error });
  }
}

function rowOf(text: string): FaultRow {
  const row = rowNumbered(wholeOf('--row', text));
  if (row !== undefined) return row;
  const expected = ROWS.map((one) => one.row).join(', ');
  throw new Fault('invalid', `--row ${text}, shown on real processes are ${expected}`, { got: text, expected });
}

function wholeOf(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Fault('invalid', `${flag} ${text}, expected a whole number`, { got: text });
}

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
}

async function runPlan({ rows, sizeOf, seed }: Plan): Promise<number> {
  await using reaper = Reaper.start();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(EXIT.failed));
  let stage: FaultStage | null = null;
  let broken = 0;
  for (const row of rows) {
    const obstacle = (await row.obstacle?.()) ?? null;
    if (obstacle !== null) {
      say(`row ${row.row} is NOT SHOWN: ${obstacle}`);
      continue;
    }
    const size = sizeOf(row);
    say(`row ${row.row}, ${size} ${row.sizeIs}: ${row.fault}`);
    const beganMs = performance.now();
    const told = { row: row.row, fault: row.fault, promise: row.promise, size, sizeIs: row.sizeIs, seed };
    try {
      stage ??= await FaultStage.open(reaper, say);
      const figures = await stage.run(row, size, new SeededRandom(seed));
      const seconds = Math.round((performance.now() - beganMs) / 1_000);
      process.stdout.write(`${JSON.stringify({ ...told, held: true, ...figures, seconds })}\n`);
    } catch (error) {
      broken++;
      say(`row ${row.row}: ${error instanceof BrokenPromise ? 'BROKEN' : 'NOT HELD'}: ${messageOf(error)}`);
      process.stdout.write(`${JSON.stringify({ ...told, held: false, why: messageOf(error) })}\n`);
      process.stderr.write(`${(await stage?.lastWords()) ?? ''}\n`);
      // What it left behind would be the next row's.
      await stage?.stop().catch(() => undefined);
      stage = null;
    }
  }
  await stage?.stop();
  return broken === 0 ? EXIT.done : EXIT.failed;
}

try {
  process.exitCode = await runPlan(planOf(process.argv.slice(2)));
} catch (error) {
  say(messageOf(error));
  if (!isFault(error, 'invalid')) throw error;
  process.exitCode = EXIT.usage;
}
