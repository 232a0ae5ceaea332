/** A deliberate weakening of one rule: a text of one file, and what stands there instead. */

export type Mutant = {
  readonly name: string;
  /** Which rule of the protocol it breaks, and how. */
  readonly breaks: string;
  /** Invariants of which one should notice. */
  readonly caughtBy: readonly string[];
  /** A seed that notices, tried first. */
  readonly seed?: number;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
};
