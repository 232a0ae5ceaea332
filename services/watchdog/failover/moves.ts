/**
 * Switchover and failover as jobs: looks at everything, refuses what no rule allows with the rule and what helps, else
 * nominates the target and follows what becomes of it. Nothing is changed by a dry run or by a refusal.
 */

import { type Decision, NOTHING_ELSE, PHASE_NAMED } from '@tidemark/control/audit/decision';
import { explain } from '@tidemark/control/audit/decision-words';
import type { LossRule } from '@tidemark/control/consensus/loss-rule';
import type { Register } from '@tidemark/control/consensus/register';
import { newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { chosenLoss } from '@tidemark/control/failover/loss';
import {
  closesWithoutLoss,
  type Move,
  type MoveRefusal,
  type MoveSight,
  moveRefusal,
} from '@tidemark/control/failover/move-rules';
import type { JobWork } from '@tidemark/jobs/jobs';
import type { JobKinds } from '@tidemark/jobs/jobs-http';
import type { Peer } from '@tidemark/peer/peer';
import { isAnswered } from '@tidemark/peer/told';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { z } from 'zod';
import type { Sighted } from './move-sight.ts';

const LOOK_MS = 100;
const TOLD_EVERY_MS = 1_000;
/** An election takes 30 s at most, and what follows it a few more. */
const FOLLOWED_MS = 45_000;

const REQUEST = z.object({
  kind: z.enum(['switchover', 'failover']),
  keyspace: z.string(),
  to: z.string(),
  dryRun: z.boolean().default(false),
  acceptLoss: z.int().min(0).nullable().default(null),
});
type Request = z.output<typeof REQUEST>;

/** What a job ends with. */
export type MoveResult = {
  readonly outcome: 'done' | 'refused' | 'superseded' | 'failed';
  readonly dryRun: boolean;
  readonly from: string | null;
  readonly to: string;
  readonly epoch: number | null;
  readonly phases: Decision['phases'];
  readonly kept: Decision['kept'];
  readonly lost: Decision['lost'];
  /** Rows that may be lost at most, before; null: cannot be told. 0 when it is closed with everything acked. */
  readonly estimatedLoss: number | null;
  readonly words: string;
  readonly remedy: string | null;
  /** At `/v1/history/{decision}`; null for a dry run. */
  readonly decision: string | null;
};

type MovesParts = {
  readonly site: string;
  /** A site's process that writes and mirrors. */
  readonly writerAt: (site: string) => Peer;
  readonly clock: Clock;
  readonly random: Random;
  /** @throws {Fault} no such keyspace is known here */
  readonly registerOf: (keyspace: string) => Register;
  readonly sight: (value: RegisterValue, to: string) => Promise<Sighted>;
  readonly record: (decision: Decision) => void;
};

/** The job kinds `switchover` and `failover` of a site. */
export class Moves {
  readonly #parts: MovesParts;

  constructor(parts: MovesParts) {
    this.#parts = parts;
  }

  jobKinds(): JobKinds {
    const make = (body: unknown): JobWork => this.#work(requestIn(body));
    return { switchover: make, failover: make };
  }

  #work(request: Request): JobWork {
    const register = this.#parts.registerOf(request.keyspace);
    return async (tell, signal) => {
      const { keyspace, to, dryRun } = request;
      tell({ keyspace, to, dryRun, step: 'looking' });
      const value = await register.read(signal);
      const { sight, heard } = await this.#parts.sight(value, to);
      const refusal = moveRefusal(value, request, sight);
      if (refusal !== null) return this.#refused(request, value, sight, refusal);
      if (dryRun) return this.#dryRun(request, value, sight);
      tell({ step: 'nominated' });
      return this.#move(request, value, { sight, heard }, tell, signal);
    };
  }

  #result(
    { to, dryRun, acceptLoss }: Request,
    value: RegisterValue,
    sight: MoveSight,
  ): Omit<MoveResult, 'outcome' | 'words'> {
    return {
      dryRun,
      from: newestTerm(value)?.site ?? null,
      to,
      epoch: null,
      phases: [],
      kept: null,
      lost: null,
      estimatedLoss: rowsAtStake(value, sight, acceptLoss),
      remedy: null,
      decision: null,
    };
  }

  #decision({ keyspace, to }: Request, value: RegisterValue): Omit<Decision, 'kind' | 'outcome' | 'rule' | 'words'> {
    const { site, clock, random } = this.#parts;
    const from = newestTerm(value)?.site ?? null;
    return { ...NOTHING_ELSE, id: random.id(), atMs: clock.nowMs(), site, keyspace, from, to };
  }

  #refused(request: Request, value: RegisterValue, sight: MoveSight, refusal: MoveRefusal): MoveResult {
    const { words, rule, remedy } = refusal;
    const { kind } = request;
    const asked = `an operator asked for a ${kind}; ${words}`;
    const made = this.#decision(request, value);
    const decision: Decision = { ...made, kind: 'refusal', outcome: 'refused', rule, remedy, words: asked };
    if (!request.dryRun) this.#parts.record(decision);
    const id = request.dryRun ? null : decision.id;
    return { ...this.#result(request, value, sight), outcome: 'refused', words, remedy, decision: id };
  }

  #dryRun(request: Request, value: RegisterValue, sight: MoveSight): MoveResult {
    const result = this.#result(request, value, sight);
    const { from, to, estimatedLoss } = result;
    const stake = estimatedLoss === 0 ? 'nothing acked would be lost' : `${estimatedLoss} rows at most would be lost`;
    const words = `${request.keyspace} would move from ${from} to ${to} in epoch ${value.nextEpoch} or later, and ${stake}`;
    return { ...result, outcome: 'done', words };
  }

  async #move(
    request: Request,
    value: RegisterValue,
    { sight, heard }: Sighted,
    tell: (facts: object) => void,
    signal: AbortSignal,
  ): Promise<MoveResult> {
    const { kind, to, acceptLoss } = request;
    const made = this.#decision(request, value);
    const words = `an operator asked ${this.#parts.site} for a ${kind} to ${to}`;
    const loss: LossRule | null =
      kind === 'failover' && acceptLoss !== null ? { rowsMax: acceptLoss, mode: 'consistent', heard } : null;
    const nomination = { cause: kind, reason: words, version: value.version, loss, decisionId: made.id };
    const told = await this.#parts.writerAt(to).nominate(request.keyspace, nomination);
    // Without an answer it may stand for election all the same.
    if (told.fault !== null && isAnswered(told)) {
      return this.#refused(request, value, sight, {
        code: 'unreachable',
        rule: 'the target has to stand for election itself',
        words: told.fault.message,
        remedy: 'look at status, and ask again',
      });
    }
    this.#parts.record({ ...made, kind, outcome: 'begun', rule: '', words });
    const ended = await this.#follow(request, value, made.id, tell, signal);
    return { ...this.#result(request, value, sight), ...ended, decision: made.id };
  }

  /** Until the target says how it ended, or the register says that somebody else won. */
  async #follow(
    request: Request,
    value: RegisterValue,
    id: string,
    tell: (facts: object) => void,
    signal: AbortSignal,
  ) {
    const { clock, registerOf } = this.#parts;
    const { keyspace, to } = request;
    const sinceMs = clock.monotonicMs();
    for (let toldMs = 0; clock.monotonicMs() - sinceMs < FOLLOWED_MS && !signal.aborted; ) {
      const waitedMs = Math.round(clock.monotonicMs() - sinceMs);
      if (waitedMs - toldMs >= TOLD_EVERY_MS) {
        toldMs = waitedMs;
        tell({ waitedMs });
      }
      const { answer: told } = await this.#parts.writerAt(to).decision(id);
      if (told !== null && told.outcome !== 'begun') return this.#ended(told, value, await registerOf(keyspace).read());
      await clock.sleep(LOOK_MS, signal);
    }
    const now = await registerOf(keyspace).read();
    const term = newestTerm(now);
    const words = `${to} did not say how it ended within ${FOLLOWED_MS / 1_000} s; the primary is ${term?.site}, in epoch ${term?.epoch}`;
    return { outcome: 'failed' as const, words, remedy: 'look at status: an election that stands open is taken over' };
  }

  /** An election that was lost before it was named in the register changed nothing: it was refused. */
  #ended(told: Decision, before: RegisterValue, now: RegisterValue) {
    const { epoch, phases, kept, lost, remedy } = told;
    const unchanged = now.version === before.version || !phases.some(({ name }) => name === PHASE_NAMED);
    const outcome =
      told.outcome === 'done'
        ? 'done'
        : unchanged || told.outcome === 'refused'
          ? 'refused'
          : told.outcome === 'begun'
            ? 'failed'
            : told.outcome;
    return { outcome, epoch, phases, kept, lost, remedy, words: explain(told) } as const;
  }
}

/** Rows that the move loses at most, if it is granted; else the least that would have to be accepted. */
function rowsAtStake(value: RegisterValue, sight: MoveSight, acceptLoss: number | null): number | null {
  if (closesWithoutLoss(value, sight)) return 0;
  if (sight.loss === null) return null;
  return (chosenLoss(sight.loss, { rowsMax: acceptLoss ?? 0, mode: 'consistent' })?.loss ?? sight.loss.received).rows;
}

function requestIn(body: unknown): Request & Move {
  const parsed = REQUEST.safeParse(body);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Fault('invalid', `move: ${issues.join('; ')}`, { got: JSON.stringify(body) });
}
