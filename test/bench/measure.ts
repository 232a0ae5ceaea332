/** How a figure is taken: ours and a peer's in turn, several times, and the middle one of each. */

/** The middle of some runs, with the least and the most of them. */
export type Figure = { readonly median: number; readonly min: number; readonly max: number; readonly runs: number };

export function figureOf(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: percentile(sorted, 0.5), min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0, runs: sorted.length };
}

/** Value below which a share of an ascending list lies; 0 of an empty one. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))]!;
}

/** Ours, a peer's, and how many times the peer's ours is. */
export type Duel = { readonly ours: Figure; readonly peer: Figure; readonly ratio: number };

/**
 * Runs both `runs` times in turn, so that whatever else the machine does meets both. Each returns a rate; a first round
 * warms up and does not count.
 */
export async function duel(runs: number, ours: () => Promise<number>, peer: () => Promise<number>): Promise<Duel> {
  const rates: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let run = -1; run < runs; run++) {
    const rate = { peer: await peer(), ours: await ours() };
    if (run < 0) continue;
    rates.ours.push(rate.ours);
    rates.peer.push(rate.peer);
  }
  const figures = { ours: figureOf(rates.ours), peer: figureOf(rates.peer) };
  return { ...figures, ratio: figures.ours.median / figures.peer.median };
}

/** Units per second while `work` runs. */
export async function rateOf(units: number, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (units / (performance.now() - startMs)) * 1_000;
}

const CPU_MS_MIN = 400;

/**
 * Units per second of this process's own time on a core, so that what else the machine does does not count. `work` is
 * repeated until it has taken long enough to be measured, and to be compiled.
 */
export function coreRateOf(units: number, work: () => void): number {
  const start = process.cpuUsage();
  for (let passes = 1; ; passes++) {
    work();
    const { user, system } = process.cpuUsage(start);
    const spentMs = (user + system) / 1_000;
    if (spentMs >= CPU_MS_MIN) return ((units * passes) / spentMs) * 1_000;
  }
}

const whole = (n: number): string => Math.round(n).toLocaleString('en');

export function printDuel(what: string, unit: string, { ours, peer, ratio }: Duel, peerName: string): void {
  print(`  ${what}`);
  print(`    ours         ${spread(ours)} ${unit}`);
  print(`    ${peerName.padEnd(12)} ${spread(peer)} ${unit}`);
  print(`    ratio        ${ratio.toFixed(1)}x`);
}

export function spread({ median, min, max, runs }: Figure): string {
  return `${whole(median).padStart(12)}  (${whole(min)} … ${whole(max)} in ${runs} runs)`;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A rounded copy, for the closing line. */
export function short({ median, min, max }: Figure): { median: number; min: number; max: number } {
  return { median: Math.round(median), min: Math.round(min), max: Math.round(max) };
}

export function shortDuel({ ours, peer, ratio }: Duel): object {
  return { ours: short(ours), peer: short(peer), ratio: Math.round(ratio * 10) / 10 };
}
