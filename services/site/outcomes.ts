/** How an election that was run here ended, as a decision to store: which part of a nomination's story the candidate knows. */

import {
  type Decision,
  type DecisionKind,
  keptUpTo,
  NOTHING_ELSE,
  PHASE_NAMED,
} from '@tidemark/control/audit/decision';
import type { Cause } from '@tidemark/control/consensus/register-value';
import { LOSS_RULE } from '@tidemark/control/failover/loss';
import type { Fault } from '@tidemark/platform/fault';
import { messageOf } from '@tidemark/platform/fault';
import type { Campaign, Outcome, Waiting } from '@tidemark/writer/election/campaign';

type EndedElection = {
  readonly keyspace: string;
  readonly site: string;
  readonly campaign: Campaign;
  readonly outcome:
    | Outcome
    | ({ readonly kind: 'waiting' } & Waiting)
    | { readonly kind: 'failed'; readonly error: Fault | unknown };
  readonly atMs: number;
  /** Of the decision, when nobody gave it one with the nomination. */
  readonly id: string;
};

/** Tells of each election once: one that cannot be finished is tried again and again, and says the same each time. */
export class Outcomes {
  readonly #record: (decision: Decision) => void;
  /** Keyspace → how the last election that was not won ended. */
  readonly #last = new Map<string, string>();
  /** Keyspace → the decision under which an election that waits is told. */
  readonly #waiting = new Map<string, string>();

  constructor(record: (decision: Decision) => void) {
    this.#record = record;
  }

  told(ended: EndedElection): void {
    const { keyspace, campaign } = ended;
    // One that waits, fails and is begun anew is one story until it is won.
    const id = campaign.decisionId ?? this.#waiting.get(keyspace) ?? ended.id;
    const decision = decisionOfElection({ ...ended, id });
    const { kind, outcome } = decision;
    const same = `${kind} ${outcome} ${outcome === 'begun' ? decision.remedy : campaign.version} ${campaign.decisionId ?? ''}`;
    if (outcome !== 'done' && this.#last.get(keyspace) === same) return;
    this.#last.set(keyspace, same);
    if (outcome === 'begun') this.#waiting.set(keyspace, id);
    if (outcome === 'done') this.#waiting.delete(keyspace);
    this.#record(decision);
  }
}

const KIND_OF_CAUSE = {
  start: 'restart',
  suspicion: 'failover',
  failover: 'failover',
  switchover: 'switchover',
  takeover: 'takeover',
} as const satisfies Record<Cause, DecisionKind>;

const RULE_OF_CAUSE = {
  start: 'an epoch belongs to one writer process: a new one begins with an election at the same site',
  suspicion: '',
  failover: 'an operator may name the site that takes over from a lost one',
  switchover: 'the old primary stops and hands over everything before the new one begins',
  takeover: 'an election that stood unchanged for about 10 s may be taken over by another whole member',
} as const satisfies Record<Cause, string>;

function decisionOfElection({ keyspace, site, campaign, outcome, atMs, id }: EndedElection): Decision {
  const { cause, reason } = campaign;
  const common = {
    ...NOTHING_ELSE,
    id: campaign.decisionId ?? id,
    atMs,
    site,
    keyspace,
    kind: KIND_OF_CAUSE[cause],
    rule: RULE_OF_CAUSE[cause],
    to: site,
  };
  switch (outcome.kind) {
    case 'waiting': {
      const { why, remedy } = outcome;
      return {
        ...common,
        outcome: 'begun',
        remedy,
        words: `${reason}; it waits, as nothing acked may be lost: ${why}`,
      };
    }
    case 'failed':
      return { ...common, outcome: 'failed', words: `${reason}; ${messageOf(outcome.error)}`, remedy: REMEDY };
    case 'lost':
      return {
        ...common,
        outcome: 'superseded',
        phases: phasesOf(outcome),
        words: `${reason}; ${outcome.reason}`,
      };
    case 'refused': {
      const { remedy } = outcome;
      const words = `${reason}; ${outcome.reason}`;
      return { ...common, outcome: 'refused', phases: phasesOf(outcome), rule: LOSS_RULE, words, remedy };
    }
    case 'won':
      return { ...common, ...wonPart(campaign, outcome) };
  }
}

/** Nobody has to do anything: while it cannot be finished, it is tried again. */
const REMEDY = 'it is tried again by itself; a site that is away and holds what is missing has to come back';

function wonPart({ cause, reason }: Campaign, outcome: Outcome & { readonly kind: 'won' }): Partial<Decision> & Needed {
  const { elected, closed } = outcome;
  const { value, epoch } = elected;
  const totalMs = outcome.phases.reduce((sum, phase) => sum + phase.ms, 0);
  const isFirst = closed.from === null;
  return {
    kind: isFirst ? 'beginning' : KIND_OF_CAUSE[cause],
    outcome: 'done',
    from: closed.from,
    epoch,
    phases: phasesOf(outcome),
    kept: keptUpTo(value.terms.find((term) => term.epoch === closed.epoch)?.epochEnds),
    lost: isFirst ? null : closed.lost,
    unknown: closed.unknown,
    cost: isFirst ? null : `the election itself kept writes waiting for ${(totalMs / 1_000).toFixed(1)} s`,
    wouldHavePrevented: PREVENTION_OF_CAUSE[cause],
    words: isFirst || closed.how === '' ? reason : `${reason}; epoch ${closed.epoch} was closed ${closed.how}`,
  };
}

type Needed = { readonly outcome: 'done'; readonly words: string };

const PREVENTION_OF_CAUSE = {
  start: null,
  suspicion: 'any one sign of life within the limit, such as a second way to the site for probes or heartbeats',
  failover: 'the lost site being back sooner',
  switchover: null,
  takeover: 'the first candidate living until its election was over',
} as const satisfies Record<Cause, string | null>;

function phasesOf({ phases }: Outcome): Decision['phases'] {
  return phases.map(({ name, ms }) => ({ name: PHASE_NAMES[name], ms }));
}

const PHASE_NAMES = {
  drained: 'handing over',
  named: PHASE_NAMED,
  fenced: 'fencing the old epoch',
  filled: 'filling the members up',
  committed: 'the commit',
} as const;
