/** Ours and its peers in turn on the same work, their answers compared: a fast wrong one fails. */

import { type Figure, figureOf, print } from '../measure.ts';

/** What one run took, in whatever unit the measure has, and what came out. */
export type Run = { readonly value: number; readonly answer: string };
export type Contestant = {
  readonly name: string;
  readonly run: () => Promise<Run>;
};

/** A ratio to reach, as the issue of the store names it. */
export type Goal = { readonly atLeast: number; readonly aim: number };

export type Row = {
  readonly id: string;
  readonly measure: string;
  readonly unit: string;
  readonly ours: Figure;
  readonly peers: readonly {
    readonly name: string;
    readonly figure: Figure;
    /** How many times better ours is; above 1 is better, whether more or less is. */
    readonly ratio: number;
    readonly goal: Goal | null;
  }[];
};

export type Measure = {
  readonly id: string;
  readonly measure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly runs: number;
  readonly ours: Contestant;
  readonly peers: readonly (Contestant & { readonly goal?: Goal })[];
};

/** Rounds before those that count. */
const WARM_UPS = 4;

/**
 * The first rounds warm up and do not count: ours is compiled in the course of them. The order turns round from run to run.
 * @throws {Error} when an answer differs from ours: names both.
 */
export async function contest({ ours, peers, ...measure }: Measure): Promise<Row> {
  const all = [ours, ...peers];
  const values = all.map((): number[] => []);
  for (let run = -WARM_UPS; run < measure.runs; run++) {
    const answers: string[] = [];
    const order = run % 2 === 0 ? all.keys() : [...all.keys()].reverse();
    for (const i of order) {
      const { value, answer } = await all[i]!.run();
      answers[i] = answer;
      if (run >= 0) values[i]!.push(value);
    }
    for (const [i, answer] of answers.entries()) {
      if (answer === answers[0]) continue;
      throw new Error(`${measure.id} ${measure.measure}: ${all[i]!.name} says ${answer}, ours ${answers[0]}`);
    }
  }
  const figures = values.map(figureOf);
  const row: Row = {
    id: measure.id,
    measure: measure.measure,
    unit: measure.unit,
    ours: figures[0]!,
    peers: peers.map(({ name, goal }, i) => {
      const [own, other] = [figures[0]!.median, figures[i + 1]!.median];
      const ratio = measure.better === 'more' ? own / other : other / own;
      return { name, figure: figures[i + 1]!, ratio, goal: goal ?? null };
    }),
  };
  printRow(row);
  return row;
}

export function printRow({ id, measure, unit, ours, peers }: Row): void {
  print(`${id.padEnd(4)} ${measure} (${unit})`);
  print(`       ${'ours'.padEnd(34)} ${inWords(ours)}`);
  for (const { name, figure, ratio, goal } of peers) {
    const wanted = goal === null ? '' : `  at least ${digits(goal.atLeast)}x: ${ratio >= goal.atLeast ? 'yes' : 'NO'}`;
    const aimed = goal === null ? '' : `, aim ${digits(goal.aim)}x: ${ratio >= goal.aim ? 'yes' : 'no'}`;
    print(`       ${name.padEnd(34)} ${inWords(figure)}  ours is ${ratio.toFixed(2)}x${wanted}${aimed}`);
  }
}

function inWords({ median, min, max, runs }: Figure): string {
  const spread = runs === 1 ? '' : `  (${digits(min)} … ${digits(max)} in ${runs} runs)`;
  return digits(median).padStart(12) + spread;
}

/** A figure with as many digits as mean something. */
export function digits(n: number): string {
  if (Number.isInteger(n)) return n.toLocaleString('en');
  const places = n >= 1000 ? 0 : n >= 10 ? 1 : n >= 0.1 ? 2 : 4;
  return n.toLocaleString('en', { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** Rounded, for the closing line. */
export function shortRow({ id, measure, unit, ours, peers }: Row): object {
  const short = ({ median, min, max }: Figure): number[] => [median, min, max].map(rounded);
  const others = peers.map(({ name, figure, ratio }) => ({ name, figure: short(figure), oursIs: rounded(ratio) }));
  return { id, measure, unit, ours: short(ours), peers: others };
}

function rounded(n: number): number {
  return Number(n.toPrecision(4));
}

/** The table as Markdown, for docs/performance.md. */
export function markdownTable(rows: readonly Row[]): string {
  const lines = ['| | measure | ours | peer | | ours is | at least | aim |', '|---|---|---|---|---|---|---|---|'];
  for (const { id, measure, unit, ours, peers } of rows) {
    for (const { name, figure, ratio, goal } of peers) {
      const figures = `${spreadOf(ours)} ${unit} | ${name} | ${spreadOf(figure)}`;
      lines.push(
        `| ${id} | ${measure} | ${figures} | ${ratio.toFixed(2)}x | ${wanted(goal?.atLeast)} | ${wanted(goal?.aim)} |`,
      );
    }
  }
  return lines.join('\n');
}

function spreadOf({ median, min, max, runs }: Figure): string {
  return runs === 1 ? digits(median) : `${digits(median)} (${digits(min)}–${digits(max)})`;
}

function wanted(ratio: number | undefined): string {
  return ratio === undefined ? '–' : `${digits(ratio)}x`;
}
