/**
 * `npm run faults -- --row 5 --size 10`: rows of the table of faults on real processes, at any size. Without a row all
 * of them, one after the other on the same stage. Progress goes to standard error; a line of JSON for each row, with
 * its figures, to standard output. Exit 1 when a promise was broken.
 *
 * `--mutant NAME` weakens a rule of production in every site's process, `A+B` two of them. `--mutants` holds each row under each of the
 * weakenings that it must notice, and prints a table of what noticed; exit 1 when one was not noticed.
 */

import { parseArgs } from 'node:util';
import { Reaper } from '@tidemark/dev/reaper';
import type { Engine } from '@tidemark/dev/sites';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { SeededRandom } from '@tidemark/platform/random';
import { ROWS, rowNumbered, SCRIPTED } from './faults/rows.ts';
import { BrokenPromise, type FaultRow } from './faults/stage/fault-row.ts';
import { FaultStage } from './faults/stage/fault-stage.ts';
import { weakeningsNamed } from './faults/stage/weakenings.ts';

const USAGE =
  'usage: npm run faults -- [--row N]… [--only NAME]… [--engine embedded|kafka] [--size N] [--runs N] [--large] [--seed N] [--mutant NAME | --mutants] [--repeat N]';
const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** One row, held once. */
type Holding = { readonly row: FaultRow; readonly size: number; readonly mutant: string | null };
/** `engine`: null is each row's own. */
type Plan = { readonly holdings: readonly Holding[]; readonly seed: number; readonly engine: Engine | null };
type Outcome = Holding & { readonly isHeld: boolean; readonly why: string; readonly seconds: number };

/** @throws {Fault} `invalid`: an unknown flag, row or mutant, or a size that is no number */
function planOf(args: readonly string[]): Plan {
  const options = {
    row: { type: 'string', multiple: true },
    only: { type: 'string', multiple: true },
    engine: { type: 'string' },
    runs: { type: 'string' },
    size: { type: 'string' },
    large: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    repeat: { type: 'string', default: '1' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    const asked = [...(values.row ?? []).map(rowOf), ...(values.only ?? []).map(rowNamed)];
    const rows = asked.length === 0 ? ROWS : asked;
    const count = values.runs ?? values.size;
    const given = count === undefined ? null : wholeOf('--size', count);
    const sizeOf = (row: FaultRow, isWeak: boolean): number =>
      given ?? (isWeak ? (row.mutantSize ?? row.small) : values.large ? row.large : row.small);
    if (values.mutant !== undefined) weakeningsNamed(values.mutant);
    const mutantsOf = (row: FaultRow): readonly (string | null)[] =>
      values.mutants ? row.mutants : [values.mutant ?? null];
    const once = rows.flatMap((row) =>
      mutantsOf(row).map((mutant) => ({ row, mutant, size: sizeOf(row, mutant !== null) })),
    );
    const holdings = Array.from({ length: wholeOf('--repeat', values.repeat) }, () => once).flat();
    return { holdings, seed: wholeOf('--seed', values.seed), engine: engineOf(values.engine) };
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

function rowNamed(text: string): FaultRow {
  const row = SCRIPTED.find(({ name }) => name === text);
  if (row !== undefined) return row;
  const expected = SCRIPTED.map(({ name }) => name).join(', ');
  throw new Fault('invalid', `--only ${text}, expected ${expected}`, { got: text, expected });
}

function engineOf(text: string | undefined): Engine | null {
  if (text === undefined || text === 'embedded' || text === 'kafka') return text ?? null;
  throw new Fault('invalid', `--engine ${text}, expected embedded or kafka`, { got: text });
}

function wholeOf(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Fault('invalid', `${flag} ${text}, expected a whole number`, { got: text });
}

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
}

/** Holds one after the other; a stage is used again as long as nothing went wrong on it. */
class Runner {
  readonly #reaper: Reaper;
  readonly #seed: number;
  readonly #engine: Engine | null;
  #stage: FaultStage | null = null;

  constructor(reaper: Reaper, { seed, engine }: Plan) {
    this.#reaper = reaper;
    this.#seed = seed;
    this.#engine = engine;
  }

  async hold(holding: Holding): Promise<Outcome> {
    const { row, size, mutant } = holding;
    const under = mutant === null ? '' : `, with ${mutant}`;
    say(`row ${row.row}, ${size} ${row.sizeIs}: ${row.fault}${under}`);
    const beganMs = performance.now();
    const secondsNow = (): number => Math.round((performance.now() - beganMs) / 1_000);
    const told = { row: row.row, fault: row.fault, promise: row.promise, size, sizeIs: row.sizeIs, seed: this.#seed };
    const line = mutant === null ? told : { ...told, mutant };
    // Weakened sites are nobody else's stage, and ones that do not even start have shown nothing.
    const engine = this.#engine ?? row.engine ?? 'kafka';
    const changed = [row.injected, mutant].filter((name) => name != null).join('+') || null;
    if (changed !== null || this.#stage?.fits(row, engine) === false) await this.stop();
    const { sites } = row;
    const options = { say, engine, mutant: changed, ...(sites === undefined ? {} : { sites }) };
    this.#stage ??= await FaultStage.open(this.#reaper, options);
    try {
      const figures = await this.#stage.run(row, size, new SeededRandom(this.#seed));
      process.stdout.write(`${JSON.stringify({ ...line, held: true, ...figures, seconds: secondsNow() })}\n`);
      return { ...holding, isHeld: true, why: '', seconds: secondsNow() };
    } catch (error) {
      const why = `${error instanceof BrokenPromise ? 'BROKEN' : 'NOT HELD'}: ${messageOf(error)}`;
      say(`row ${row.row}: ${why}`);
      process.stdout.write(`${JSON.stringify({ ...line, held: false, why })}\n`);
      if (mutant === null) process.stderr.write(`${await this.#stage.lastKnown()}\n`);
      // What it left behind would be the next row's.
      await this.stop();
      return { ...holding, isHeld: false, why, seconds: secondsNow() };
    } finally {
      if (changed !== null) await this.stop();
    }
  }

  async stop(): Promise<void> {
    await this.#stage?.stop().catch(() => undefined);
    this.#stage = null;
  }
}

async function runPlan(plan: Plan): Promise<number> {
  const { holdings } = plan;
  await using reaper = Reaper.start();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(EXIT.failed));
  const runner = new Runner(reaper, plan);
  const outcomes: Outcome[] = [];
  for (const holding of holdings) {
    const obstacle = (await holding.row.obstacle?.()) ?? null;
    if (obstacle === null) outcomes.push(await runner.hold(holding));
    else say(`row ${holding.row.row} is NOT SHOWN: ${obstacle}`);
  }
  await runner.stop();
  for (const { row, mutant, isHeld, why, seconds } of outcomes) {
    const name = mutant ?? 'as it is';
    say(`row ${String(row.row).padStart(2)}  ${name.padEnd(28)} ${isHeld ? 'HELD' : why.slice(0, 160)} (${seconds} s)`);
  }
  // A weakening is there to be noticed.
  return outcomes.every(({ isHeld, mutant }) => isHeld === (mutant === null)) ? EXIT.done : EXIT.failed;
}

try {
  // Not left to end by itself: node was seen to wait for ever for a connection to close.
  process.exit(await runPlan(planOf(process.argv.slice(2))));
} catch (error) {
  say(messageOf(error));
  if (!isFault(error, 'invalid')) throw error;
  process.exitCode = EXIT.usage;
}
