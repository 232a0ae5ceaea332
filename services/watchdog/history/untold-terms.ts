/**
 * Terms that this site led and of which no decision was written down: the process that won ended between the commit and
 * the control log, or the control log was lost. That they were is told, so that no election is without a decision.
 */

import { type Decision, keptUpTo, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import type { RegisterValue, Term } from '@tidemark/control/consensus/register-value';

type Untold = { readonly term: Term; readonly before: Term | null };

/**
 * The newest term is not among them: whoever won it may be about to tell.
 * @param isTold whether a decision by which the epoch began is known
 */
export function untoldTerms(
  { terms }: RegisterValue,
  site: string,
  isTold: (epoch: number) => boolean,
): readonly Untold[] {
  return terms
    .slice(0, -1)
    .map((term, at) => ({ term, before: terms[at - 1] ?? null }))
    .filter(({ term }) => term.site === site && !isTold(term.epoch));
}

/** What is known of one from the register alone. Its id is the writer's, so that it is one decision whoever tells it. */
export function decisionOfUntold(keyspace: string, { term, before }: Untold, atMs: number): Decision {
  const { epoch, site, writerId } = term;
  return {
    ...NOTHING_ELSE,
    id: writerId,
    atMs,
    site,
    keyspace,
    kind: 'untold',
    outcome: 'done',
    rule: 'every election leaves a decision',
    from: before?.site ?? null,
    to: site,
    epoch,
    kept: keptUpTo(before?.epochEnds),
    unknown:
      'why it began, how long it took, and whether a loss was accepted: other sites may tell what they were asked',
    words: 'the process that won the election ended before it had written that down, or the control log was lost since',
  };
}
