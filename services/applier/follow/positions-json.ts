/** What `GET /v1/internal/positions/{keyspace}` answers, as another site reads it. */

import { parsed } from '@tidemark/model/parsed';
import { comparePositions, formatPosition, type Position, parsePosition } from '@tidemark/model/position';
import { z } from 'zod';
import type { Positions } from './apply-pause.ts';

const ANSWER = z.object({ positions: z.record(z.string(), z.array(z.string())) });

/** @throws {Fault} `corrupt` or `invalid`: not such an answer. */
export function parsePositions(body: unknown): Positions {
  const { positions } = parsed(ANSWER, body, 'positions of a site', 'corrupt');
  return Object.fromEntries(Object.entries(positions).map(([origin, all]) => [origin, all.map(parsePosition)]));
}

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
