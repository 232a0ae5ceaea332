/** What a drill found, and what it looks like to a person. Pure. */

import { explain } from '@tidemark/control/audit/decision-words';
import { textTable } from '../output/output.ts';
import type { Account } from './account.ts';
import type { Balance } from './balance.ts';
import type { Returned } from './returned.ts';

/** How long it took, in ms from the fault; null: it did not happen. */
export type RecoveryTime = {
  /** Until a site decided that the primary is lost, as that site stored it. */
  readonly detectedMs: number | null;
  /** Until another site said that it is the primary. */
  readonly promotedMs: number | null;
  /** Until the client had an ack from another term. */
  readonly writesBackMs: number | null;
  /** The longest time without any ack. */
  readonly pauseMs: number;
};

/** The result of a drill as JSON; times in ms, on the client's clock. */
export type DrillReport = {
  readonly drill: string;
  readonly engine: string;
  readonly ack: string;
  readonly from: string;
  /** Null when no other site became primary. */
  readonly to: string | null;
  readonly epoch: number | null;
  readonly rto: RecoveryTime;
  /** Acked rows lost. */
  readonly rpo: { readonly rows: number };
  readonly ledger: Balance;
  readonly returned: Returned | null;
  readonly digestsEqual: boolean;
  readonly explained: string | null;
  readonly durationMs: number;
};

/** What only the drill itself knows. */
export type DrillFacts = Pick<DrillReport, 'drill' | 'engine' | 'ack' | 'from' | 'returned' | 'durationMs'> & {
  readonly faultAtMs: number;
  /** When another site was first seen to call itself primary. */
  readonly promotedAtMs: number | null;
};

/** The report from the client's account and what the drill itself observed. */
export function reportOf({ ledger, digestsEqual, outage, decision }: Account, facts: DrillFacts): DrillReport {
  const { faultAtMs, promotedAtMs, durationMs, returned, ...head } = facts;
  return {
    ...head,
    to: outage.to,
    epoch: outage.epoch,
    rto: {
      detectedMs: decision === null ? null : decision.atMs - faultAtMs,
      promotedMs: promotedAtMs === null ? null : promotedAtMs - faultAtMs,
      writesBackMs: outage.writesBackMs,
      pauseMs: outage.pauseMs,
    },
    rpo: { rows: ledger.missing },
    ledger,
    returned,
    digestsEqual,
    explained: decision === null ? null : explain(decision),
    durationMs,
  };
}

/** True when nothing acked is missing or wrong, nothing is from nowhere, and all sites hold the same. */
export function isBalanced({ ledger, digestsEqual }: Pick<DrillReport, 'ledger' | 'digestsEqual'>): boolean {
  return ledger.acked > 0 && ledger.missing === 0 && ledger.wrong === 0 && ledger.extra === 0 && digestsEqual;
}

const ms = (value: number | null): string => (value === null ? 'never' : `${Math.round(value)} ms`);
const count = (n: number): string => Math.round(n).toLocaleString('en');

/** The report as a two-column table for a terminal. */
export function drillInWords(report: DrillReport): string {
  const { rto, ledger, returned } = report;
  const rows = [
    ['primary', report.to === null ? `${report.from}, as before` : `${report.from} → ${report.to}`],
    ['epoch', String(report.epoch ?? 'as before')],
    ['loss detected after', ms(rto.detectedMs)],
    ['promoted after', ms(rto.promotedMs)],
    ['RTO: writes back after', ms(rto.writesBackMs)],
    ['longest pause between acks', ms(rto.pauseMs)],
    ['RPO: acked rows lost', count(report.rpo.rows)],
    ['rows offered / acked / unknown', `${count(ledger.offered)} / ${count(ledger.acked)} / ${count(ledger.unknown)}`],
    ['kept / missing / wrong', `${count(ledger.kept)} / ${count(ledger.missing)} / ${count(ledger.wrong)}`],
    [
      'the lost site',
      returned === null
        ? 'was not lost'
        : `${returned.site}: a member again after ${ms(returned.caughtUpMs)}, ${count(returned.divergentRecords)} records beyond the epoch end`,
    ],
    ['digests', report.digestsEqual ? 'equal' : 'DIFFERENT'],
  ];
  const table = textTable([report.drill, `${report.engine}, ${report.ack}`], rows);
  return report.explained === null ? table : `${table}\n\n${report.explained}`;
}
