import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { describe, expect, it } from 'vitest';
import { balanceOf } from './balance.ts';
import { failoverAfter } from './failover-after.ts';
import { type DrillReport, drillInWords, isBalanced } from './report.ts';

const site = (name: string, missing: number, wrong = 0) => ({
  ...{ site: name, rows: 100, missing, wrong, extra: 0, unacked: 0, examples: [] },
});
const decision = (id: string, atMs: number, more: Partial<Decision> = {}): Decision => ({
  ...NOTHING_ELSE,
  ...{ id, atMs, site: 'quito', keyspace: 'travel', kind: 'failover', outcome: 'done', rule: '', words: 'w', ...more },
});
const REPORT: DrillReport = {
  ...{ drill: 'kill primary', engine: 'kafka', ack: 'sync(1)', from: 'paris', to: 'tokyo', epoch: 2 },
  rto: { detectedMs: 3_000, promotedMs: 3_400, writesBackMs: 3_600, pauseMs: 3_500 },
  rpo: { rows: 0 },
  ledger: { offered: 120, acked: 100, unknown: 0, kept: 100, missing: 0, wrong: 0, extra: 0 },
  returned: { site: 'paris', divergentRecords: 0, exported: 0, caughtUpMs: 900 },
  ...{ digestsEqual: true, explained: 'On 2026-11-25 …', durationMs: 9_000 },
};

describe('the balance of a drill', () => {
  it('is acked = kept + missing + wrong, and a row that two sites miss is one row', () => {
    const sites = [site('a', 2), site('b', 2, 1), site('c', 0)];
    const verdict = { checked: 300, missing: 4, wrong: 1, extra: 0, unacked: 0, sites };
    const balance = balanceOf({ offered: 110, acked: 100, unknown: 5 }, verdict);
    expect(balance).toEqual({
      ...{ offered: 110, acked: 100, unknown: 5, kept: 97, missing: 2, wrong: 1, extra: 0 },
    });
  });

  it.each<[string, Partial<DrillReport>]>([
    ['an acked row is missing', { ledger: { ...REPORT.ledger, missing: 1 } }],
    ['one has another value', { ledger: { ...REPORT.ledger, wrong: 1 } }],
    ['there is one that was never sent', { ledger: { ...REPORT.ledger, extra: 1 } }],
    ['nothing was acked at all', { ledger: { ...REPORT.ledger, acked: 0 } }],
    ['the sites differ', { digestsEqual: false }],
  ])('is none when %s', (_what, defect) => {
    expect(isBalanced(REPORT)).toBe(true);
    expect(isBalanced({ ...REPORT, ...defect })).toBe(false);
  });

  it('reads well', () => {
    expect(drillInWords(REPORT)).toMatch(/paris → tokyo\n.*epoch +2\n.*RTO: writes back after +3600 ms/s);
    expect(drillInWords({ ...REPORT, to: null, rto: { ...REPORT.rto, writesBackMs: null } })).toMatch(
      /paris, as before/,
    );
  });
});

describe('the failover after a fault', () => {
  it('is the one that was done, not an older one, another decision or one that was superseded', () => {
    const all = [
      decision('late', 5_000, { outcome: 'superseded' }),
      decision('mine', 4_000),
      decision('return', 3_500, { kind: 'return' }),
      decision('old', 1_000),
    ];
    expect(failoverAfter(all, 3_000)?.id).toBe('mine');
    expect(failoverAfter(all.slice(2), 3_000)).toBeNull();
  });
});
