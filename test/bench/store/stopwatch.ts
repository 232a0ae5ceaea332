/**
 * How long work took. Everything is bound to one core, so on a machine that does nothing else both clocks say the same;
 * on one that does, only the processor time of this process, all its threads together, says what the work costs.
 */

export const CLOCKS = ['cpu', 'wall'] as const;
export type ClockName = (typeof CLOCKS)[number];

/** Children of this process find it here. */
const CHOSEN = 'TIDEMARK_BENCH_CLOCK';

export function chooseClock(name: ClockName): void {
  process.env[CHOSEN] = name;
}

/** Starts; the result tells the ms since then. */
export function startWatch(): () => number {
  if (process.env[CHOSEN] === 'wall') {
    const startMs = performance.now();
    return () => performance.now() - startMs;
  }
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  };
}

/** How long work took, in ms. */
export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const elapsedMs = startWatch();
  const result = await work();
  return { ms: elapsedMs(), result };
}
