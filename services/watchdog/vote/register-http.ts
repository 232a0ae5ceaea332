/** `POST /v1/internal/register/{keyspace}`: a site's vote, asked for by the others; `…/registers` reads several at once. */

import { parsed } from '@tidemark/model/parsed';
import { type Answer, ROUTES } from '@tidemark/peer/routes';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { FastifyInstance } from 'fastify';
import type { Acceptor } from './acceptor.ts';

type RegisterRouteParts = {
  readonly site: string;
  /** Null where another process of the site votes. */
  readonly acceptor: Acceptor | null;
  /** Whether a keyspace of that name is defined, as far as is known here. */
  readonly isKnown: (keyspace: string) => boolean;
};

/** A whole value may be large: with all its epoch ends in it at most. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** Adds the routes. 400: not a request; 503: this site does not know the keyspace, and so does not vote on it. */
export function registerRegisterRoutes(app: FastifyInstance, { site, acceptor, isKnown }: RegisterRouteParts): void {
  type Params = { keyspace: string };
  const options = { bodyLimit: BODY_BYTES_MAX };
  app.post<{ Params: Params }>(ROUTES.register.path, options, async ({ params, body }) => {
    const request = parsed(ROUTES.register.asks, body, 'request to a register');
    if (!isKnown(params.keyspace)) {
      const message = `register of ${params.keyspace}: no such keyspace is known at ${site}`;
      throw new Fault('unavailable', message, { got: params.keyspace });
    }
    if ('value' in request && request.value.keyspace !== params.keyspace) {
      const message = `register of ${params.keyspace}: a value of ${request.value.keyspace}`;
      throw new Fault('invalid', message, { got: request.value.keyspace, expected: params.keyspace });
    }
    if (acceptor !== null) return acceptor.answer(params.keyspace, request);
    throw new Fault('unavailable', `another process of ${site} votes for it`);
  });
  app.post(ROUTES.registers.path, async ({ body }): Promise<Answer<typeof ROUTES.registers>> => {
    const { keyspaces } = parsed(ROUTES.registers.asks, body, 'request to registers');
    if (acceptor === null) throw new Fault('unavailable', `another process of ${site} votes for it`);
    const reading = keyspaces.filter(isKnown).map(async (keyspace) => {
      const answer = await acceptor.answer(keyspace, { kind: 'read' }).catch(unlessFault);
      return answer === null ? [] : [[keyspace, answer] as const];
    });
    return { answers: Object.fromEntries((await Promise.all(reading)).flat()) };
  });
}

/** Null: it says nothing of that one now. */
function unlessFault(error: unknown): null {
  if (isFault(error)) return null;
  throw error;
}
