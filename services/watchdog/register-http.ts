/** `POST /v1/internal/register/{keyspace}`, between sites; `POST /v1/watchdog/{keyspace}/readmit`, for an operator. */

import { parseRegisterRequest } from '@tidemark/control/register-json';
import { voters } from '@tidemark/control/register-value';
import { Fault } from '@tidemark/world/fault';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Acceptor } from './acceptor.ts';
import type { RegisterView } from './register-view.ts';

export type RegisterRouteParts = {
  readonly site: string;
  /** Null where another process of the site votes. */
  readonly acceptor: Acceptor | null;
  readonly registers: RegisterView;
};

const READMIT = z.strictObject({ site: z.string() });

export function registerRegisterRoutes(app: FastifyInstance, { site, acceptor, registers }: RegisterRouteParts): void {
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
  app.post<{ Params: Params }>('/v1/watchdog/:keyspace/readmit', async ({ params, body }) => {
    const { keyspace } = params;
    const asked = READMIT.safeParse(body).data;
    if (asked === undefined) throw new Fault('invalid', 'expected {"site": NAME}', { got: JSON.stringify(body) });
    const register = registers.votedRegister(keyspace);
    const result = await register.readmit(asked.site);
    if ('refused' in result) throw new Fault('invalid', result.refused, { status: 409, got: asked.site });
    const { version, acceptors } = result.value;
    return { keyspace, version, voters: voters(result.value), acceptors };
  });
}
