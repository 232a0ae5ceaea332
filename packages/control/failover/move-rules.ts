/**
 * Whether an operator's wish to move a keyspace is granted, before anything is changed; if not, which rule says so and
 * what helps. Pure: judged by the register as a quorum told it, and by what the sites answered just now.
 */

import { formatAck } from '@tidemark/model/table';
import {
  type Election,
  type Member,
  memberNamed,
  newestTerm,
  type RegisterValue,
} from '../consensus/register-value.ts';
import { unfitnessToStand } from './election.ts';
import { chosenLoss, LOSS_RULE, type LossChoices, lossInWords, lossRemedy } from './loss.ts';
import type { SiteCopies } from './site-copies.ts';

/** A target that is further behind than this could not be brought level while writes wait, ms. */
export const TARGET_LAG_MS_MAX = 5_000;
/** One that lacks no more records than that is near, whatever the clocks say. */
export const TARGET_BEHIND_MAX = 1_000;

/** What an operator asks for: a switchover from a primary that lives, or a failover from one that is gone. */
export type Move = {
  readonly kind: 'switchover' | 'failover';
  readonly to: string;
  /** The most rows an operator is ready to lose; null: none. */
  readonly acceptLoss: number | null;
};

/** What the sites answered. */
export type MoveSight = {
  /** Whether the primary's process answers, and whether it writes; what is wrong with its clock, as it says itself. */
  readonly primary: { readonly answers: boolean; readonly writes: boolean; readonly clockTrouble: string | null };
  /** Whether the primary's own log can be reached, with or without its process. */
  readonly isLogReachable: boolean;
  /** Of every member that answered what its copies hold. */
  readonly copies: readonly SiteCopies[];
  /** How far the target is behind the primary; null: not known. */
  readonly targetLagMs: number | null;
  /** Records of the newest term that the primary has and the target has not; null: one of them does not say. */
  readonly targetBehind: number | null;
  /** What a failover now would lose at most, as the target counted; null: it did not, or nothing can be lost. */
  readonly loss: LossChoices | null;
};

/** The rule that stands against a move, by code, with words and a remedy. */
export type MoveRefusal = {
  readonly code:
    | 'unknown-site'
    | 'witness'
    | 'no-term'
    | 'election-open'
    | 'already'
    | 'rebuild'
    | 'unreachable'
    | 'primary-gone'
    | 'primary-alive'
    | 'lagging'
    | 'too-few-members'
    | 'loss'
    | 'loss-above-limit';
  readonly rule: string;
  readonly words: string;
  readonly remedy: string;
};

/** Null: it may go on. */
export function moveRefusal(value: RegisterValue, move: Move, sight: MoveSight): MoveRefusal | null {
  return (
    targetRefusal(value, move, sight) ??
    (move.kind === 'switchover' ? planned(value, move, sight) : forced(value, move, sight))
  );
}

function targetRefusal(value: RegisterValue, move: Move, { copies }: MoveSight): MoveRefusal | null {
  const { keyspace, election } = value;
  const { to } = move;
  const data = value.members.map(({ site }) => site).join(', ');
  const term = newestTerm(value);
  const member = memberNamed(value, to);
  if (value.witnesses.includes(to)) {
    const words = `${to} is a witness of ${keyspace}: it votes and has no data`;
    return { code: 'witness', rule: TARGETS, words, remedy: `name one of ${data}` };
  }
  if (member === null) {
    const words = `there is no site ${to} in ${keyspace}`;
    return { code: 'unknown-site', rule: TARGETS, words, remedy: `name one of ${data}` };
  }
  if (term === null) {
    const words = `${keyspace} has no primary yet`;
    return { code: 'no-term', rule: 'only a term that began can end', words, remedy: 'wait until it is written' };
  }
  if (election !== null && !mayGoBefore(move, election)) {
    const words = `an election of epoch ${election.epoch} by ${election.site} is open: ${election.reason}`;
    const rule = 'one election at a time: the register names it, and everything else waits';
    return {
      code: 'election-open',
      rule,
      words,
      remedy:
        'wait until it is over; one that stands still is taken over within 15 s, and one that cannot end without a loss gives way to a failover that accepts one',
    };
  }
  if (term.site === to && election === null) {
    const words = `${to} is the primary of ${keyspace} already, in epoch ${term.epoch}`;
    return { code: 'already', rule: 'a move is to another site', words, remedy: 'nothing has to be done' };
  }
  // Where nobody is whole any more, who accepts a loss may go on with what is left.
  const isLastResort = move.acceptLoss !== null && wholeOf(value, copies).length === 0;
  if (member.state === 'RECOVERING' && !isLastResort) {
    const words = `${to} lost something and is being rebuilt`;
    const remedy = 'wait until status shows it as a replica again, or name another site';
    return { code: 'rebuild', rule: 'only a whole member can be the primary', words, remedy };
  }
  if (!copies.some(({ site }) => site === to)) {
    const words = `${to} does not answer what it holds of ${keyspace}`;
    return {
      code: 'unreachable',
      rule: 'only a site that answers can be the primary',
      words,
      remedy: `see to ${to}, or name another site`,
    };
  }
  return null;
}

/** An election that may lose nothing can stand open for ever; whoever accepts a loss need not wait for it. */
function mayGoBefore({ kind, acceptLoss }: Move, { loss }: Election): boolean {
  return kind === 'failover' && acceptLoss !== null && loss === null;
}

const TARGETS = 'only a data site of the keyspace can be its primary';

function planned(value: RegisterValue, { to }: Move, sight: MoveSight): MoveRefusal | null {
  const { primary, targetLagMs, targetBehind } = sight;
  const from = newestTerm(value)!.site;
  if (!primary.answers) {
    return {
      code: 'primary-gone',
      rule: 'a planned move needs the old primary to hand over',
      words: `${from} does not answer`,
      remedy: `bring it back, or use "tidemark failover --to ${to}"`,
    };
  }
  // A lag is told by stamps: with a clock that is wrong it says nothing, and the records do.
  const isNear = targetBehind !== null && targetBehind <= TARGET_BEHIND_MAX;
  if (!isNear && (targetLagMs === null || targetLagMs > TARGET_LAG_MS_MAX)) {
    const behind = targetLagMs === null ? 'behind by nobody knows how much' : `${seconds(targetLagMs)} behind ${from}`;
    return {
      code: 'lagging',
      rule: `a target may be ${seconds(TARGET_LAG_MS_MAX)} behind at most, as writes wait while it catches up`,
      words: `${to} is ${behind}`,
      remedy: 'wait until it has caught up, or name another site',
    };
  }
  return null;
}

function forced(value: RegisterValue, move: Move, sight: MoveSight): MoveRefusal | null {
  const { to } = move;
  const from = newestTerm(value)!.site;
  // With an election open its term is over, or about to be, whatever its process says.
  if (sight.primary.answers && sight.primary.writes && value.election === null) {
    const blockingReason = planned(value, move, sight);
    return {
      code: 'primary-alive',
      rule: 'a primary that answers and writes is moved as planned',
      words: `${from} is alive, and its barriers arrive${blockingReason === null ? '' : `; ${blockingReason.words}`}`,
      remedy: blockingReason?.remedy ?? `"tidemark switchover --to ${to}" loses nothing`,
    };
  }
  return tooFew(value, move, sight) ?? lossRefusal(value, move, sight);
}

/** Members that answer and may lead: nothing they are known to have lost is missing. */
function wholeOf(value: RegisterValue, copies: readonly SiteCopies[]): readonly Member[] {
  return value.members.filter(({ site, state }) => {
    const own = copies.find((one) => one.site === site);
    return state === 'ACTIVE' && own !== undefined && unfitnessToStand(value, own) === null;
  });
}

/** E6: the new term begins only where k others hold everything too. */
function tooFew(value: RegisterValue, { acceptLoss }: Move, { copies }: MoveSight): MoveRefusal | null {
  const need = Math.min(value.ack.k, value.degradeTo) + 1;
  const all = wholeOf(value, copies);
  const isLastResort = acceptLoss !== null && all.length === 0;
  const whole = isLastResort ? value.members.filter(({ site }) => copies.some((one) => one.site === site)) : all;
  if (whole.length >= need) return null;
  return {
    code: 'too-few-members',
    rule: `a new term begins only where ${need} members hold everything, as ${formatAck(value.ack)} promises and degradeTo ${value.degradeTo} allows`,
    words: `${whole.length} whole members answer (${whole.map(({ site }) => site).join(', ') || 'none'}), and ${need} are needed`,
    remedy: 'bring one of the others back first: writes would not begin before',
  };
}

/** E4: without the origin's log, or enough fenced members, acked records may be missing. */
function lossRefusal(value: RegisterValue, { to, acceptLoss }: Move, sight: MoveSight): MoveRefusal | null {
  if (closesWithoutLoss(value, sight)) return null;
  const { loss } = sight;
  const from = newestTerm(value)!.site;
  if (loss === null) {
    const words = `without ${from} the epoch cannot be closed with everything acked, and ${to} did not count what may be lost`;
    return { code: 'loss', rule: LOSS_RULE, words, remedy: `see whether ${to} reaches its own log, and ask again` };
  }
  const remedy = lossRemedy(from, to, loss);
  if (acceptLoss === null) {
    const words = `without ${from} the epoch cannot be closed with everything acked: ${lossInWords(loss)}`;
    return { code: 'loss', rule: LOSS_RULE, words, remedy };
  }
  if (chosenLoss(loss, { rowsMax: acceptLoss, mode: 'consistent' }) !== null) return null;
  const words = `${lossInWords(loss)}, and ${acceptLoss} were accepted`;
  return { code: 'loss-above-limit', rule: LOSS_RULE, words, remedy };
}

/** Whether the answers are enough to close the newest term with all that was acked (`closureOf`, before fencing). */
export function closesWithoutLoss(
  value: RegisterValue,
  { copies, isLogReachable }: Pick<MoveSight, 'copies' | 'isLogReachable'>,
): boolean {
  const origin = newestTerm(value)?.site;
  if (origin === undefined) return true;
  const { k } = value.ack;
  const copyAt = (site: string) =>
    copies.find((one) => one.site === site)?.copies.find((one) => one.origin === origin) ?? null;
  const trusted = value.members.filter(({ site, state, logIds }) => {
    const copy = copyAt(site);
    return state === 'ACTIVE' && copy?.trusted === true && copy.logId !== '' && copy.logId === logIds[origin];
  });
  const closes = (sites: readonly string[]): boolean =>
    sites.includes(origin) || (k > 0 && sites.length >= value.members.length - k);
  // A site that answers knows whether its log lost its end; of one that does not, the log itself is asked. That closes a
  // term only where no other site holds what was acked.
  const isOriginHeard = copies.some(({ site }) => site === origin);
  if (!isOriginHeard && isLogReachable && k === 0) return true;
  const vouched = trusted.filter(({ site }) => k === 0 || copyAt(site)!.vouched !== null);
  if (closes(vouched.map(({ site }) => site))) return true;
  return value.members.every(({ site }) => copyAt(site) !== null) && closes(trusted.map(({ site }) => site));
}

/** By partition, the longest head of the newest term among the answers; −1 where there is none. */
export function receivedSeqs(value: RegisterValue, copies: readonly SiteCopies[], partitions: number): number[] {
  const term = newestTerm(value);
  const heads = new Array<number>(partitions).fill(-1);
  for (const { copies: all } of copies) {
    const copy = all.find(({ origin }) => origin === term?.site);
    copy?.positions.forEach(([epoch, seq], partition) => {
      if (epoch === term?.epoch && partition < partitions) heads[partition] = Math.max(heads[partition]!, seq);
    });
  }
  return heads;
}

/** Records of the newest term that its origin says it has and the site has not; null: one of them does not say. */
export function behindOf(value: RegisterValue, copies: readonly SiteCopies[], site: string): number | null {
  const term = newestTerm(value);
  const headsAt = (where: string): readonly number[] | null => {
    const answer = copies.find((one) => one.site === where);
    const copy = answer?.copies.find(({ origin }) => origin === term?.site);
    return copy?.positions.map(([epoch, seq]) => (epoch === term?.epoch ? seq : -1)) ?? null;
  };
  const [all, held] = [term === null ? null : headsAt(term.site), headsAt(site)];
  if (all === null || held === null) return null;
  return all.reduce((sum, head, partition) => sum + Math.max(0, head - (held[partition] ?? -1)), 0);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
