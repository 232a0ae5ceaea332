/**
 * `npm run bench ycsb`: YCSB's workloads A to F on three sites of ours, and on Cassandra as three data centres, both running
 * all the time and asked in turn. A write is synced by two of the three before it is acked; a read asks one.
 */

import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Reaper } from '@tidemark/dev/reaper';
import { type Asked, askedBy, figuresOf } from '../daily/asking.ts';
import { shortAsked } from '../daily/sites.ts';
import { print } from '../measure.ts';
import { startOurs } from './ours.ts';
import type { Side, TableName } from './sides.ts';
import { startTheirs } from './theirs.ts';
import { operations, textOf, WORKLOADS } from './workloads.ts';

const SIDES = { tidemark: startOurs, cassandra: startTheirs } as const;
const CHECKED_ROWS = 100;
const CHECKED_SCAN = 7;

export const YCSB_USAGE =
  'npm run bench ycsb -- [--rows 1000000] [--runs 5] [--count 20000] [--lanes 1,16,64] [--only A,B,C,D,E,F] [--sides tidemark,cassandra]';

/** Prints each figure as it is known. @returns all of them, for the closing line */
export async function ycsb(words: readonly string[], reaper: Reaper): Promise<object> {
  const { rows, runs, count, lanes, only, names } = parse(words);
  const folder = await reaper.scratchFolder('ycsb');
  print(`${rows.toLocaleString('en')} rows of a kilobyte on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`);
  const sides: Side[] = [];
  for (const name of names) sides.push(await SIDES[name](join(folder, name), reaper));
  const there: Record<TableName, number> = { usertable: 0, buckets: 0 };
  const figures: Record<string, object> = {};
  for (const workload of only) {
    const table = workload === 'E' ? 'buckets' : 'usertable';
    if (there[table] === 0) {
      for (const side of sides) await filled(side, table, rows);
      there[table] = rows;
    }
    for (const atOnce of lanes) {
      const asked = new Map(sides.map((side) => [side, [] as Asked[]]));
      for (let run = -1; run < runs; run++) {
        const wanted = operations(workload, there[table], count, 1_000 * atOnce + run + 1);
        for (const side of sides) {
          const open = await side.askers(table, wanted, atOnce);
          const one = await askedBy(open.askers, count);
          open.close();
          if (run >= 0) asked.get(side)!.push(one);
        }
        there[table] += wanted.filter(({ kind }) => kind === 'insert').length;
      }
      for (const [side, its] of asked) {
        const name = `${workload}, ${atOnce} at a time, ${side.name}`;
        figures[name] = shortAsked(name, figuresOf(its));
      }
    }
  }
  await Promise.all(sides.map((side) => side.stop()));
  return { bench: 'ycsb', rows, count, ...figures };
}

/** Loads a table, and looks whether it answers what was written. */
async function filled(side: Side, table: TableName, rows: number): Promise<void> {
  const startMs = performance.now();
  await side.load(table, 0, rows);
  print(`${side.name}: ${rows} rows in ${table} after ${Math.round((performance.now() - startMs) / 1_000)} s`);
  const step = Math.max(1, Math.floor(rows / CHECKED_ROWS));
  for (let row = 0; row < rows; row += step) {
    const length =
      table === 'buckets' && (row % 1_000) + CHECKED_SCAN < 1_000 && row + CHECKED_SCAN < rows ? CHECKED_SCAN : 1;
    const got = await side.read(table, row, length);
    const expected = Array.from({ length }, (_, i) => textOf(row + i, 0));
    if (JSON.stringify(got) !== JSON.stringify(expected))
      throw new Error(`${side.name}: row ${row} of ${table} reads ${got}, expected ${expected}`);
  }
}

/** @throws {Error} what is no flag or no value of one, with the usage */
function parse(words: readonly string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...words],
    options: {
      ...{ rows: text('1000000'), runs: text('5'), count: text('20000'), lanes: text('1,16,64') },
      ...{ only: text(Object.keys(WORKLOADS).join()), sides: text(Object.keys(SIDES).join()) },
    },
  });
  const whole = (name: string, value: string): number => {
    if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
    throw new Error(`got --${name} ${value}, expected a whole number from 1 on; ${YCSB_USAGE}`);
  };
  const some = <T extends string>(name: string, value: string, all: readonly T[]): readonly T[] =>
    value.split(',').map((one) => {
      const found = all.find((known) => known === one);
      if (found === undefined) throw new Error(`got --${name} ${one}, expected some of ${all.join()}; ${YCSB_USAGE}`);
      return found;
    });
  return {
    rows: whole('rows', values.rows),
    runs: whole('runs', values.runs),
    count: whole('count', values.count),
    lanes: values.lanes.split(',').map((one) => whole('lanes', one)),
    only: some('only', values.only, Object.keys(WORKLOADS)),
    names: some('sides', values.sides, Object.keys(SIDES) as (keyof typeof SIDES)[]),
  };
}
