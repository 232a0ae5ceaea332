/** What a site has applied, beside what another one had. */

import { comparePositions, formatPosition, type Position } from '@tidemark/model/position';
import type { Positions } from './apply-pause.ts';

/** The first partition that is not there yet, in words; null when all are. */
export function missingFrom(
  wanted: Positions,
  applied: (origin: string, partition: number) => Position,
): string | null {
  for (const [origin, all] of Object.entries(wanted)) {
    for (const [partition, at] of all.entries()) {
      const here = applied(origin, partition);
      if (comparePositions(here, at) >= 0) continue;
      return `partition ${partition} of ${origin} is at ${formatPosition(here)}, wanted ${formatPosition(at)}`;
    }
  }
  return null;
}
