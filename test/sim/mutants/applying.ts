/** Mutants of what an applier does, and of what a read may show. */

import type { Mutant } from './mutant.ts';

const FOLD = 'services/applier/follow/record-sequencer.ts';

export const APPLYING: readonly Mutant[] = [
  {
    name: 'apply-uncommitted',
    breaks: 'rule 16: a store never holds an uncommitted record of a sync keyspace',
    caughtBy: ['I17'],
    file: FOLD,
    from: 'return !this.#rules.sync || at.seq',
    to: 'return this.#rules.sync || at.seq',
  },
  {
    name: 'apply-beyond-the-cut',
    breaks: 'rule 16: nothing beyond the epoch end is applied',
    caughtBy: ['I5', 'I20', 'I17', 'linearizable'],
    file: FOLD,
    from: 'return epochEnd !== null && at.seq > epochEnd;',
    to: 'return epochEnd !== null && at.seq > epochEnd + 1_000_000;',
  },
  {
    name: 'epochs-out-of-turn',
    breaks: 'rule 16: strictly epoch by epoch',
    caughtBy: ['I5', 'linearizable', 'session', 'I11', 'I3'],
    file: FOLD,
    from: 'return this.#rules.reached(body.previousOrigin, { epoch: body.previousEpoch, seq: body.endSeq });',
    to: 'return true;',
  },
  {
    name: 'primary-reads-are-local',
    breaks: 'rule 17: a primary read waits for a BARRIER appended after it arrived',
    caughtBy: ['linearizable'],
    file: 'services/applier/read/freshness.ts',
    from: "if (read === 'primary') await",
    to: "if (read === 'primary' && timeoutMs < 0) await",
  },
  {
    name: 'at-least-does-not-wait',
    breaks: 'rule 17: an at-least read waits for the position',
    caughtBy: ['session'],
    file: 'services/applier/read/freshness.ts',
    from: 'if (wish.atLeast !== undefined) await',
    to: 'if (wish.atLeast !== undefined && timeoutMs < 0) await',
  },
  {
    name: 'position-before-the-data',
    breaks: 'rule 16: positions live in the manifest with the data',
    caughtBy: ['I5', 'I20'],
    file: 'packages/store/partition.ts',
    from: 'this.#memtables.freeze(false);\n    this.#unflushed.begin();',
    to: 'this.#unflushed.begin();',
  },
];
