/** A deliberate weakening of one rule: a text of one file, and what stands there instead. */

import type { Draw } from '../draws.ts';

export type Weakening = {
  readonly name: string;
  /** Which rule of the protocol it breaks, and how. */
  readonly breaks: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
};

/** One that the simulator has to notice. */
export type Mutant = Weakening & {
  /** Invariants of which one should notice. */
  readonly caughtBy: readonly string[];
  /** What its seeds draw beside what always is; all there is unless it is said. */
  readonly draws?: readonly Draw[];
  /** A seed that notices, tried first. */
  readonly seed?: number;
  /** A case that notices, by its name: it is played before any seed. */
  readonly case?: string;
};
