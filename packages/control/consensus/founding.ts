/**
 * A keyspace whose register is empty while its logs are not: the control topics were lost at every site. Nothing may be
 * written over what the logs hold, so the newest term found in them is put into the register, and is then closed like
 * any other, by what every member holds. Pure.
 */

import type { SiteCopies } from '../failover/site-copies.ts';

/** Of a term that was found in the logs: who wrote it is not known any more, and nobody is left who vouches for it. */
export const FOUND_WRITER = 'found in the logs';

/** What a keyspace's logs say of its newest term while its register is empty. */
export type Found =
  /** The logs are empty. */
  | { readonly kind: 'nothing' }
  /** `above`: no epoch up to this one may be begun: it was written, or was fenced for. */
  | { readonly kind: 'term'; readonly epoch: number; readonly site: string; readonly above: number }
  /** Its end cannot be told from the logs alone. */
  | { readonly kind: 'unclear'; readonly words: string };

/** @param copies of every member that answered */
export function foundIn(copies: readonly SiteCopies[], partitions: number): Found {
  const heads = copies.flatMap(({ copies: all }) =>
    all.flatMap(({ origin, positions }) => positions.map(([epoch], partition) => ({ origin, epoch, partition }))),
  );
  const epoch = Math.max(0, ...heads.map((head) => head.epoch));
  if (epoch === 0) return { kind: 'nothing' };
  const newest = heads.filter((head) => head.epoch === epoch);
  const origins = [...new Set(newest.map(({ origin }) => origin))];
  if (origins.length > 1) return { kind: 'unclear', words: `epoch ${epoch} was written by ${origins.join(' and ')}` };
  const begun = new Set(newest.map(({ partition }) => partition));
  if (begun.size < partitions) {
    return {
      kind: 'unclear',
      words: `epoch ${epoch} of ${origins[0]} was begun in ${begun.size} of ${partitions} partitions`,
    };
  }
  const lacking = lackOf(copies, origins[0]!);
  if (lacking !== null) return { kind: 'unclear', words: lacking };
  const fenced = copies.flatMap(({ copies: all }) => all.map((copy) => copy.fencedBelow ?? 0));
  return { kind: 'term', epoch, site: origins[0]!, above: Math.max(epoch, ...fenced) };
}

/** Whoever lacks an earlier term cannot be filled: only the register that is gone said where it ended. Null: nobody. */
function lackOf(copies: readonly SiteCopies[], newest: string): string | null {
  const parts = copies.flatMap(({ site, copies: all }) =>
    all.flatMap(({ origin, positions }) => positions.map(([epoch], partition) => ({ site, origin, epoch, partition }))),
  );
  for (const { site, origin, epoch, partition } of parts) {
    const more = parts.find((one) => one.origin === origin && one.partition === partition && one.epoch > epoch);
    if (more === undefined || origin === newest) continue;
    return `${site} lacks what ${origin} wrote in epoch ${more.epoch}, and ${more.site} has it`;
  }
  return null;
}
