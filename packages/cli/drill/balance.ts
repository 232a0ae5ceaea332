/** Whether what was acked is there. Pure. */

import type { LedgerVerdict } from '../load/verify-ledger.ts';
import type { LoadSums } from './drill-load.ts';

/** The client's own ledger against what the sites hold. `acked = kept + missing`, and nothing may be missing. */
export type Balance = LoadSums & {
  /** Acked rows that every site has, with the value that was sent. */
  readonly kept: number;
  /** Acked rows that some site has not, or has with another value. */
  readonly missing: number;
  readonly wrong: number;
  /** Rows that are there and were never sent. */
  readonly extra: number;
};

/** Sums by row over all sites: a row that two sites miss is one row. */
export function balanceOf(sums: LoadSums, verdict: LedgerVerdict): Balance {
  const worst = (field: 'missing' | 'wrong' | 'extra'): number => Math.max(...verdict.sites.map((site) => site[field]));
  const missing = worst('missing');
  const wrong = worst('wrong');
  return { ...sums, kept: sums.acked - missing - wrong, missing, wrong, extra: worst('extra') };
}
