/** What the models of the source paper are fed with: measured here, or known of past failovers. */

import type { Decision } from '@tidemark/control/audit/decision';
import { type Measured, type Models, modelsOf } from '@tidemark/control/failover/models';
import type { KeyspaceFacts } from '../facts.ts';
import type { LastFailover } from './status.ts';

/** So many failovers are looked back at. */
const LOOKED_BACK = 10;
/** What an election takes on a quiet system, beside the silence that is waited for, ms. */
const ELECTION_MS = 500;

type MeasuredParts = {
  readonly primary: string;
  /** What this site says of the keyspace. */
  readonly facts: KeyspaceFacts | undefined;
  /** Age of the newest barrier of the primary when it was read here; null: none was. */
  readonly barrierAgeMs: number | null;
  /** Share of the probes of the primary's site without an answer. */
  readonly failing: number | null;
  /** Of this keyspace, newest first. */
  readonly history: readonly Decision[];
  /** How long a primary must be silent until another is nominated, ms. */
  readonly silenceMs: number;
};

/**
 * The models' predictions for one keyspace; where there was no failover yet, silence and a usual election are expected.
 */
export function measuredModels({ primary, facts, barrierAgeMs, failing, history, silenceMs }: MeasuredParts): Models {
  const moves = failoversIn(history).slice(0, LOOKED_BACK);
  const { lagMs, state } = facts?.origins.find(({ origin }) => origin === primary)?.lag ?? UNKNOWN;
  const measured: Measured = {
    storedMs: barrierAgeMs,
    appliedAgeMs: state === 'live' ? lagMs : null,
    failing,
    behindRecords: facts?.copies.find(({ origin }) => origin === primary)?.behindRecords ?? null,
    failoversMs: moves.filter(({ kind }) => kind === 'failover').map(({ totalMs }) => totalMs),
    lostRows: moves[0]?.lostRows ?? null,
  };
  return modelsOf(measured, { failoverMs: silenceMs + ELECTION_MS });
}

const UNKNOWN = { lagMs: null, state: 'unknown' } as const;

/** Moves to another site that came to their end, newest first. */
export function failoversIn(history: readonly Decision[]): LastFailover[] {
  return history.flatMap((decision): LastFailover[] => {
    const { kind, outcome, atMs, from, to, epoch, phases, lost } = decision;
    const isMove = kind === 'failover' || kind === 'switchover' || kind === 'takeover';
    if (!isMove || outcome !== 'done') return [];
    const totalMs = phases.reduce((sum, { ms }) => sum + ms, 0);
    return [{ decision: decision.id, kind, atMs, from, to, epoch, phases, totalMs, lostRows: lost?.rows ?? null }];
  });
}
