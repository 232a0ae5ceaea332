/** A deliberate weakening of one rule: a text of one file, and what stands there instead. */

export type Mutant = {
  readonly name: string;
  /** Which rule of the protocol it breaks, and how. */
  readonly breaks: string;
  /** Invariants of which one should notice. */
  readonly caughtBy: readonly string[];
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
};
