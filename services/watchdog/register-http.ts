/** `POST /v1/internal/register/{keyspace}`: a site's vote, asked for by the others. */

import { parseRegisterRequest } from '@tidemark/control/register-json';
import { Fault } from '@tidemark/world/fault';
import type { FastifyInstance } from 'fastify';
import type { Acceptor } from './acceptor.ts';

export type RegisterRouteParts = {
  readonly site: string;
  /** Null where another process of the site votes. */
  readonly acceptor: Acceptor | null;
};

export function registerRegisterRoutes(app: FastifyInstance, { site, acceptor }: RegisterRouteParts): void {
  type Params = { keyspace: string };
  app.post<{ Params: Params }>('/v1/internal/register/:keyspace', async ({ params, body }) => {
    const request = parseRegisterRequest(body);
    if (request === null) throw new Fault('invalid', 'no request to a register', { got: JSON.stringify(body) });
    if ('value' in request && request.value.keyspace !== params.keyspace) {
      const message = `register of ${params.keyspace}: a value of ${request.value.keyspace}`;
      throw new Fault('invalid', message, { got: request.value.keyspace, expected: params.keyspace });
    }
    if (acceptor !== null) return acceptor.answer(params.keyspace, request);
    throw new Fault('unavailable', `another process of ${site} votes for it`);
  });
}
