import { describe, expect, it } from 'vitest';
import { recordsBehind } from './positions.ts';
import { isSound, type TrialReport } from './trial.ts';

const CUT = { site: 'quito', cutMs: 30_000, stateSeen: 'unknown', recordsBehind: 7, caughtUpMs: 600, seenAlive: true };
const FAILOVER: TrialReport['failover'] = {
  ...{ from: 'paris', to: 'tokyo', epoch: 2, writesBackMs: 3_000, rowsAcked: 10 },
  returned: { site: 'paris', divergentRecords: 0, exported: 0, caughtUpMs: 900 },
};
const SOUND: TrialReport = {
  sites: ['paris', 'tokyo', 'quito'],
  rowsOffered: 100,
  rowsAcked: 100,
  rowsUnknown: 0,
  rowsPerSecond: 1,
  ackMs: { p50: 1, p99: 1 },
  lagMs: { p50: 1, p99: 1 },
  equalBeforeCut: true,
  cut: CUT,
  failover: FAILOVER,
  rowsAtSites: [100, 100, 100],
  ackedRowsMissing: 0,
  ackedRowsWrong: 0,
  examples: [],
  digest: 'd',
};

describe('the cluster lane', () => {
  it('is content when everything acked is at every site, and a site was cut off and came back', () => {
    expect(isSound(SOUND)).toBe(true);
  });

  it.each<[string, Partial<TrialReport>]>([
    ['a row that was not acked', { rowsAcked: 99 }],
    ['an acked row that is missing', { ackedRowsMissing: 1 }],
    ['an acked row with another value', { ackedRowsWrong: 1 }],
    ['digests that differ before the cut', { equalBeforeCut: false }],
    ['digests that differ at the end', { digest: null }],
    ['a cut that held nothing back', { cut: { ...CUT, recordsBehind: 0 } }],
    ['a cut that nobody noticed', { cut: { ...CUT, stateSeen: 'alive' } }],
    ['a site that does not catch up', { cut: { ...CUT, caughtUpMs: null } }],
    ['a lost primary that nobody took over from', { failover: { ...FAILOVER, to: null } }],
    ['a site that is not heard of again', { cut: { ...CUT, seenAlive: false } }],
  ])('is not content with %s', (_what, defect) => {
    expect(isSound({ ...SOUND, ...defect })).toBe(false);
  });

  it('counts what a site lacks partition by partition: being ahead in one makes up for nothing in another', () => {
    expect(recordsBehind([5, 9], [7, 4])).toBe(2);
    expect(recordsBehind([], [3])).toBe(4);
    expect(recordsBehind([3, 3], [3, 3])).toBe(0);
  });
});
