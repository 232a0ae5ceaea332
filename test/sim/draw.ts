/** What is drawn from, wherever something is drawn: the sites of a run, and one of many. */

import { integerBetween, type Random } from '@tidemark/platform/random';

export const SITES = ['paris', 'tokyo', 'quito'] as const;

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[integerBetween(random, 0, from.length - 1)]!;
}
