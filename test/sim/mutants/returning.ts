/** Mutants of what a site that lost something is, until it is level again. */

import type { Mutant } from './mutant.ts';

export const RETURNING: readonly Mutant[] = [
  {
    name: 'a-restored-copy-is-believed',
    breaks: 'E4: a copy closes a term only where somebody vouches that it holds all it promised',
    caughtBy: ['case'],
    case: 'an older both of tokyo, of which quito knows nothing, is believed once paris is lost',
    file: 'packages/control/failover/election.ts',
    from: '!isFound && (k === 0 || report.vouched !== null)',
    to: '!isFound',
  },
  {
    name: 'written-over-an-epoch',
    breaks: 'rule 9: no epoch is begun twice, whatever the register says',
    caughtBy: ['case'],
    case: 'an epoch is begun twice once the control topics are gone',
    file: 'services/writer/election/adoption.ts',
    from: 'if (newestTerm(value) !== null || election === null) return value;',
    to: 'if (value.version >= 0) return value;',
  },
  {
    name: 'wiped-acceptor-counts-as-itself',
    breaks: 'rule 7: a lost acceptor is a new one, and does not vote until it is let in',
    caughtBy: ['I1', 'I4', 'I20', 'assertion'],
    file: 'packages/control/consensus/register-rules.ts',
    from: '  identities: true,',
    to: '  identities: false,',
  },
  {
    name: 'who-waits-tells-nothing',
    breaks: 'E4: an election that waits says for whom, and what an operator can do',
    caughtBy: ['case'],
    case: 'an older both of tokyo, of which quito knows nothing, is believed once paris is lost',
    file: 'services/writer/election/election-loop.ts',
    from: 'this.#waiting = waiting;',
    to: 'if (waiting !== null) return;',
  },
  {
    name: 'an-accepted-loss-waits-its-turn',
    breaks: "E4: an operator's failover that accepts a loss goes before an election that may lose nothing",
    caughtBy: ['I20', 'case'],
    case: 'gives-way',
    file: 'packages/control/failover/move-rules.ts',
    from: "return kind === 'failover' && acceptLoss !== null && loss === null;",
    to: "return kind === 'switchover' && acceptLoss !== null && loss === null;",
  },
  {
    name: 'nobody-whole-nobody-leads',
    breaks: 'E6: where a loss is accepted a candidate that lost something may lead',
    caughtBy: ['I20', 'case'],
    case: 'last-resort',
    file: 'packages/control/failover/election.ts',
    from: 'if (loss === null || own === undefined',
    to: 'if (loss !== null || own === undefined',
  },
  {
    name: 'unheard-is-not-there',
    breaks: 'I11: a site whose control log is a new one does not say that a keyspace does not exist',
    caughtBy: ['I11'],
    seed: 555_871_842,
    file: 'services/site/keyspaces.ts',
    from: 'const unread = isCatalogRead() ? unheard() : [site];',
    to: 'const unread = isCatalogRead() ? [] : [site];',
  },
  {
    name: 'a-lost-log-tells-nobody',
    breaks:
      'E8: a log that is not what its writer noted of it gets its next identity, and is filled: its site may lead again',
    caughtBy: ['I20'],
    seed: 209_038_586,
    file: 'services/writer/appending/opening.ts',
    from: "if (known !== null && isFault(error, 'corrupt')) parts.onLost?.(error.message);",
    to: "if (known === null && isFault(error, 'corrupt')) parts.onLost?.(error.message);",
  },
];
