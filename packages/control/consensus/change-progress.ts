/**
 * One change on its way through as many rounds as it takes (protocol rule 8). Pure. A round that sent ACCEPTs and did not
 * end well may have made the change: from then on the change is looked for in whatever is read, and nothing is told
 * before a round has chosen a value in which it is, or upon which it can no longer come.
 */

import type { Outcome } from './proposer.ts';
import type { Change } from './register-changes.ts';
import { type RegisterRules, RULES } from './register-rules.ts';
import { CHANGES_KEPT, type RegisterValue } from './register-value.ts';

/** How far one change has come over the rounds so far. */
export type ChangeProgress = {
  readonly changeId: string;
  /** The newest version it was proposed as; null while it cannot have been made. */
  readonly proposedAs: number | null;
};

/** A change that no round has proposed yet. */
export function beginChange(changeId: string): ChangeProgress {
  return { changeId, proposedAs: null };
}

/** What a round makes of the value it read. `as it is`: the change is in it, or nobody can tell any more. */
export function decideChange(
  { changeId, proposedAs }: ChangeProgress,
  value: RegisterValue,
  make: (value: RegisterValue, changeId: string) => Change,
  rules: RegisterRules = RULES,
): Change | 'as it is' {
  if (rules.changesSought && value.changes.includes(changeId)) return 'as it is';
  if (isForgotten(proposedAs, value)) return 'as it is';
  return make(value, changeId);
}

/** True when a change proposed as that version may have been made so long ago that the value does not tell any more. */
function isForgotten(proposedAs: number | null, { version }: RegisterValue): boolean {
  return proposedAs !== null && version >= proposedAs + CHANGES_KEPT;
}

/** What came of it, or that another round has to tell. */
export type ChangeEnd =
  | { readonly kind: 'made'; readonly value: RegisterValue }
  | { readonly kind: 'refused'; readonly refused: string }
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'again'; readonly progress: ChangeProgress };

/**
 * Whether a finished round settles the change: made, refused, forgotten (nobody can tell any more whether it was made),
 * or to be tried again.
 */
export function afterRound(progress: ChangeProgress, outcome: Outcome): ChangeEnd {
  const { changeId, proposedAs } = progress;
  if (outcome.kind === 'chosen') {
    const { value, refused } = outcome;
    if (value.changes.includes(changeId)) return { kind: 'made', value };
    return refused === null ? { kind: 'forgotten' } : { kind: 'refused', refused };
  }
  const { proposed } = outcome;
  // A later value that has it in its list says nothing of how long it will stay there.
  if (proposed?.changeId !== changeId) return { kind: 'again', progress };
  return { kind: 'again', progress: { changeId, proposedAs: Math.max(proposedAs ?? 0, proposed.version) } };
}
