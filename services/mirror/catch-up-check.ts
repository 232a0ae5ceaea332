/** How far a copy may be said to be durable (protocol rule 12): only while everything earlier is held here too. Pure. */

import type { Reign } from '@tidemark/control/consensus/register-value';
import { NOWHERE, type Position } from '@tidemark/model/position';

/**
 * @param durable the highest ackable position stored in a partition of this site's copy of `origin`
 * @param reigns as the register names them; null while it is not known
 * @param holds whether this site's copy of a closed reign's origin holds the partition up to that reign's cut
 * @returns the position that may be promised, never beyond the cut of a closed reign; NOWHERE when none of it may
 */
export function promisable(
  origin: string,
  partition: number,
  durable: Position,
  reigns: readonly Reign[] | null,
  holds: (reign: Reign) => boolean,
): Position {
  if (durable.seq < 0 || reigns === null) return NOWHERE;
  // A record of a reign the register does not name yet: what came before it cannot be known either.
  const reign = reigns.find(({ epoch }) => epoch === durable.epoch);
  if (reign === undefined || reign.site !== origin) return NOWHERE;
  const cut = reign.cuts?.[partition]?.seq ?? durable.seq;
  if (cut < 0) return NOWHERE;
  const earlier = reigns.filter(({ epoch }) => epoch < durable.epoch);
  return earlier.every((one) => one.cuts !== null && holds(one))
    ? { epoch: durable.epoch, seq: Math.min(durable.seq, cut) }
    : NOWHERE;
}
