/**
 * Whether suspicion may move a keyspace to another site by itself (protocol E10), once the sites agree; if not, which
 * rule says so and what helps. Pure. Of several reasons the first is told: the one that would still hold if the others
 * were mended.
 */

import { formatAck } from '@tidemark/model/table';
import { newestTerm, type RegisterValue, voters } from '../consensus/register-value.ts';

/** How often failovers may happen by themselves. */
export type PolicyRules = {
  /** At most one automatic failover in so much time, ms. */
  readonly failoverEveryMsMin: number;
  /** A site that an automatic failover left is no candidate for so much time, ms, while there is another one. */
  readonly holdDownMs: number;
};

/** The rules that run: one automatic failover an hour, and ten minutes before a left site is a candidate again. */
export const POLICY_RULES: PolicyRules = { failoverEveryMsMin: 3_600_000, holdDownMs: 600_000 };

/** Why not, in words for people; `code` is the same for the same cause. */
export type BlockingReason = {
  readonly code: 'no-majority' | 'too-few-members' | 'local' | 'manual' | 'paused' | 'hourly' | 'no-candidate';
  /** `recommendation`: an operator may well do it. `refusal`: as things are it should not or cannot be done. */
  readonly kind: 'refusal' | 'recommendation';
  readonly rule: string;
  readonly words: string;
  readonly remedy: string;
  /** What would have let it happen by itself. */
  readonly wouldHavePrevented: string | null;
};

type Policy =
  | { readonly kind: 'go' }
  /** Somebody moves it already, or it is not this site's term any more. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'hindered'; readonly blockingReason: BlockingReason };

/** @param isHopeless no majority of the register is left without the lost site (`agreementOf`) */
export function judgeFailover(
  value: RegisterValue,
  lost: string,
  isHopeless: boolean,
  nowMs: number,
  rules: PolicyRules,
): Policy {
  if (value.election !== null || newestTerm(value)?.site !== lost) return { kind: 'wait' };
  const blockingReason =
    (isHopeless ? noMajority(value, lost) : null) ??
    tooFewMembers(value, lost) ??
    (value.ack.name === 'local' ? localAcks(value, lost) : null) ??
    (value.failover === 'manual' ? manual(value, lost) : null) ??
    (value.paused ? paused(value, lost) : null) ??
    hourly(value, lost, nowMs, rules);
  return blockingReason === null ? { kind: 'go' } : { kind: 'hindered', blockingReason };
}

function noMajority(value: RegisterValue, lost: string): BlockingReason {
  const all = voters(value);
  return {
    code: 'no-majority',
    kind: 'refusal',
    rule: 'the register changes only with the votes of a majority of its sites',
    words: `${value.keyspace} has ${all.length} votes, and without ${lost} there is no majority: whether ${lost} is lost or only cut off cannot be told from here`,
    remedy: `bring ${lost} back`,
    wouldHavePrevented: 'a third site, be it a witness with a vote and no data',
  };
}

/** E6: the candidate and k others must hold everything before the new term may begin. */
function tooFewMembers(value: RegisterValue, lost: string): BlockingReason | null {
  const left = value.members.filter(({ site, state }) => state === 'ACTIVE' && site !== lost).map(({ site }) => site);
  const need = Math.min(value.ack.k, value.degradeTo) + 1;
  if (left.length >= need) return null;
  const names = left.length === 0 ? 'none' : left.join(', ');
  return {
    code: 'too-few-members',
    kind: 'refusal',
    rule: `a new term begins only where ${need} members hold everything, as ${formatAck(value.ack)} promises and degradeTo ${value.degradeTo} allows`,
    words: `without ${lost} there are ${left.length} whole members left (${names}), and ${formatAck(value.ack)} needs ${need}: nothing acked is lost, but nothing can be written`,
    remedy: `bring ${lost} back, or a member that is being rebuilt; or accept what it means with "tidemark failover --accept-loss"`,
    wouldHavePrevented: `a further data site, so that ${need} are left when one is lost; or a lower degradeTo, with which the sites that are left go on at a lower level`,
  };
}

function localAcks(value: RegisterValue, lost: string): BlockingReason {
  return {
    code: 'local',
    kind: 'recommendation',
    rule: 'a keyspace with ack local is not moved by itself, as its newest acks may be at the lost site alone',
    words: `${value.keyspace} acks at ${lost} alone; moving it may lose the newest rows`,
    remedy:
      'see what it would lose with "tidemark failover --dry-run", then decide; or bring the site back and lose nothing',
    wouldHavePrevented: 'ack sync(1), which moves by itself and loses nothing',
  };
}

function manual(value: RegisterValue, lost: string): BlockingReason {
  return {
    code: 'manual',
    kind: 'recommendation',
    rule: 'its failover is manual',
    words: `${lost} is taken for lost, and ${value.keyspace} is moved by operators only`,
    remedy: '"tidemark failover" moves it; nothing acked is lost',
    wouldHavePrevented: 'failover: automatic',
  };
}

function paused(value: RegisterValue, lost: string): BlockingReason {
  return {
    code: 'paused',
    kind: 'recommendation',
    rule: 'while it is paused, no election begins by suspicion',
    words: `${lost} is taken for lost, and an operator paused the automatic failover of ${value.keyspace}`,
    remedy: '"tidemark watchdog resume" lets it happen, "tidemark failover" does it now',
    wouldHavePrevented: null,
  };
}

function hourly(value: RegisterValue, lost: string, nowMs: number, rules: PolicyRules): BlockingReason | null {
  const { lastFailover } = value;
  if (lastFailover === null) return null;
  const agoMs = nowMs - lastFailover.atMs;
  // A last one in the future is a clock that is wrong somewhere: no reason to hurry.
  if (agoMs >= rules.failoverEveryMsMin) return null;
  const ago = agoMs < 0 ? 'just now' : `${Math.round(agoMs / 60_000)} min ago`;
  return {
    code: 'hourly',
    kind: 'recommendation',
    rule: `at most one automatic failover in ${Math.round(rules.failoverEveryMsMin / 60_000)} min: a second one so soon is mostly the same trouble`,
    words: `${lost} is taken for lost, and ${value.keyspace} was moved automatically ${ago}, to epoch ${lastFailover.epoch}`,
    remedy: 'look at what is wrong; "tidemark failover" moves it now',
    wouldHavePrevented: null,
  };
}

/** Nobody that is left can take over. */
export function noCandidate(value: RegisterValue, lost: string, asked: readonly string[]): BlockingReason {
  return {
    code: 'no-candidate',
    kind: 'refusal',
    rule: 'only a whole member that answers can be nominated',
    words: `${lost} is taken for lost, and none of ${asked.join(', ')} answered what it holds of ${value.keyspace}`,
    remedy: 'bring one of them back',
    wouldHavePrevented: null,
  };
}

/**
 * The sites that may be candidates: not the lost one, and not the one the last automatic failover left, while it is held
 * down and there is another.
 */
export function eligible(value: RegisterValue, lost: string, nowMs: number, rules: PolicyRules): readonly string[] {
  const all = value.members.map(({ site }) => site).filter((site) => site !== lost);
  const { lastFailover } = value;
  if (lastFailover === null || nowMs - lastFailover.atMs >= rules.holdDownMs) return all;
  const left = value.terms.findLast((term) => term.epoch < lastFailover.epoch)?.site;
  const rest = all.filter((site) => site !== left);
  return rest.length === 0 ? all : rest;
}
