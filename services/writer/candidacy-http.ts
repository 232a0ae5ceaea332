/** What watchdogs and other candidates ask of this site's writer: to stand for election, and to hand over. */

import { parsed } from '@tidemark/schema/parsed';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Candidacy, Reigning } from './candidacy.ts';
import type { Writer } from './writer.ts';

const nominationSchema = z.object({
  cause: z.enum(['start', 'suspicion', 'switchover', 'failover', 'takeover']),
  reason: z.string(),
  version: z.int().nullable().default(null),
  decisionId: z.string().nullable().default(null),
  loss: z
    .object({ rowsMax: z.number(), mode: z.enum(['consistent', 'received']) })
    .nullable()
    .default(null),
});
const abdicationSchema = z.object({ to: z.string(), resume: z.boolean().default(false) });

export type CandidacyHttpParts = {
  readonly candidacyOf: (keyspace: string) => Candidacy<Reigning>;
  readonly writerOf: (keyspace: string) => Writer;
};

export function registerCandidacyRoutes(app: FastifyInstance, parts: CandidacyHttpParts): void {
  type Params = { keyspace: string };
  app.post<{ Params: Params }>('/v1/internal/nominate/:keyspace', async (request, reply) => {
    const { keyspace } = request.params;
    parts.candidacyOf(keyspace).nominate(parsed(nominationSchema, request.body, 'nomination'));
    return reply.code(202).send({ accepted: true });
  });
  app.post<{ Params: Params }>('/v1/internal/abdicate/:keyspace', async (request) => {
    const { keyspace } = request.params;
    const { to, resume } = parsed(abdicationSchema, request.body, 'abdication');
    const writer = parts.writerOf(keyspace);
    if (!resume) return writer.handOver(to);
    writer.resume();
    return { epoch: writer.epoch };
  });
}
