/** A story that went wrong once, kept as it was, whatever seeds draw by now. */

import type { Scenario } from '../scenario.ts';

export type Case = {
  readonly name: string;
  /** What went wrong. */
  readonly tells: string;
  /** The product's rule for it is not there yet: run by name only. */
  readonly isHeld?: true;
} & (
  | { readonly scenario: Scenario }
  /** @throws {Error} says what is wrong again */
  | { readonly play: () => Promise<void> }
);
