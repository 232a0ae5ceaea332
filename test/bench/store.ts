/**
 * `npm run bench store`: the column store beside DuckDB, ClickHouse and LMDB on the same data in the same process, all
 * on one core, their answers compared. docs/performance.md has what it printed.
 */

import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { Reaper } from '@tidemark/dev/reaper';
import { letHeapGrow } from '@tidemark/platform/process/heap-growth';
import { print } from './measure.ts';
import { Click } from './store/click.ts';
import { markdownTable, type Row, shortRow } from './store/contest.ts';
import type { Dataset } from './store/dataset.ts';
import { Duck } from './store/duck.ts';
import { Flights } from './store/flights.ts';
import { measureGets } from './store/gets.ts';
import { measureLines } from './store/lines.ts';
import { loadPeers } from './store/peers.ts';
import { measureSettled, measureUpdated, openSettled } from './store/scans.ts';
import { measureDiskBytes, measureMemoryBytes } from './store/sizes.ts';
import { CLOCKS, type ClockName, chooseClock } from './store/stopwatch.ts';
import { measureUpserts, type Sides } from './store/upserts.ts';
import { Ycsb } from './store/ycsb.ts';

/** Those beside peers, of either table, and those of the flights alone. */
const BESIDE = ['p3', 'p5', 'p7', 'p8', 'p13'] as const;
const MEASURES = [...BESIDE, 'p14', 'p16'] as const;
type Measure = (typeof MEASURES)[number];

const TABLES: Readonly<Record<string, (rowCount: number) => Promise<Dataset>>> = {
  flights: (rowCount) => Flights.load(rowCount),
  ycsb: async (rowCount) => new Ycsb(rowCount),
};

export const STORE_USAGE = `npm run bench store -- [--table flights|ycsb] [--rows 1m] [--upserts 1m] [--runs 5]
  [--gets 5k] [--keys 1m] [--sizes 300k,1m,3m] [--only ${MEASURES.join(',')}]
  [--core 1] [--clock cpu|wall] [--markdown]   (p5 is P5 and P6; p14 and p16 are of the flights)`;

export type StoreOptions = {
  readonly table: string;
  readonly rows: number;
  readonly upserts: number;
  readonly runs: number;
  readonly gets: number;
  readonly keys: number;
  readonly sizes: readonly number[];
  readonly only: readonly Measure[];
  readonly core: number;
  readonly clock: ClockName;
  readonly markdown: boolean;
};

/** Set in the process that is bound to its core. */
const BOUND = 'TIDEMARK_BENCH_CORE';

/** Starts the same command again bound to one core; null where that cannot be done, or was done. */
export function rerunOnOneCore({ core }: StoreOptions): number | null {
  if (process.env[BOUND] !== undefined) return null;
  if (spawnSync('taskset', ['-c', String(core), 'true']).status !== 0) return null;
  const { status } = spawnSync('taskset', ['-c', String(core), process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [BOUND]: String(core) },
  });
  return status ?? 1;
}

/** Prints each row of the table as it is known. @returns all of it, for the closing line */
export async function store(options: StoreOptions, reaper: Reaper): Promise<object> {
  const startMs = performance.now();
  letHeapGrow();
  const peers = loadPeers();
  chooseClock(options.clock);
  const bound = process.env[BOUND];
  const where = bound === undefined ? 'on all of' : `on core ${bound} of`;
  print(
    `${options.rows.toLocaleString('en')} rows of ${options.table} ${where} ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  );
  print(
    `times are ${options.clock === 'cpu' ? 'processor time of all threads' : 'wall time'}; those of gets are wall time`,
  );
  const folder = await reaper.scratchFolder('store');
  const { only, rows: rowCount } = options;
  const rows: Row[] = [];
  if (BESIDE.some((measure) => only.includes(measure))) {
    const data = await TABLES[options.table]!(Math.max(rowCount, options.upserts));
    const duck = await Duck.open(peers, folder);
    await duck.prepare(data, options);
    const click = Click.open(peers, folder, data);
    click.prepare();
    print(`prepared in ${Math.round((performance.now() - startMs) / 1_000)} s\n`);
    rows.push(...(await measureBeside({ folder, data, duck, click, runs: options.runs }, options, peers)));
    click.close();
    duck.close();
  }
  if (only.includes('p14')) rows.push(measureMemoryBytes(options.keys));
  const lines = only.includes('p16') ? measureLines({ sizes: options.sizes, lineRows: options.rows }) : [];
  if (options.markdown) print(`\n${markdownTable(rows)}`);
  return {
    bench: 'store',
    table: options.table,
    rows: rowCount,
    figures: rows.map(shortRow),
    lines,
    durationMs: Math.round(performance.now() - startMs),
  };
}

async function measureBeside(
  sides: Sides,
  { table, only, rows: rowCount, upserts, gets }: StoreOptions,
  peers: ReturnType<typeof loadPeers>,
): Promise<Row[]> {
  const rows: Row[] = [];
  if (only.includes('p3')) rows.push(await measureUpserts(sides, upserts));
  const scanned = { ...sides, data: await TABLES[table]!(rowCount) };
  if (only.some((measure) => ['p5', 'p8', 'p13'].includes(measure))) {
    const settled = await openSettled(scanned);
    if (only.includes('p5')) rows.push(...(await measureSettled(scanned, settled)));
    if (only.includes('p8')) rows.push(...(await measureGets(scanned, peers, settled, gets)));
    if (only.includes('p13')) rows.push(measureDiskBytes(scanned, settled));
    await settled.close();
  }
  if (only.includes('p7')) rows.push(...(await measureUpdated(scanned)));
  return rows;
}

/** @throws {Error} a word that is no flag, or a value that is none of it. */
export function parseStoreWords(words: readonly string[]): StoreOptions {
  const values = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const name = words[i]!.replace(/^--/, '');
    if (name === 'markdown') values.set(name, 'yes');
    else if (DEFAULTS.has(name) && words[i + 1] !== undefined) values.set(name, words[++i]!);
    else throw new Error(`got ${words[i]}, expected ${STORE_USAGE}`);
  }
  const text = (name: string): string => values.get(name) ?? DEFAULTS.get(name)!;
  const table = text('table');
  if (TABLES[table] === undefined) throw new Error(`got --table ${table}, expected ${STORE_USAGE}`);
  const allowed: readonly string[] = table === 'flights' ? MEASURES : BESIDE;
  const only = values.get('only')?.split(',') ?? [...allowed];
  const clock = CLOCKS.find((name) => name === text('clock'));
  if (clock === undefined) throw new Error(`got --clock ${text('clock')}, expected ${STORE_USAGE}`);
  const unknown = only.find((name) => !allowed.includes(name));
  if (unknown !== undefined) throw new Error(`got --only ${unknown} of ${table}, expected ${STORE_USAGE}`);
  return {
    table,
    rows: countOf(text('rows')),
    upserts: countOf(text('upserts')),
    runs: countOf(text('runs')),
    gets: countOf(text('gets')),
    keys: countOf(text('keys')),
    sizes: text('sizes').split(',').map(countOf),
    only: only as Measure[],
    core: Number(text('core')),
    clock,
    markdown: values.has('markdown'),
  };
}

const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['table', 'flights'],
  ['rows', '1m'],
  ['upserts', '1m'],
  ['runs', '5'],
  ['gets', '5k'],
  ['keys', '1m'],
  ['sizes', '300k,1m,3m'],
  ['only', ''],
  ['core', String(cpus().length - 1)],
  ['clock', 'cpu'],
]);

/** `3m` is 3,000,000, `20k` 20,000. */
function countOf(text: string): number {
  const match = /^(\d+)([km]?)$/i.exec(text);
  if (match === null || Number(match[1]) === 0) throw new Error(`got ${text}, expected a count like 300k or 3m`);
  return Number(match[1]) * { '': 1, k: 1_000, m: 1_000_000 }[match[2]!.toLowerCase() as '' | 'k' | 'm'];
}
