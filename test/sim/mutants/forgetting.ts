/** Mutants of when deletes are forgotten. */

import type { Mutant } from './mutant.ts';

const FORGETTING = 'services/applier/keyspace/tombstone-gc.ts';

export const FORGETTING_MUTANTS: readonly Mutant[] = [
  {
    name: 'forget-what-is-applied-here',
    breaks: "rule 18: a tombstone goes when it is below every member's asOf",
    caughtBy: ['I8'],
    file: FORGETTING,
    from: '[own, least, old].reduce(',
    to: '[own, old].reduce(',
    seed: 19,
  },
  {
    name: 'forget-without-who-is-silent',
    breaks: 'rule 18: a member that is not heard of has applied nothing more',
    caughtBy: ['I8'],
    file: FORGETTING,
    from: 'if (reached === undefined) return null;',
    to: 'if (reached === undefined) continue;',
  },
  {
    name: 'digest-of-what-is-forgotten',
    breaks: 'I7: a digest leaves out what a site may have forgotten',
    caughtBy: ['I7', 'I20'],
    file: 'packages/store/digest.ts',
    from: 'const isThere = rows.isLive(row) || tombMsAt(rows, row, gcWatermark) !== NO_STAMP;',
    to: 'const isThere = rows.isLive(row) || tombMsAt(rows, row, null) !== NO_STAMP;',
  },
  {
    name: 'forget-over-older-rows',
    breaks: 'rule 18: no older covered cell is left locally',
    caughtBy: ['I8', 'I5', 'I7', 'I20'],
    file: 'packages/store/merge/tombstone-gc.ts',
    from: '!== -1) return true',
    to: '!== -1) return false',
    seed: 19,
  },
];
