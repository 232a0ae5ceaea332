/** What processes cost, as Linux counts it: memory held, and time on a core. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Clock ticks in a second, on every Linux that Node runs on. */
const TICKS = 100;
const SAMPLE_MS = 200;

/** A process by the name it has in the report. */
export type Named = { readonly name: string; readonly pid: number };

/** Resident memory in MB; 0 when there is no such process, or no Linux. */
export function memoryMb({ pid }: Named): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

function cpuSeconds({ pid }: Named): number {
  // The name in parentheses may hold anything; what follows is counted from state, field 3.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)!.split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Share of one core, in percent, that each process takes while nothing is asked of it. */
export async function idlePercent(processes: readonly Named[], ms: number): Promise<Map<string, number>> {
  const before = processes.map(cpuSeconds);
  const startMs = performance.now();
  await sleep(ms);
  const seconds = (performance.now() - startMs) / 1_000;
  return new Map(processes.map((one, i) => [one.name, ((cpuSeconds(one) - before[i]!) / seconds) * 100]));
}

/** Most memory each process held while `work` ran, in MB. */
export async function peakMemory(
  processes: readonly Named[],
  work: () => Promise<unknown>,
): Promise<Map<string, number>> {
  const peaks = new Map(processes.map((one) => [one.name, memoryMb(one)]));
  const done = new AbortController();
  const sampling = (async () => {
    while (!done.signal.aborted) {
      for (const one of processes) peaks.set(one.name, Math.max(peaks.get(one.name)!, memoryMb(one)));
      await sleep(SAMPLE_MS);
    }
  })();
  try {
    await work();
  } finally {
    done.abort();
    await sampling;
  }
  return peaks;
}
