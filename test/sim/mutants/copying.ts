/** Mutants of what a mirror does, and of the verdict on a record. */

import type { Mutant } from './mutant.ts';

export const COPYING: readonly Mutant[] = [
  {
    name: 'durable-before-stored',
    breaks: 'rule 12: durable is told after the records are read back',
    caughtBy: ['I2', 'I17'],
    file: 'services/mirror/replicator.ts',
    from: 'return this.#tail?.ackable ?? NOWHERE;',
    to: 'return this.#tail === null ? NOWHERE : { ...this.#tail.ackable, seq: this.#tail.ackable.seq + 1 };',
  },
  {
    name: 'any-chain',
    breaks: 'rule 3: the chain must follow',
    caughtBy: ['I2', 'I4', 'I5', 'I20'],
    file: 'packages/record/admit.ts',
    from: 'if (!follows(logHead.chain)) {',
    to: 'if (!follows(logHead.chain) && logHead.epoch < 0) {',
  },
  {
    name: 'stop-at-a-foreign-record',
    breaks: 'rule 3: what is ignored stalls nothing',
    caughtBy: ['I20'],
    file: 'packages/record/admit.ts',
    from: "if (isFault(error, 'corrupt')) return ignore(logHead, error.message, true);",
    to: "if (isFault(error, 'corrupt')) return { kind: 'HALT', reason: error.message, logHead };",
  },
  {
    name: 'an-epoch-starts-over-a-hole',
    breaks: 'rule 3: a later epoch begins only where the one before it of its origin has ended',
    caughtBy: ['I2', 'I4', 'I5', 'I20'],
    file: 'packages/record/admit.ts',
    from: 'if (ownEpoch > 0 && comparePositions(logHead, end) < 0) {',
    to: 'if (ownEpoch < 0 && comparePositions(logHead, end) < 0) {',
  },
  {
    name: 'behind-a-trimmed-source-for-ever',
    breaks: 'rule 4: what the usual source has not got any more is copied from whoever has it',
    caughtBy: ['I20'],
    draws: ['trimmed'],
    file: 'services/mirror/detours.ts',
    from: 'this.#left = this.#others;',
    to: 'this.#left = [];',
  },
  {
    name: 'a-trimmed-copy-is-whole',
    breaks: 'identities: a copy that lost its beginning is not what it was, however well its end is known',
    caughtBy: ['I2', 'I17', 'I20'],
    draws: ['trimmed'],
    file: 'packages/log/tail.ts',
    from: "if (start > tail.#begin) tail.#lost = 'beginning';",
    to: "if (start > tail.#begin && known === null) tail.#lost = 'beginning';",
  },
  {
    name: 'a-trimmed-control-topic-ends-its-site',
    breaks: 'rule 7: an acceptor that is behind its own topic reads it again',
    caughtBy: ['assertion'],
    draws: ['trimmed'],
    file: 'services/watchdog/vote/acceptor.ts',
    from: 'if (isTrimmed(error) || isLost(error)) throw this.#beginAgain(error);',
    to: 'if (isLost(error)) throw this.#beginAgain(error);',
  },
];
