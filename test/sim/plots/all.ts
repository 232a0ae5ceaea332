/** Every plot, as often as it is worth drawing. */

import { disputes, overtaken, rivals } from './deciding.ts';
import { gap, laggard, outOfTurn, unreached } from './lagging.ts';
import { afterFlush, dullLinks, foreigners, lostAnswers, lostPrimary, unheard, wrongClock } from './losing.ts';
import type { Plot } from './plot.ts';

export const PLOTS: readonly Plot[] = [
  ...[lostPrimary, lostPrimary, rivals, wrongClock, dullLinks, lostAnswers, foreigners, unheard, afterFlush],
  ...[laggard, laggard, unreached, unreached, gap, gap, outOfTurn, overtaken, overtaken, disputes, disputes],
];
