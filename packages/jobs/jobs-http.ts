/** `POST /v1/jobs` starts a job, `GET /v1/jobs/{id}` follows it. Each service gives its kinds; a site joins them. */

import { Readable } from 'node:stream';
import { Fault } from '@tidemark/platform/fault';
import type { FastifyInstance } from 'fastify';
import type { Jobs, JobWork } from './jobs.ts';
import { closedSignal } from './request.ts';

/**
 * Kind → checks a request's body and makes it into work. What can be refused is refused here, before there is a job.
 * @throws {Fault} `invalid`
 */
export type JobKinds = Readonly<
  Record<string, (body: Readonly<Record<string, unknown>>) => JobWork | Promise<JobWork>>
>;

/** Adds both routes; a kind that no service has is refused with those there are. */
export function registerJobRoutes(app: FastifyInstance, jobs: Jobs, kinds: JobKinds): void {
  app.post('/v1/jobs', async (request, reply) => {
    const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
    const kind = typeof body.kind === 'string' ? body.kind : '';
    const make = Object.hasOwn(kinds, kind) ? kinds[kind]! : refuse(kinds, body.kind);
    const id = jobs.start(kind, {}, await make(body));
    return reply.code(202).header('location', `/v1/jobs/${id}`).send({ id });
  });
  app.get<{ Params: { id: string } }>('/v1/jobs/:id', async (request, reply) => {
    const { id } = request.params;
    jobs.get(id);
    const lines = follow(jobs, id, closedSignal(reply));
    return reply.type('application/x-ndjson').send(Readable.from(lines, { objectMode: false }));
  });
}

function refuse(kinds: JobKinds, got: unknown): never {
  const expected = Object.keys(kinds).join(', ');
  throw new Fault(
    'invalid',
    `job of kind ${(JSON.stringify(got) ?? 'nothing').slice(0, 100)}, expected one of ${expected}`,
    { got, expected },
  );
}

async function* follow(jobs: Jobs, id: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const facts of jobs.follow(id, signal)) yield `${JSON.stringify(facts)}\n`;
}
