/**
 * What is drawn in some runs beside what always is, each by its name, so that it can be drawn alone or not at all
 * (`npm run sim -- --draws restored,remade`).
 */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from './draw.ts';
import type { SimFault } from './faults/sim-fault.ts';
import type { Shape } from './shape.ts';

export const ALL_DRAWS = ['restored', 'remade', 'trimmed', 'clock-steps', 'twin'] as const;
export type Draw = (typeof ALL_DRAWS)[number];

/** Those that are drawn unless others are asked for. */
export const DRAWS: readonly Draw[] = ALL_DRAWS;

const RATE = 0.25;
/** A second process looks around for some seconds before it does anything. */
const TWIN_MS = 4_000;
const STEPS_MS = [-3_600_000, -60_000, 60_000, 3_600_000];

/** In some runs one more fault of those asked for, where the promise covers it: at most k sites lose something. */
export function olderOf(
  random: Random,
  shape: Shape,
  faults: readonly SimFault[],
  durationMs: number,
  draws: readonly Draw[],
): SimFault[] {
  if (draws.length === 0 || random.fraction() >= RATE) return [];
  const kind = pick(random, draws);
  const atMs = integerBetween(random, 2_000, Math.max(2_001, durationMs - 1_500));
  const when = { atMs, forMs: integerBetween(random, 100, 3_000) };
  const site = pick(random, shape.data);
  const salt = integerBetween(random, 0, 1_000_000);
  if (kind === 'clock-steps') {
    const wrongMs = pick(random, STEPS_MS);
    const primary = random.fraction() < 0.6 ? shape.data[0]! : site;
    return [
      { kind: 'clock', atMs, forMs: integerBetween(random, 3_000, 20_000), site: primary, wrongMs, strobes: false },
    ];
  }
  if (!mayLose(shape, faults, site)) return [];
  if (kind === 'twin')
    return [{ kind, ...when, forMs: when.forMs + TWIN_MS, site, folder: pick(random, ['same', 'own']) }];
  if (kind !== 'restored') return [{ kind, ...when, site, salt }];
  const of = pick(random, ['folder', 'log', 'both', 'votes'] as const);
  const backMs = integerBetween(random, 200, Math.max(200, atMs - 500));
  return [{ kind, ...when, site, of, backMs }];
}

/**
 * One vote at a time: to let one in all the other sites have to accept, so two that were lost at once keep each other out.
 * Of a `local` keyspace, or one at a lowered level, nothing is promised when its primary's disks lose something. */
function mayLose({ k, degradeTo }: Shape, faults: readonly SimFault[], site: string): boolean {
  if (k === 0 || degradeTo < k) return false;
  const losing = new Set([site]);
  for (const fault of faults) {
    const inner = fault.kind === 'when' ? fault.brings : fault;
    if (inner.kind === 'wipe') return false;
    if (inner.kind === 'lost-end') losing.add(inner.site);
  }
  return losing.size <= k;
}
