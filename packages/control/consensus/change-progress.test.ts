import { expect, it } from 'vitest';
import { REGISTER } from '../testing/sample-register.ts';
import { afterRound, beginChange, type ChangeProgress, decideChange } from './change-progress.ts';
import type { Outcome } from './proposer.ts';
import { setPaused } from './register-changes.ts';
import { CHANGES_KEPT, type RegisterValue } from './register-value.ts';

const lost = (proposed: RegisterValue): Outcome => ({ kind: 'silence', why: 'nobody answers', proposed });
const at = (version: number, changes: readonly string[]): RegisterValue => ({
  ...REGISTER,
  ...{ version, changes, changeId: changes.at(-1)! },
});

it('a round that chose a value settles it: made where the value has it, else refused, or nobody can tell', () => {
  const chosen = (changes: readonly string[], refused: string | null): Outcome => {
    return { kind: 'chosen', value: at(11, changes), refused };
  };
  const end = (outcome: Outcome): string => afterRound(beginChange('ours'), outcome).kind;
  expect(end(chosen(['ours', 'theirs'], null))).toBe('made');
  expect(end(chosen(['ours'], 'by a rule'))).toBe('made');
  expect(end(chosen(['theirs'], 'by a rule'))).toBe('refused');
  expect(end(chosen(['theirs'], null))).toBe('forgotten');
});

it('counts from the latest version under which it was proposed', () => {
  let progress = beginChange('ours');
  for (const version of [14, 12]) {
    const end = afterRound(progress, lost(at(version, ['ours'])));
    if (end.kind === 'again') ({ progress } = end);
  }
  expect(progress.proposedAs).toBe(14);
});

it('a change that was made and built upon is not made again, however often its proposer was not answered', () => {
  const step = (progress: ChangeProgress, proposed: RegisterValue): ChangeProgress => {
    const end = afterRound(progress, lost(proposed));
    if (end.kind !== 'again') throw new Error(end.kind);
    return end.progress;
  };
  let progress = step(beginChange('ours'), at(11, ['ours']));
  // It is found in a value that others have built upon, and carried on once more, unanswered again.
  progress = step(progress, at(11 + CHANGES_KEPT - 1, ['ours', 'theirs']));
  const late = at(11 + CHANGES_KEPT, ['theirs']);
  expect(decideChange(progress, late, (value, id) => setPaused(value, id, true))).toBe('as it is');
});
