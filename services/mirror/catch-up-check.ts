/** How far a copy may be said to be durable (protocol rule 12): only while everything earlier is held here too. Pure. */

import type { Term } from '@tidemark/control/consensus/register-value';
import { NOWHERE, type Position } from '@tidemark/model/position';

/**
 * @param durable the highest ackable position stored in a partition of this site's copy of `origin`
 * @param terms as the register names them; null while it is not known
 * @param holds whether this site's copy of a closed term's origin holds the partition up to that term's epoch end
 * @returns the position that may be promised, never beyond the epoch end of a closed term; NOWHERE when none of it may
 */
export function promisable(
  origin: string,
  partition: number,
  durable: Position,
  terms: readonly Term[] | null,
  holds: (term: Term) => boolean,
): Position {
  if (durable.seq < 0 || terms === null) return NOWHERE;
  // A record of a term the register does not name yet: what came before it cannot be known either.
  const term = terms.find(({ epoch }) => epoch === durable.epoch);
  if (term === undefined || term.site !== origin) return NOWHERE;
  const epochEnd = term.epochEnds?.[partition]?.seq ?? durable.seq;
  if (epochEnd < 0) return NOWHERE;
  const earlier = terms.filter(({ epoch }) => epoch < durable.epoch);
  return earlier.every((one) => one.epochEnds !== null && holds(one))
    ? { epoch: durable.epoch, seq: Math.min(durable.seq, epochEnd) }
    : NOWHERE;
}
