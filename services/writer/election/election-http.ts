/**
 * What watchdogs and other candidates ask of this site's writer: to stand for election, and to hand over. It is done only
 * where the register agrees, and the site that is to take over says itself that it wants to.
 */

import type { Heard } from '@tidemark/control/consensus/loss-rule';
import { whyNoHandOver, whyNoNomination } from '@tidemark/control/consensus/register-tied';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { LossChoices } from '@tidemark/control/failover/loss';
import { parsed } from '@tidemark/model/parsed';
import { Peer } from '@tidemark/peer/peer';
import { type Answer, ROUTES } from '@tidemark/peer/routes';
import { Fault } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import type { FastifyInstance } from 'fastify';
import type { Writer } from '../writer.ts';
import type { ElectionLoop, LeadingWriter } from './election-loop.ts';

/** What the routes need of the writer service. */
export type ElectionHttpParts = {
  readonly site: string;
  readonly network: Network;
  readonly placeOf: (site: string) => string;
  readonly electionLoopOf: (keyspace: string) => ElectionLoop<LeadingWriter>;
  readonly writerOf: (keyspace: string) => Writer;
  /** What ending the newest term here with a loss would cost. */
  readonly lossOf: (keyspace: string, heard: Heard | null) => Promise<LossChoices>;
  readonly checkTied: (
    keyspace: string,
    what: string,
    whyNot: (value: RegisterValue) => string | null,
  ) => Promise<void>;
};

/** Adds the routes; what does not follow from the register as it is now is answered 409, and nothing is changed. */
export function registerElectionRoutes(app: FastifyInstance, parts: ElectionHttpParts): void {
  type Params = { keyspace: string };
  app.post<{ Params: Params }>(ROUTES.nominate.path, async (request, reply) => {
    const { keyspace } = request.params;
    const asked = parsed(ROUTES.nominate.asks, request.body, 'nomination');
    const electionLoop = parts.electionLoopOf(keyspace);
    await parts.checkTied(keyspace, 'nomination', (value) => whyNoNomination(value, asked));
    electionLoop.nominate(asked);
    return reply.code(202).send({ accepted: true } satisfies Answer<typeof ROUTES.nominate>);
  });
  app.post<{ Params: Params }>(ROUTES.loss.path, async (request): Promise<Answer<typeof ROUTES.loss>> => {
    const { heard } = parsed(ROUTES.loss.asks, request.body, 'question for a loss');
    return parts.lossOf(request.params.keyspace, heard);
  });
  app.get<{ Params: Params }>(ROUTES.standing.path, async (request): Promise<Answer<typeof ROUTES.standing>> => {
    return { site: parts.site, standsFor: parts.electionLoopOf(request.params.keyspace).standsFor };
  });
  app.post<{ Params: Params }>(
    ROUTES.abdicate.path,
    async (request): Promise<Answer<typeof ROUTES.abdicate | typeof ROUTES.resume>> => {
      const { keyspace } = request.params;
      const { to, resume } = parsed(ROUTES.abdicate.asks, request.body, 'abdication');
      const writer = parts.writerOf(keyspace);
      if (resume) {
        writer.resume(to);
        return { epoch: writer.epoch };
      }
      await parts.checkTied(keyspace, 'handing over', (value) => whyNoHandOver(value, to));
      await checkWanted(parts, keyspace, to);
      return writer.handOver(to);
    },
  );
}

/** Whoever asks for it, only the site itself can say that it is about to take over. */
async function checkWanted({ network, placeOf }: ElectionHttpParts, keyspace: string, to: string): Promise<void> {
  const { answer: standing } = await new Peer(network, placeOf(to)).standing(keyspace);
  if (standing?.site === to && standing.standsFor === 'switchover') return;
  const message = `keyspace ${keyspace}: handing over refused: ${to} does not say that it wants to take over`;
  throw new Fault('conflict', message, { got: standing?.standsFor ?? null, expected: 'switchover' });
}
