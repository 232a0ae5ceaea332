/**
 * `POST /v1/watchdog/{keyspace}/readmit` `{site}`: an operator lets the vote of a site count again that lost its control
 * topic. The vote it had before must never answer again, which only an operator can know.
 */

import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import type { VotedRegister } from '@tidemark/control/consensus/register';
import { voters } from '@tidemark/control/consensus/register-value';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

type ReadmitParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  /** @throws {Fault} there is no such keyspace here */
  readonly registerOf: (keyspace: string) => Pick<VotedRegister, 'readmit'>;
  readonly record: (decision: Decision) => void;
};

const ASKED = z.strictObject({ site: z.string().min(1) });
const RULE =
  'a vote that lost what it had promised counts again only when so many other sites accept it as a new one that no majority is without one of them';
const REMEDY = 'nothing has to be done for a vote that counts; the log of a site whose vote does not count says so';

/** Adds the route; the answer says done or refused and why, and either is kept as a decision. */
export function registerReadmitRoute(app: FastifyInstance, parts: ReadmitParts): void {
  type Params = { readonly keyspace: string };
  app.post<{ Params: Params }>('/v1/watchdog/:keyspace/readmit', async ({ params: { keyspace }, body }) => {
    const asked = ASKED.safeParse(body).data;
    if (asked === undefined) {
      throw new Fault('invalid', 'expected {"site": NAME}', { got: JSON.stringify(body) ?? 'nothing' });
    }
    const told = { keyspace, site: asked.site, rule: RULE };
    const changed = await parts.registerOf(keyspace).readmit(asked.site);
    if ('refused' in changed) {
      const words = changed.refused;
      parts.record({ ...decisionOf(parts, keyspace, asked.site), outcome: 'refused', words, remedy: REMEDY });
      return { ...told, outcome: 'refused', words, remedy: REMEDY };
    }
    const { version, acceptors } = changed.value;
    const words = `an operator asked for it at ${parts.site}, and enough of the other sites accepted it`;
    parts.record({ ...decisionOf(parts, keyspace, asked.site), outcome: 'done', words });
    return { ...told, outcome: 'done', version, voters: voters(changed.value), acceptors };
  });
}

function decisionOf({ site, clock, random }: ReadmitParts, keyspace: string, readmitted: string): Decision {
  return {
    ...NOTHING_ELSE,
    ...{ id: random.id(), atMs: clock.nowMs(), site, keyspace, kind: 'readmission', outcome: 'done' },
    ...{ to: readmitted, rule: RULE, words: '' },
  };
}
