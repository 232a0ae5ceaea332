/** How a figure is taken: ours and its peers' in turn, several times, and the middle one of each. */

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

/** What takes part, the first of them ours: each returns a rate. */
export type Contestants = Readonly<Record<string, () => Promise<number>>>;
export type Figures = ReadonlyMap<string, Figure>;

/**
 * Runs all of them `runs` times in turn, so that whatever else the machine does meets each. A first round warms up and
 * does not count.
 */
export async function contest(runs: number, contestants: Contestants): Promise<Figures> {
  const rates = new Map(Object.keys(contestants).map((name) => [name, [] as number[]]));
  for (let run = -1; run < runs; run++) {
    for (const [name, work] of Object.entries(contestants)) {
      const rate = await work();
      if (run >= 0) rates.get(name)!.push(rate);
    }
  }
  return new Map([...rates].map(([name, values]) => [name, figureOf(values)]));
}

/** Units per second while `work` runs. */
export async function rateOf(units: number, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (units / (performance.now() - startMs)) * 1_000;
}

const CPU_MS_MIN = 250;

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

/** One line each; how many times the others' rate the first one's is. */
export function printFigures(what: string, unit: string, figures: Figures): void {
  print(`  ${what}`);
  const [[, ours] = []] = figures;
  for (const [name, figure] of figures) {
    const ratio = figure === ours ? '' : `  ours is ${(ours!.median / figure.median).toFixed(1)}x`;
    print(`    ${name.padEnd(32)} ${spread(figure)} ${unit}${ratio}`);
  }
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

/** For the closing line: medians by name, with least and most, and ours as a multiple of each other. */
export function shortFigures(figures: Figures): Record<string, object> {
  const [[, ours] = []] = figures;
  const entries = [...figures].map(([name, figure]) => {
    const ratio = Math.round((ours!.median / figure.median) * 10) / 10;
    return [name, figure === ours ? short(figure) : { ...short(figure), oursIs: ratio }] as const;
  });
  return Object.fromEntries(entries);
}
