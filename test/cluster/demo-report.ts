/** What `npm run demo -- --fast --json` has to report: who took over, and that nothing acked is missing or wrong. */

import { expect } from 'vitest';

export const DEMO_REPORT = {
  sites: ['paris', 'tokyo', 'quito'],
  rowsOffered: 30_000,
  rowsAcked: 30_000,
  failover: { from: 'paris', to: expect.stringMatching(/^(?:tokyo|quito)$/), epoch: 2 },
  ...{ ackedRowsMissing: 0, ackedRowsWrong: 0, digestsEqual: true },
  ...{ returned: { site: 'paris' }, replay: { rows: 30_000, equal: true } },
};
