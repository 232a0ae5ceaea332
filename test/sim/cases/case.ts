/** A story that went wrong once, kept as it was, whatever seeds draw by now. */

import type { Scenario } from '../scenario.ts';

export type Case = {
  readonly name: string;
  /** What went wrong. */
  readonly tells: string;
} & (
  | { readonly scenario: Scenario }
  /** @throws {Error} says what is wrong again */
  | { readonly play: () => Promise<void> }
);
