/**
 * `npm run bench beyond`: gets and ranges of a table that is several times the cache, in process, its files in the system's
 * page cache. docs/performance.md has what it printed.
 */

import { join } from 'node:path';
import { prefixEnd } from '@tidemark/columnar/key';
import type { Reaper } from '@tidemark/dev/reaper';
import { keyColumns } from '@tidemark/model/table';
import { letHeapGrow } from '@tidemark/platform/process/heap-growth';
import { BlockCache } from '@tidemark/store/segment/block-cache';
import { percentile, print } from './measure.ts';
import type { Dataset } from './store/dataset.ts';
import { Flights } from './store/flights.ts';
import { bodiesOf, OurTable } from './store/our-table.ts';
import { Ycsb } from './store/ycsb.ts';

export const BEYOND_USAGE =
  'npm run bench beyond -- [--table flights|ycsb] [--rows 3m] [--cache 25] [--gets 20000]   (cache in MiB)';

const RANGE_ROWS = 20;

type Options = { readonly table: string; readonly rows: number; readonly cacheMiB: number; readonly gets: number };

/** Loads the table, opens it with that cache, and times gets and ranges one at a time. */
export async function beyond(words: readonly string[], reaper: Reaper): Promise<object> {
  const options = parse(words);
  letHeapGrow();
  const data: Dataset = options.table === 'ycsb' ? new Ycsb(options.rows) : await Flights.load(options.rows);
  const folder = join(await reaper.scratchFolder('beyond'), 'table');
  const loaded = await spent(() => load(folder, data));
  const bytes = loaded.result;
  const figure: Record<string, number> = {
    loadCpuMs: loaded.cpuMs,
    bytesARow: bytes / data.rowCount,
    mebibytes: bytes / 2 ** 20,
  };
  const cache = new BlockCache(options.cacheMiB * 2 ** 20);
  const table = await OurTable.open(folder, { compaction: false, cache }, data.table);
  const columns = data.table.columns;
  const get = (n: number) => table.partition.values(data.keyOf(anyOf(n) % data.rowCount), columns);
  await take(figure, 'firstGet', options.gets, get);
  await take(figure, 'get', options.gets, (n) => get(n + options.gets));
  if (options.table === 'flights') {
    const first = keyColumns(data.table)[0]!;
    const range = (n: number) => {
      const key = data.keyOf(anyOf(n) % data.rowCount);
      const to = prefixEnd(key.subarray(0, key.indexOf(Uint8Array.of(0, 1)) + 2));
      const bounds = { from: key, to, direction: 'ascending' } as const;
      return table.partition.range({
        bounds,
        columns,
        limit: RANGE_ROWS,
        bytesMax: Number.POSITIVE_INFINITY,
        passes: null,
      });
    };
    print(`ranges by ${first.name}`);
    await take(figure, 'range', Math.ceil(options.gets / 4), range);
  }
  const none = await OurTable.open(folder, { compaction: false, cache: new BlockCache(0) }, data.table);
  for (const [name, query] of Object.entries(scansOf(data))) {
    await none.answer(query);
    const runs: number[] = [];
    for (let run = 0; run < 3; run++) runs.push((await spent(() => none.answer(query))).cpuMs);
    figure[`${name}CpuMs`] = runs.sort((a, b) => a - b)[1]!;
  }
  await none.close();
  await table.close();
  for (const [name, value] of Object.entries(figure)) print(`${name.padEnd(18)} ${value.toFixed(2)}`);
  return { bench: 'beyond', ...options, ...figure };
}

async function load(folder: string, data: Dataset): Promise<number> {
  const table = await OurTable.open(folder, { compaction: false, cache: new BlockCache(0) }, data.table);
  await table.apply(bodiesOf(data, data.rowCount, (row) => ({ row, update: null })));
  await table.partition.flush();
  await table.partition.compact();
  const { segmentBytes } = table.partition;
  await table.close();
  return segmentBytes;
}

/** Scans that read everything from files: what blocks cost that no cache has. */
function scansOf({ roles }: Dataset): Record<string, Parameters<OurTable['answer']>[0]> {
  const { updated, above, summed, grouped } = roles;
  return {
    coldSum: { select: [{ sum: summed }], where: [[updated, '>', above]] },
    coldGroups: { select: [grouped, { avg: updated, as: 'mean' }], groupBy: [grouped], orderBy: [[grouped, 'asc']] },
  };
}

/** A number of 32 bits, as if by chance: neighbours are not near one another. */
function anyOf(n: number): number {
  let h = Math.imul(n + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Some calls, one after the other: µs each, and processor time of all threads. */
async function take(
  figure: Record<string, number>,
  name: string,
  count: number,
  call: (n: number) => unknown,
): Promise<void> {
  const took = new Float64Array(count);
  const all = await spent(async () => {
    for (let n = 0; n < count; n++) {
      const start = performance.now();
      const answer = call(n);
      if (answer instanceof Promise) await answer;
      took[n] = (performance.now() - start) * 1_000;
    }
  });
  took.sort();
  figure[`${name}P50`] = percentile(took, 0.5);
  figure[`${name}P99`] = percentile(took, 0.99);
  figure[`${name}CpuUs`] = (all.cpuMs * 1_000) / count;
}

async function spent<T>(work: () => Promise<T>): Promise<{ readonly cpuMs: number; readonly result: T }> {
  const start = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(start);
  return { cpuMs: (user + system) / 1_000, result };
}

function parse(words: readonly string[]): Options {
  const values = new Map([
    ['--table', 'flights'],
    ['--rows', '3m'],
    ['--cache', '25'],
    ['--gets', '20000'],
  ]);
  for (let i = 0; i < words.length; i += 2) {
    const value = words[i + 1];
    if (!values.has(words[i]!) || value === undefined) throw new Error(`got ${words[i]}, expected ${BEYOND_USAGE}`);
    values.set(words[i]!, value);
  }
  const number = (name: string): number => {
    const text = values.get(name)!;
    const found = Number(text.replace(/[km]$/, '')) * (text.endsWith('m') ? 1_000_000 : text.endsWith('k') ? 1_000 : 1);
    if (!(found > 0)) throw new Error(`got ${name} ${text}, expected ${BEYOND_USAGE}`);
    return found;
  };
  const table = values.get('--table')!;
  if (table !== 'flights' && table !== 'ycsb') throw new Error(`got --table ${table}, expected ${BEYOND_USAGE}`);
  return { table, rows: number('--rows'), cacheMiB: number('--cache'), gets: number('--gets') };
}
