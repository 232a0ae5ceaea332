/** `GET /v1/internal/healthVote/{keyspace}`: the answer, as another site reads it. */

import type { HealthVote } from '@tidemark/control/failover/suspicion';
import { z } from 'zod';

const ms = z.number().nullable();
const HEALTH_VOTE = z.object({
  site: z.string(),
  epoch: z.number(),
  suspects: z.boolean(),
  sinceMs: z.number(),
  signs: z.object({ dataMs: ms, probeMs: ms, beatMs: ms }),
  abstains: z.string().nullable(),
});

/** Null: none, or of another site than the one that was asked. */
export function healthVoteIn(body: unknown, site: string): HealthVote | null {
  const healthVote = HEALTH_VOTE.safeParse(body).data ?? null;
  return healthVote?.site === site ? healthVote : null;
}
