/** Mutants of what a site that lost something is, until it is level again. */

import type { Mutant } from './mutant.ts';

export const RETURNING: readonly Mutant[] = [
  {
    name: 'wiped-acceptor-counts-as-itself',
    breaks: 'rule 7: a lost acceptor is a new one, and does not vote until it is let in',
    caughtBy: ['I1', 'I4', 'I20', 'assertion'],
    file: 'packages/control/register-rules.ts',
    from: '  identities: true,',
    to: '  identities: false,',
  },
];
