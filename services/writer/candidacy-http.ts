/** What watchdogs and other candidates ask of this site's writer: to stand for election, and to hand over. */

import type { Heard, LossChoices } from '@tidemark/control/loss';
import { heardSchema, lossSchema } from '@tidemark/control/register-json';
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
  loss: lossSchema.nullable().default(null),
});
const lossAskedSchema = z.object({ heard: heardSchema.nullable().default(null) });
const abdicationSchema = z.object({ to: z.string(), resume: z.boolean().default(false) });

export type CandidacyHttpParts = {
  readonly candidacyOf: (keyspace: string) => Candidacy<Reigning>;
  readonly writerOf: (keyspace: string) => Writer;
  /** What ending the newest reign here with a loss would cost. */
  readonly lossOf: (keyspace: string, heard: Heard | null) => Promise<LossChoices>;
};

export function registerCandidacyRoutes(app: FastifyInstance, parts: CandidacyHttpParts): void {
  type Params = { keyspace: string };
  app.post<{ Params: Params }>('/v1/internal/nominate/:keyspace', async (request, reply) => {
    const { keyspace } = request.params;
    parts.candidacyOf(keyspace).nominate(parsed(nominationSchema, request.body, 'nomination'));
    return reply.code(202).send({ accepted: true });
  });
  app.post<{ Params: Params }>('/v1/internal/loss/:keyspace', async (request) => {
    const { heard } = parsed(lossAskedSchema, request.body, 'question for a loss');
    return parts.lossOf(request.params.keyspace, heard);
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
