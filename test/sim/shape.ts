/** The keyspace of a run: which sites hold it, which only vote, and what an ack of it is worth. */

import { integerBetween, type Random } from '@tidemark/platform/random';

export type Shape = {
  /** The first is the primary to begin with. */
  readonly data: readonly string[];
  readonly witnesses: readonly string[];
  /** How many other sites hold what is acked; 0: `local`, the primary's log alone. */
  readonly k: number;
  /** What an election may lower that to. */
  readonly degradeTo: number;
  readonly partitions: number;
  /** Clients delete rows, and sites forget that so soon after all have it; null: neither. */
  readonly forgetsAfterMs: number | null;
  /** What takes minutes in production takes seconds, so that it comes due in a run. */
  readonly isBrief: boolean;
};

const THREE = ['paris', 'tokyo', 'quito'] as const;

/** Three data sites mostly; `k` is how many others should hold what is acked, where there are as many. */
export function shapeOf(random: Random, k: number): Shape {
  const shape = fixedOf(random, k);
  if (shape.k === 0) return shape;
  const mayLower = random.fraction() < (shape.data.length === 2 ? 0.5 : 0.1);
  return mayLower ? { ...shape, degradeTo: integerBetween(random, 0, shape.k - 1) } : shape;
}

function fixedOf(random: Random, k: number): Shape {
  const rest = { k, degradeTo: k, partitions: 2, forgetsAfterMs: null, isBrief: false };
  const dice = random.fraction();
  const local = { ...rest, k: 0, degradeTo: 0 };
  if (dice < 0.55) return { data: THREE, witnesses: [], ...rest };
  if (dice < 0.65) return { data: THREE, witnesses: [], ...local };
  if (dice < 0.7) return { data: THREE.slice(0, 2), witnesses: THREE.slice(2), ...local };
  if (dice < 0.87) return { data: THREE.slice(0, 2), witnesses: THREE.slice(2), ...rest, k: 1, degradeTo: 1 };
  const four = integerBetween(random, 1, 3);
  if (dice < 0.94) return { data: [...THREE, 'cairo'], witnesses: [], ...rest, k: four, degradeTo: four };
  return { data: THREE, witnesses: ['cairo', 'lagos'], ...rest };
}

export function sitesOf({ data, witnesses }: Shape): string[] {
  return [...data, ...witnesses];
}

/** As whoever makes the keyspace writes it. */
export function fileOf(keyspace: string, { data, witnesses, k, degradeTo, partitions }: Shape) {
  const roles = [...data.map((site) => [site, 'data']), ...witnesses.map((site) => [site, 'witness'])];
  return {
    keyspace,
    mode: 'single',
    primary: data[0],
    ack: ackOf(k),
    ...(k === 0 ? {} : { degradeTo }),
    sites: Object.fromEntries(roles),
    partitions,
    tables: { t: { columns: { k: 'string', n: 'int', v: 'string' }, partitionKey: 'k', sortKey: ['n'] } },
  };
}

function ackOf(k: number): string {
  return k === 0 ? 'local' : `sync(${k})`;
}

/** In words, for a story. */
export function wordsOfShape({ data, witnesses, k, degradeTo, partitions, forgetsAfterMs, isBrief }: Shape): string {
  const forgets = forgetsAfterMs === null ? '' : `, deletes are forgotten after ${forgetsAfterMs} ms`;
  const seconds = witnesses.length === 0 ? '' : `, witness ${witnesses.join(' and ')}`;
  return `data at ${data.join(', ')}${seconds}; ${ackOf(k)}${degradeTo < k ? ` or, for want of sites, of ${degradeTo}` : ''}, ${partitions} partitions${forgets}${isBrief ? ', short times' : ''}`;
}
