/**
 * `npm run bench resident`: what three embedded sites take of memory and of a core, with keyspaces at rest and under a load,
 * beside the memory they were told to take. docs/performance.md has what it printed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM } from '@tidemark/cli/program';
import type { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, startSites } from '@tidemark/dev/sites';
import { columnarBodies, type Flight, keyspaceFile } from './flight-rows.ts';
import { print } from './measure.ts';
import { idlePercent, memoryMb, type Named, peakMemory } from './process-cost.ts';
import { define, postAll } from './site-load.ts';

/** What may be said after `resident`. */
export const RESIDENT_USAGE =
  'npm run bench resident -- [--memory 512MB] [--keyspaces 1] [--rows 1000000] [--seconds 20]';

const BATCH_ROWS = 8_000;
const LANES = 4;
const AIRPORTS = 300;
/** Until what was written so far has been flushed, and what begins has begun. */
const REST_MS = 12_000;
const READS = 2_000;
const RETRY_MS = 200;

type Options = { memory: string | null; keyspaces: number; rows: number; seconds: number };

function parse(words: readonly string[]): Options {
  const options: Options = { memory: null, keyspaces: 1, rows: 1_000_000, seconds: 20 };
  for (let i = 0; i < words.length; i += 2) {
    const [word, value = ''] = words.slice(i, i + 2);
    const count = Number(value);
    if (word === '--memory') options.memory = value;
    else if (word === '--keyspaces' && count >= 0) options.keyspaces = count;
    else if (word === '--rows' && count >= 0) options.rows = count;
    else if (word === '--seconds' && count > 0) options.seconds = count;
    else throw new Error(`got ${word} ${value}, expected ${RESIDENT_USAGE}`);
  }
  return options;
}

/** Rows that follow from their numbers. */
function flightsFrom(from: number, count: number): Flight[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const airport = (k: number): string => `A${(Math.imul(n, k) >>> 0) % AIRPORTS}`;
    const date = 978_307_200_000_000 + n * 60_000_000;
    return {
      origin: airport(2_654_435_761),
      destination: airport(40_503),
      date,
      line: n % 9_000,
      delay: n % 200,
      distance: n % 3_000,
    };
  });
}

async function defineAll(sites: readonly DevSite[], count: number): Promise<void> {
  const names = sites.map(({ name }) => name);
  for (let i = 0; i < count; i++) {
    const file = { ...keyspaceFile({ ack: 'sync(1)', sites: names, partitions: 8 }), keyspace: `rest${i}` };
    const put = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(file) };
    while (!(await fetch(`${sites[0]!.url}/v1/keyspaces/rest${i}`, put)).ok) await sleep(RETRY_MS);
  }
}

/** Ranges of an airport and a scan over everything, at every site. */
async function readAll(sites: readonly DevSite[]): Promise<void> {
  const scan = { groupBy: ['origin'], select: ['origin', { count: '*' }, { max: 'delay' }] };
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(scan) };
  await Promise.all(
    sites.map(async ({ url }) => {
      const answer = await fetch(`${url}/v1/travel/flights/scan`, post);
      const text = await answer.text();
      if (!answer.ok) print(`scan at ${url}: ${answer.status} ${text.slice(0, 200)}`);
      for (let i = 0; i < READS; i++)
        await (await fetch(`${url}/v1/travel/flights/rows/A${i % AIRPORTS}?limit=20`)).arrayBuffer();
    }),
  );
}

const rounded = (values: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...values].map(([name, value]) => [name, Math.round(value * 10) / 10]));

/** Measures, prints, and returns what it found: MB of 1,048,576 bytes, percent of one core. */
export async function resident(words: readonly string[], reaper: Reaper): Promise<object> {
  const { memory, keyspaces, rows, seconds } = parse(words);
  const folder = await reaper.scratchFolder('resident');
  const env: Record<string, string> = memory === null ? {} : { TIDEMARK_MEMORY: memory };
  const sites = await startSites({
    program: PROGRAM,
    engine: 'embedded',
    count: 3,
    folder,
    reaper,
    firstPort: null,
    env,
  });
  const processes: Named[] = sites.map(({ name, pid }) => ({ name, pid }));
  await defineAll(sites, keyspaces);
  await sleep(REST_MS);
  const restMb = rounded(new Map(processes.map((one) => [one.name, memoryMb(one)])));
  const restPercent = rounded(await idlePercent(processes, seconds * 1_000));
  print(`${keyspaces} keyspaces at rest: ${JSON.stringify(restPercent)} % of a core, ${JSON.stringify(restMb)} MB`);
  let peakMb = {};
  if (rows > 0) {
    const [primary, names] = [sites[0]!.url, sites.map(({ name }) => name)];
    await define(
      primary,
      keyspaceFile({ ack: 'sync(1)', sites: names, partitions: 8 }),
      columnarBodies(flightsFrom(0, 1), 1)[0]!,
    );
    const peaks = await peakMemory(processes, async () => {
      for (let from = 0; from < rows; from += BATCH_ROWS * LANES) {
        const bodies = columnarBodies(flightsFrom(from, Math.min(BATCH_ROWS * LANES, rows - from)), BATCH_ROWS);
        const reached = await postAll(primary, bodies, LANES);
        if (from + BATCH_ROWS * LANES >= rows) await reached.everywhere(sites.map(({ url }) => url));
      }
      await readAll(sites);
    });
    peakMb = rounded(peaks);
    print(
      `${rows} rows written and read, told to take ${memory ?? 'what each part may'}: at most ${JSON.stringify(peakMb)} MB`,
    );
  }
  await Promise.all(sites.map((site) => site.stop()));
  return { bench: 'resident', memory, keyspaces, rows, restPercent, restMb, peakMb };
}
