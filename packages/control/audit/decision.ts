/**
 * What was decided or refused, as it is stored in a site's control log (JSON of a Decision record): who saw what, when,
 * by which rule, what came of it, what it cost and what would have prevented it. `decision-words.ts` tells it to people.
 *
 * One decision may be stored in parts under one id: the site that nominates writes what was seen, the candidate what
 * came of it. `joinDecisions` makes one of them, in whatever order they are read.
 */

import { Fault } from '@tidemark/platform/fault';
import { z } from 'zod';
import type { EpochEndAt } from '../consensus/register-value.ts';

/**
 * - `beginning`: the first writer of a keyspace
 * - `restart`: the primary's writer process is a new one, at the same site
 * - `failover`: another site became primary because this one was lost, by suspicion or by an operator
 * - `switchover`: another site became primary as planned
 * - `takeover`: an election that stood still was taken over
 * - `recommendation`: what an operator should do, as the rules do not let it be done automatically
 * - `return`: a lost site is a member again; `demotion`: a member lost something and does not count
 * - `tail`: records beyond an epoch end were written out; `pause`, `resume`: of automatic failover
 * - `readmission`: the vote of a site that lost its control topic counts again
 * - `refusal`: an operator's or a watchdog's wish that no rule allows
 * - `untold`: a term of which no decision was written down, as the process that won it ended before
 */
export const DECISION_KINDS = [
  'beginning',
  'restart',
  'failover',
  'switchover',
  'takeover',
  'recommendation',
  'return',
  'demotion',
  'tail',
  'pause',
  'resume',
  'readmission',
  'refusal',
  'untold',
] as const;
/** What a decision was about. */
export type DecisionKind = (typeof DECISION_KINDS)[number];

/** `begun`: nominated, and nothing is known yet of how it ended. */
export const DECISION_OUTCOMES = ['begun', 'refused', 'superseded', 'failed', 'done'] as const;

/** The phase in which a candidate changes the register for the first time: before it, nothing was changed. */
export const PHASE_NAMED = 'being named in the register';

const ms = z.number().nullable();

/** What one site knew of the primary. Times are ms of silence; null: it could not be measured there. */
const SIGHTING = z.object({
  site: z.string(),
  suspects: z.boolean(),
  /** For how long it had suspected; 0 when it does not. */
  sinceMs: z.number(),
  signs: z.object({ dataMs: ms, probeMs: ms, beatMs: ms }),
  /** Why its health vote does not count; null when it does. */
  abstains: z.string().nullable(),
});
/** What one site had seen of the primary when it was decided. */
export type Sighting = z.output<typeof SIGHTING>;

/** Null rows: not counted. */
const AMOUNT = z.object({ records: z.number(), rows: z.number().nullable() });
/** How much a decision cost, in records and rows. */
export type Amount = z.output<typeof AMOUNT>;

/** A decision as JSON. */
export const DECISION = z.object({
  id: z.string(),
  /** Wall time of the site that decided. */
  atMs: z.number(),
  /** Which decided. */
  site: z.string(),
  keyspace: z.string(),
  kind: z.enum(DECISION_KINDS),
  outcome: z.enum(DECISION_OUTCOMES),
  /** In words: the rule that decided. */
  rule: z.string(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  /** The epoch that began, or that was to begin. */
  epoch: z.number().nullable(),
  saw: z.array(SIGHTING),
  /** One after the other. */
  phases: z.array(z.object({ name: z.string(), ms: z.number() })),
  /** Of the epoch that ended; null: not known, or nothing ended. */
  kept: AMOUNT.nullable(),
  lost: AMOUNT.nullable(),
  /** What no site could tell any more, as a sentence without its full stop; null: nothing acked was lost unnoticed. */
  unknown: z.string().nullable().default(null),
  /** What it cost, as a sentence without its full stop; null: nothing worth a word. */
  cost: z.string().nullable(),
  /** What would have prevented it, or the way out of a refusal: likewise. */
  wouldHavePrevented: z.string().nullable(),
  remedy: z.string().nullable(),
  /** Why, in the words of whoever decided: likewise. */
  words: z.string(),
});
/** One thing that was decided or refused, or one part of it, as it is stored and served. */
export type Decision = z.output<typeof DECISION>;

/** Records of an epoch up to where it ended; null: it did not end, or nothing is known of it. */
export function keptUpTo(epochEnds: readonly EpochEndAt[] | null | undefined): Amount | null {
  return epochEnds == null ? null : { records: epochEnds.reduce((sum, { seq }) => sum + seq + 1, 0), rows: null };
}

const TERM_KINDS: ReadonlySet<DecisionKind> = new Set([
  'beginning',
  'restart',
  'failover',
  'switchover',
  'takeover',
  'untold',
]);

/** The epoch that began by a decision; null: none did. */
export function epochBegunBy({ kind, outcome, epoch }: Decision): number | null {
  return outcome === 'done' && TERM_KINDS.has(kind) ? epoch : null;
}

/** What every decision has, and nothing where there is nothing to say. */
export const NOTHING_ELSE = {
  from: null,
  to: null,
  epoch: null,
  saw: [],
  phases: [],
  kept: null,
  lost: null,
  unknown: null,
  cost: null,
  wouldHavePrevented: null,
  remedy: null,
} as const satisfies Partial<Decision>;

/** The JSON that is stored; `decodeDecision` reads it. */
export function encodeDecision(decision: Decision): string {
  return JSON.stringify(decision);
}

/** @throws {Fault} `corrupt`: not a decision, and where. */
export function decodeDecision(text: string): Decision {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Fault('corrupt', 'decision: not JSON', { got: text.slice(0, 80), cause: error });
  }
  return decisionOf(json);
}

/** @throws {Fault} `corrupt`: not a decision, and where. */
export function decisionOf(json: unknown): Decision {
  const parsed = DECISION.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new Fault('corrupt', `decision: ${path.join('.')}: ${message}`, { cause: parsed.error });
}

/**
 * The parts of one decision as one. What was seen and the phases are taken from all; of everything else the part that
 * knows most of the end speaks first.
 * Law: parts in any order, any of them repeated, end in the same decision.
 */
export function joinDecisions(parts: readonly Decision[]): Decision {
  if (parts.length === 1) return parts[0]!;
  const texts = new Map(parts.map((part) => [encodeDecision(part), part]));
  const ordered = [...texts.keys()].sort().map((text) => texts.get(text)!);
  ordered.sort((a, b) => progressOf(a) - progressOf(b));
  return ordered.reduce(joinTwo);
}

function progressOf({ outcome }: Decision): number {
  return DECISION_OUTCOMES.indexOf(outcome);
}

function joinTwo(first: Decision, last: Decision): Decision {
  const saw = [...first.saw.filter(({ site }) => last.saw.every((one) => one.site !== site)), ...last.saw];
  const phases = [...first.phases.filter(({ name }) => last.phases.every((one) => one.name !== name)), ...last.phases];
  return {
    ...last,
    atMs: Math.min(first.atMs, last.atMs),
    from: last.from ?? first.from,
    to: last.to ?? first.to,
    epoch: last.epoch ?? first.epoch,
    saw,
    phases,
    kept: last.kept ?? first.kept,
    lost: last.lost ?? first.lost,
    unknown: last.unknown ?? first.unknown,
    cost: last.cost ?? first.cost,
    wouldHavePrevented: last.wouldHavePrevented ?? first.wouldHavePrevented,
    // What helped while it was open is of no use any more.
    remedy: last.outcome === 'done' ? last.remedy : (last.remedy ?? first.remedy),
  };
}

/** Decisions read at several places, parts joined, newest first. */
export function historyOf(decisions: Iterable<Decision>): Decision[] {
  const parts = new Map<string, Decision[]>();
  for (const decision of decisions) parts.set(decision.id, [...(parts.get(decision.id) ?? []), decision]);
  return [...parts.values()].map(joinDecisions).sort((a, b) => b.atMs - a.atMs || (a.id < b.id ? -1 : 1));
}
