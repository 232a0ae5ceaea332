/** Ballots order the proposals of a register (CASPaxos, Rystsov 2018): the larger one wins. */

/** `process` is a uuid made anew by each process, so that no ballot is ever used by two. */
export type Ballot = { readonly counter: number; readonly site: string; readonly process: string };

/** No counter is above it; a control record holds it, and what is one more. */
export const COUNTER_MAX = 2 ** 52;

/**
 * How far a counter may be above the promise it meets. Honest ones rise by one a round, so that none comes near it in years;
 * and whoever wanted to use up all counters there are would have to ask millions of times.
 */
export const COUNTER_STEP_MAX = 2 ** 28;

/** Below every ballot that is used. */
export const NO_BALLOT: Ballot = { counter: 0, site: '', process: '' };

/** Negative when `a` is smaller. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.counter - b.counter || compareTexts(a.site, b.site) || compareTexts(a.process, b.process);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `7@paris`: for people. */
export function formatBallot({ counter, site }: Ballot): string {
  return `${counter}@${site}`;
}
