/** Mutants of what a mirror does. */

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
];
