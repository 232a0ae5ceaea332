/** Three sites as processes: rows posted at one until all three have applied them, lag at half that, and what it costs. */

import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM } from '@tidemark/cli/program';
import type { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, type Engine, startSites } from '@tidemark/dev/sites';
import { columnarBodies, type Flight, keyspaceFile } from './flight-rows.ts';
import { type Figure, figureOf, rateOf } from './measure.ts';
import { idlePercent, memoryMb, type Named, peakMemory } from './process-cost.ts';
import { define, postAll, postPaced } from './site-load.ts';

const BATCH_ROWS = 8_000;
const PACED_BATCH_ROWS = 1_000;
const LANES = 4;
const SETTLE_MS = 3_000;

export type SitesOptions = {
  readonly engine: Engine;
  readonly rows: readonly Flight[];
  readonly folder: string;
  readonly reaper: Reaper;
  readonly runs: number;
  /** The rows are posted so many times in a run. */
  readonly passes: number;
  /** Until what was written so far has been flushed. */
  readonly restMs: number;
  readonly idleMs: number;
  readonly pacedMs: number;
};

export type LagMs = { readonly p50: number; readonly p99: number };

export type SitesFigures = {
  readonly rowsPerSecond: Figure;
  /** At how many rows a second the lag was taken. */
  readonly pacedRowsPerSecond: number;
  readonly lag: Readonly<Record<string, LagMs>>;
  readonly idlePercent: Readonly<Record<string, number>>;
  readonly memoryMb: Readonly<Record<string, { readonly rest: number; readonly load: number }>>;
};

/** @param beside what is measured on the same brokers, once the sites' own processes have ended */
export async function measureSites(
  options: SitesOptions,
  beside?: (sites: readonly DevSite[], rowsPerSecond: number) => Promise<void>,
): Promise<SitesFigures> {
  const { engine, folder, reaper, rows, runs, passes } = options;
  const sites = await startSites({ program: PROGRAM, engine, count: 3, folder, reaper, firstPort: null });
  const urls = sites.map((site) => site.url);
  const primary = urls[0]!;
  const bodies = columnarBodies(rows, BATCH_ROWS);
  const names = sites.map((site) => site.name);
  await define(primary, keyspaceFile({ ack: 'local', sites: names, partitions: 8 }), bodies[0]!);
  await sleep(options.restMs);
  const processes = processesOf(sites);
  const rest = new Map(processes.map((one) => [one.name, memoryMb(one)]));
  const idle = await idlePercent(processes, options.idleMs);
  const rates: number[] = [];
  const work = Array.from({ length: passes }, () => bodies).flat();
  const load = await peakMemory(processes, async () => {
    for (let run = -1; run < runs; run++) {
      const rate = await rateOf(rows.length * passes, async () => {
        const reached = await postAll(primary, work, LANES);
        await reached.everywhere(urls);
      });
      if (run >= 0) rates.push(rate);
    }
  });
  const rowsPerSecond = figureOf(rates);
  const paced = await measureLag(sites, rows, rowsPerSecond.median / 2, options.pacedMs);
  await Promise.all(sites.map((site) => site.stop()));
  await beside?.(sites, paced.rowsPerSecond);
  await Promise.all(sites.flatMap((site) => [site.kafka?.stop(), site.redis?.stop()]));
  return {
    rowsPerSecond,
    pacedRowsPerSecond: Math.round(paced.rowsPerSecond),
    lag: paced.lag,
    idlePercent: rounded(idle, 100),
    memoryMb: Object.fromEntries(
      [...rest].map(([name, mb]) => [name, { rest: Math.round(mb), load: Math.round(load.get(name)!) }]),
    ),
  };
}

function rounded(values: ReadonlyMap<string, number>, parts: number): Record<string, number> {
  return Object.fromEntries([...values].map(([name, value]) => [name, Math.round(value * parts) / parts]));
}

function processesOf(sites: readonly DevSite[]): Named[] {
  return sites.flatMap((site) => [
    { name: `site ${site.name}`, pid: site.pid },
    ...(site.kafka === null ? [] : [{ name: `kafka ${site.name}`, pid: site.kafka.pid }]),
    ...(site.redis === null ? [] : [{ name: `redis ${site.name}`, pid: site.redis.pid }]),
  ]);
}

/** Lag (stamp → applied) at the replicas under a steady load. They are started anew, as they count for a process's life. */
async function measureLag(
  sites: readonly DevSite[],
  rows: readonly Flight[],
  rowsPerSecond: number,
  ms: number,
): Promise<{ rowsPerSecond: number; lag: Record<string, LagMs> }> {
  const replicas = sites.slice(1);
  for (const site of replicas) {
    await site.stop();
    await site.start();
  }
  await sleep(SETTLE_MS);
  const bodies = columnarBodies(rows, PACED_BATCH_ROWS);
  const pace = { batchRows: PACED_BATCH_ROWS, rowsPerSecond, ms };
  const posted = await postPaced(sites[0]!.url, bodies, pace);
  await sleep(SETTLE_MS);
  const lag: Record<string, LagMs> = {};
  for (const { name, url } of replicas) {
    const response = await fetch(`${url}/v1/internal/positions/travel`);
    const { lagMs } = (await response.json()) as { lagMs: { run: LagMs } };
    lag[name] = { p50: lagMs.run.p50, p99: lagMs.run.p99 };
  }
  return { rowsPerSecond: posted, lag };
}
