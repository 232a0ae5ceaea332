/** The keyspace of a run: which sites hold it, which only vote, and what an ack of it is worth. */

import { integerBetween, type Random } from '@tidemark/world/random';

export type Shape = {
  /** The first is the primary to begin with. */
  readonly data: readonly string[];
  readonly witnesses: readonly string[];
  /** How many other sites hold what is acked. */
  readonly k: number;
  readonly partitions: number;
};

const THREE = ['paris', 'tokyo', 'quito'] as const;

/** Three data sites mostly; `k` is how many others should hold what is acked, where there are as many. */
export function shapeOf(random: Random, k: number): Shape {
  const partitions = 2;
  const dice = random.fraction();
  if (dice < 0.6) return { data: THREE, witnesses: [], k, partitions };
  if (dice < 0.85) return { data: THREE.slice(0, 2), witnesses: THREE.slice(2), k: 1, partitions };
  if (dice < 0.93) return { data: [...THREE, 'cairo'], witnesses: [], k: integerBetween(random, 1, 3), partitions };
  return { data: THREE, witnesses: ['cairo', 'lagos'], k, partitions };
}

export function sitesOf({ data, witnesses }: Shape): string[] {
  return [...data, ...witnesses];
}

/** As whoever makes the keyspace writes it. */
export function fileOf(keyspace: string, { data, witnesses, k, partitions }: Shape) {
  const roles = [...data.map((site) => [site, 'data']), ...witnesses.map((site) => [site, 'witness'])];
  return {
    keyspace,
    mode: 'single',
    primary: data[0],
    ack: `sync(${k})`,
    sites: Object.fromEntries(roles),
    partitions,
    tables: { t: { columns: { k: 'string', n: 'int', v: 'string' }, partitionKey: 'k', sortKey: ['n'] } },
  };
}

/** In words, for a story. */
export function wordsOfShape({ data, witnesses, k, partitions }: Shape): string {
  const seconds = witnesses.length === 0 ? '' : `, witness ${witnesses.join(' and ')}`;
  return `data at ${data.join(', ')}${seconds}; sync(${k}), ${partitions} partitions`;
}
