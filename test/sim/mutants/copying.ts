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
];
