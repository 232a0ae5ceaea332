/** `GET /v1/internal/opinion/{keyspace}`: the answer, as another site reads it. */

import type { Opinion } from '@tidemark/control/failover/suspicion';
import { z } from 'zod';

const ms = z.number().nullable();
const OPINION = z.object({
  site: z.string(),
  epoch: z.number(),
  suspects: z.boolean(),
  sinceMs: z.number(),
  signs: z.object({ dataMs: ms, probeMs: ms, beatMs: ms }),
  abstains: z.string().nullable(),
});

/** Null: none, or of another site than the one that was asked. */
export function opinionIn(body: unknown, site: string): Opinion | null {
  const opinion = OPINION.safeParse(body).data ?? null;
  return opinion?.site === site ? opinion : null;
}
