/** What proposers and writers ask of an acceptor, and what it answers. */

import type { Ballot } from './ballot.ts';
import type { RegisterValue } from './register-value.ts';

/** A value with the ballot it was accepted under. */
export type Accepted = { readonly ballot: Ballot; readonly value: RegisterValue };

/** What is asked of an acceptor. */
export type RegisterRequest =
  | { readonly kind: 'prepare'; readonly ballot: Ballot }
  | { readonly kind: 'accept' | 'chosen'; readonly ballot: Ballot; readonly value: RegisterValue }
  | { readonly kind: 'read' }
  | { readonly kind: 'lease'; readonly epoch: number; readonly writerId: string };

/** What every answer says: who answers, and how its vote stands. */
export type RegisterAnswer = {
  /** Identity of the acceptor: whether its vote counts, the register's value tells. */
  readonly acceptor: string;
  /** Whether what was asked for was done, or the lease granted; always true of `read` and `chosen`. */
  readonly ok: boolean;
  /** Why not; null when ok. */
  readonly reason: string | null;
  readonly promised: Ballot;
  readonly accepted: Accepted | null;
};
