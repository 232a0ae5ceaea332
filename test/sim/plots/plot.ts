/** A plot: faults that belong together, a story that a rule was made for, with its times and places drawn. */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from '../draw.ts';
import type { SimFault } from '../faults/sim-fault.ts';
import type { Shape } from '../shape.ts';

/** From a moment on. */
export type Plot = (random: Random, atMs: number, shape: Shape) => SimFault[];

export type Cast = {
  /** Writes at first. */
  readonly primary: string;
  /** Another data site. */
  readonly one: string;
  /** A third one; where there are two, any other site. */
  readonly other: string;
};

export function castOf(random: Random, { data, witnesses }: Shape): Cast {
  const [primary, ...rest] = data as [string, ...string[]];
  const one = pick(random, rest);
  const thirds = rest.filter((site) => site !== one);
  return { primary, one, other: pick(random, thirds.length > 0 ? thirds : [...witnesses, primary]) };
}

export function nomination(random: Random, atMs: number, site: string): SimFault {
  return { kind: 'nominate', atMs, forMs: 1, site, cause: random.fraction() < 0.7 ? 'failover' : 'switchover' };
}

/** One or two, in the next three seconds. */
export function nominations(random: Random, atMs: number, sites: readonly string[]): SimFault[] {
  return Array.from({ length: integerBetween(random, 1, 2) }, () =>
    nomination(random, atMs + integerBetween(random, 200, 3_000), pick(random, sites)),
  );
}
