/** Mutants of what an applier does. */

import type { Mutant } from './mutant.ts';

export const APPLYING: readonly Mutant[] = [
  {
    name: 'apply-uncommitted',
    breaks: 'rule 16: a store never holds an uncommitted record of a sync keyspace',
    caughtBy: ['I17'],
    file: 'services/applier/origin-fold.ts',
    from: 'return !this.#rules.sync || at.seq',
    to: 'return this.#rules.sync || at.seq',
  },
];
