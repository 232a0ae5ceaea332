/** Mutants of what a mirror does, and of the verdict on a record. */

import type { Mutant } from './mutant.ts';

export const COPYING: readonly Mutant[] = [
  {
    name: 'durable-before-stored',
    breaks: 'rule 12: durable is told after the records are read back',
    caughtBy: ['I2', 'I17'],
    file: 'services/mirror/copier.ts',
    from: 'return this.#tail?.ackable ?? NOWHERE;',
    to: 'return this.#tail === null ? NOWHERE : { ...this.#tail.ackable, seq: this.#tail.ackable.seq + 1 };',
  },
  {
    name: 'gaps-accepted',
    breaks: 'rule 3: a record after a gap does not count',
    caughtBy: ['I2', 'I5', 'I17', 'I20', 'assertion'],
    file: 'packages/schema/accept.ts',
    from: 'if (envelope.seq > prefix.seq + 1) {',
    to: 'if (envelope.seq > prefix.seq + 1_000_000) {',
  },
  {
    name: 'any-chain',
    breaks: 'rule 3: the chain must follow',
    caughtBy: ['I2', 'I4', 'I5', 'I20'],
    file: 'packages/schema/accept.ts',
    from: 'if (!follows(prefix.chain)) {',
    to: 'if (!follows(prefix.chain) && prefix.epoch < 0) {',
  },
  {
    name: 'copy-from-the-checkpoint',
    breaks: 'rule 5: a checkpoint is checked against the record there',
    caughtBy: ['I2', 'I20', 'I5', 'assertion'],
    file: 'packages/log/tail.ts',
    from: 'if (headOffset < start || headOffset >= end) return false;',
    to: 'if (headOffset < start) return false;\n    if (headOffset >= 0) return true;',
  },
  {
    name: 'stop-at-a-foreign-record',
    breaks: 'rule 3: what is ignored stalls nothing',
    caughtBy: ['I20'],
    file: 'packages/schema/accept.ts',
    from: "if (isFault(error, 'corrupt')) return ignore(prefix, error.message, true);",
    to: "if (isFault(error, 'corrupt')) return { kind: 'HALT', reason: error.message, prefix };",
  },
];
