/**
 * `npm run bench daily`: the reads that an application lives on. Twenty rows of one key in this process, beside LMDB's
 * cursor; over HTTP of three sites; and of Cassandra. docs/performance.md has what it printed.
 */

import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Reaper } from '@tidemark/dev/reaper';
import { letHeapGrow } from '@tidemark/platform/process/heap-growth';
import { print } from '../measure.ts';
import { shortRow } from '../store/contest.ts';
import { Flights } from '../store/flights.ts';
import { askCassandra, filledCassandra } from './cassandra.ts';
import { startCassandra } from './cassandra-server.ts';
import { measureRanges } from './ranges.ts';
import { askSites, filledSites } from './sites.ts';

const PARTS = ['ranges', 'sites', 'cassandra'] as const;
const AT_ONCE = [1, 16] as const;
type Part = (typeof PARTS)[number];

export const DAILY_USAGE = `npm run bench daily -- [--rows 2000000] [--runs 5] [--count 5000] [--only ${PARTS.join(',')}]`;

type DailyOptions = {
  readonly rows: number;
  readonly runs: number;
  /** Ranges of a run. */
  readonly count: number;
  readonly only: readonly Part[];
};

/** Prints each figure as it is known. @returns all of them, for the closing line */
export async function daily(words: readonly string[], reaper: Reaper): Promise<object> {
  const { rows, runs, count, only } = parseDailyWords(words);
  letHeapGrow();
  const startMs = performance.now();
  const folder = await reaper.scratchFolder('daily');
  print(`${rows.toLocaleString('en')} flights on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`);
  const closing: Record<string, object> = {};
  if (only.includes('ranges')) {
    const measured = await measureRanges({ folder: join(folder, 'ranges'), rows, count, runs });
    closing.ranges = measured.map(shortRow);
  }
  const data = await Flights.load(only.length === 1 && only[0] === 'ranges' ? 1 : rows);
  if (only.includes('sites')) {
    const sites = await filledSites(data, join(folder, 'sites'), reaper);
    print('\nthree sites, embedded, over HTTP at the primary');
    closing.sites = await askSites({ data, url: sites[0]!.url, runs, count, atOnce: AT_ONCE });
    await Promise.all(sites.map((site) => site.stop()));
  }
  if (only.includes('cassandra')) {
    const server = await startCassandra(join(folder, 'cassandra'), reaper);
    const client = await filledCassandra(data, server);
    print('\nApache Cassandra, one node, each write synced, with its own driver');
    closing.cassandra = await askCassandra(client, { data, runs, count, atOnce: AT_ONCE });
    await client.shutdown();
    await server.stop();
  }
  return { bench: 'daily', rows, ...closing, durationMs: Math.round(performance.now() - startMs) };
}

function parseDailyWords(words: readonly string[]): DailyOptions {
  const values = new Map([
    ['rows', '2000000'],
    ['runs', '5'],
    ['count', '5000'],
    ['only', PARTS.join(',')],
  ]);
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i]!.replace(/^--/, '');
    if (!values.has(name) || words[i + 1] === undefined) throw new Error(`got ${words[i]}, expected ${DAILY_USAGE}`);
    values.set(name, words[i + 1]!);
  }
  const countOf = (name: string): number => {
    const text = values.get(name)!;
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new Error(`got --${name} ${text}, expected a whole number from 1 on`);
  };
  const only = values
    .get('only')!
    .split(',')
    .map((text) => {
      const part = PARTS.find((one) => one === text);
      if (part === undefined) throw new Error(`got --only ${text}, expected ${DAILY_USAGE}`);
      return part;
    });
  return { rows: countOf('rows'), runs: countOf('runs'), count: countOf('count'), only };
}
