/** Mutants of what bounds the loss of a `local` keyspace, and of what becomes of what was lost. */

import type { Mutant } from './mutant.ts';

export const LEASING: readonly Mutant[] = [
  {
    name: 'accepted-loss-not-held-to',
    breaks: 'E5: an election loses no more rows than were accepted',
    caughtBy: ['E5'],
    seed: 213,
    file: 'packages/control/failover/loss.ts',
    from: "return received.rows <= rowsMax ? { mode: 'received', loss: received } : null;",
    to: "return { mode: 'received', loss: received };",
  },
  {
    name: 'dropped-rows-not-counted',
    breaks: 'E5: received rows behind the last whole barrier are lost too',
    caughtBy: ['E5'],
    seed: 50,
    file: 'services/writer/election/lossy-ends.ts',
    from: 'consistent: consistentMark === null ? null : lossOf(consistentMark, written, unheardRows),',
    to: 'consistent: consistentMark === null ? null : lossOf(kept, written, 0),',
  },
  {
    name: 'lease-not-waited-for',
    breaks: 'rule 15: an election with a loss waits until no lease before it is used any more',
    caughtBy: ['rule 15', 'linearizable'],
    seed: 213,
    file: 'services/writer/election/election.ts',
    from: 'const lossyMs = value.ack.k === 0 ? LEASE_OVER_MS : LOSSY_MS;',
    to: 'const lossyMs = Math.min(LOSSY_MS, LEASE_OVER_MS);',
  },
  {
    name: 'write-on-past-the-lease',
    breaks: 'rule 15: a local writer stops when its lease has run out',
    caughtBy: ['rule 15', 'linearizable'],
    file: 'services/writer/election/lease.ts',
    from: 'if (this.#stop.signal.aborted || leaseHolds(this.#since, this.#now())) continue;',
    to: 'if (this.#stop.signal.aborted || this.#since.monotonicMs >= 0) continue;',
  },
  {
    name: 'tail-not-exported',
    breaks: 'rule 20: what lies beyond an epoch end is written out',
    caughtBy: ['I19'],
    file: 'services/applier/applier.ts',
    from: '    this.unwrittenTails.add(origin);\n',
    to: '\n',
  },
  {
    name: 'beyond-the-cut-not-rewound',
    breaks: 'rule 21: a store beyond an epoch end is discarded',
    caughtBy: ['I19', 'I5', 'I20', 'I3'],
    file: 'services/applier/keyspace/read-gate.ts',
    from: '    if (this.#isBeyond) return;\n',
    to: '    if (!this.#isBeyond) return;\n',
  },
  {
    name: 'tables-beyond-the-cut',
    breaks: 'rule 21: tables that were told of beyond an epoch end go with what else lies there',
    caughtBy: ['case'],
    case: 'cut-off-column',
    file: 'services/applier/keyspace/rebuild.ts',
    from: 'schemaCut !== null && schemaAt.seq > schemaCut',
    to: 'schemaCut !== null && schemaAt.seq < -1',
  },
];
