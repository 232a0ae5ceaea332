/** How a term was closed, or why it is not yet, for people. Pure. */

import { newestTerm, type RegisterValue } from '../consensus/register-value.ts';
import { isHearsay } from '../consensus/vouching.ts';
import { type Closure, type FenceReport, unvouched } from './election.ts';
import { UNHEARD_MS_MAX } from './loss.ts';

type Lossless = Extract<Closure, { readonly kind: 'lossless' }>;

/** By whose word a term was closed. */
export function proofOf(value: RegisterValue, by: Lossless['by'], reports: readonly FenceReport[]): string {
  const sites = reports.map(({ site, vouched }) => `${site} (${vouchedWords(vouched)})`).join(', ');
  switch (by) {
    case 'first':
      return 'first';
    case 'origin':
      return `by the origin's own log, at ${newestTerm(value)?.site ?? ''}; ${sites} were read`;
    case 'quorum':
      return `by the quorum: ${sites} were read`;
    case 'all':
      return `by all members: the longest of all copies was taken; ${sites} were read`;
  }
}

function vouchedWords(vouched: string | null): string {
  return vouched === null ? 'nobody vouches for it' : vouched === 'itself' ? 'running since before' : `by ${vouched}`;
}

/** What no site could tell any more when a term was closed so; null: everything acked is in the epoch end. */
export function unknownOf(
  value: RegisterValue,
  { by, isHearsay: isRemembered }: Pick<Lossless, 'by' | 'isHearsay'>,
  reports: readonly FenceReport[],
): string | null {
  if (isRemembered) {
    const heard = reports
      .filter(({ vouched }) => isHearsay(vouched))
      .map(({ site, vouched }) => `${site} (${vouched})`);
    return `whether ${heard.join(' and ')} held more than was last heard of it: ${silentOf(value, reports).join(', ')}, which may hold that, did not answer`;
  }
  const origin = newestTerm(value)?.site ?? '';
  // A `local` term is closed by its log as it is, and that loses its end with the power.
  if (by === 'origin' && value.ack.k === 0 && unvouched(reports).includes(origin))
    return `whether the log of ${origin} held more before its process began: with ack local no other site would know`;
  if (by !== 'all') return null;
  const sites = unvouched(reports).join(' and ');
  return `whether ${sites} held more before their processes began: nobody is left who would know, should copies at more sites than one have been put back to an older state`;
}

/** What no site could tell when a term was closed with a loss; null: the rows told are all that may be lost. */
export function unknownOfLoss(value: RegisterValue, reports: readonly FenceReport[]): string | null {
  const origin = newestTerm(value)?.site ?? '';
  const isHeard = reports.some(({ site }) => site === origin);
  if (value.ack.k === 0 && !isHeard)
    return `how much ${origin} acked alone after it was last heard: what is told of that is its rate until then, for ${UNHEARD_MS_MAX / 1_000} s`;
  return unvouched(reports).length === 0 ? null : `what else was acked: ${whyNotClosed(value, reports)}`;
}

/** Why the answers close nothing without a loss. */
export function whyNotClosed(value: RegisterValue, reports: readonly FenceReport[]): string {
  const silent = silentOf(value, reports);
  const doubted = unvouched(reports).filter((site) => value.ack.k > 0 || site !== newestTerm(value)?.site);
  const distrusted = reports.filter(({ trusted }) => !trusted).map(({ site }) => site);
  return [
    silent.length === 0 ? null : `${silent.join(', ')} did not answer`,
    doubted.length === 0
      ? null
      : `${doubted.join(', ')} began again since, and nobody vouches that what is there is all that was promised`,
    distrusted.length === 0 ? null : `${distrusted.join(', ')} lost something`,
  ]
    .filter((part) => part !== null)
    .join('; ');
}

/** What an operator can do about an election that waits: nothing else ends it without a loss. */
export function remedyOf(value: RegisterValue, site: string, reports: readonly FenceReport[]): string {
  const silent = silentOf(value, reports);
  const accept = `or accept that acked rows may be missing: "tidemark failover --to ${site} --accept-loss ROWS"`;
  return silent.length === 0
    ? `let the sites find each other; ${accept}`
    : `bring ${silent.join(', ')} back; ${accept}`;
}

/** Members that have not answered. */
function silentOf(value: RegisterValue, reports: readonly FenceReport[]): readonly string[] {
  return value.members.map(({ site }) => site).filter((site) => reports.every((one) => one.site !== site));
}
