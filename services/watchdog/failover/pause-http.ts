/** `POST /v1/watchdog/{keyspace}` `{paused}`: an operator keeps suspicion from starting elections, or lets it again. */

import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import type { Register } from '@tidemark/control/consensus/register';
import { setPaused } from '@tidemark/control/consensus/register-changes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import type { FastifyInstance } from 'fastify';

type PauseParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  /** @throws {Fault} there is no such keyspace here */
  readonly registerOf: (keyspace: string) => Register;
  readonly record: (decision: Decision) => void;
};

/** Adds the route; the change is made in the register and kept as a decision, once. */
export function registerPauseRoute(app: FastifyInstance, parts: PauseParts): void {
  type Params = { readonly keyspace: string };
  app.post<{ Params: Params }>('/v1/watchdog/:keyspace', async ({ params: { keyspace }, body }) => {
    const { paused } = (body ?? {}) as { readonly paused?: unknown };
    if (typeof paused !== 'boolean') {
      const got = JSON.stringify(body) ?? 'nothing';
      throw new Fault('invalid', `watchdog ${keyspace}: got ${got}, expected {"paused": true or false}`, { got });
    }
    const changed = await parts.registerOf(keyspace).change((value, changeId) => setPaused(value, changeId, paused));
    // Refused is what says already what was asked for.
    if ('refused' in changed) return { keyspace, paused, changed: false };
    parts.record(pauseDecision(parts, keyspace, paused));
    return { keyspace, paused, changed: true, version: changed.value.version };
  });
}

function pauseDecision({ site, clock, random }: PauseParts, keyspace: string, paused: boolean): Decision {
  return {
    ...NOTHING_ELSE,
    id: random.id(),
    atMs: clock.nowMs(),
    site,
    keyspace,
    kind: paused ? 'pause' : 'resume',
    outcome: 'done',
    rule: 'an operator may keep suspicion from moving a keyspace by itself',
    words: `an operator asked for it at ${site}`,
    cost: paused ? 'while it is paused a lost primary is moved by operators only' : null,
    remedy: paused ? '"tidemark watchdog resume" lets it happen again' : null,
  };
}
