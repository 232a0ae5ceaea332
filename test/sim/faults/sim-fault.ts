/** What can go wrong in a run: plain data, so that it can be made smaller and told. */

import type { Restored, TwinFolder } from '../cluster/sim-site.ts';

/** What can be seen from outside while a term is closed and the next one begins; each but `fenced` once for an epoch. */
export type Sign =
  /** The register is to name a candidate: its site. */
  | 'named'
  /** A fence has landed at a site. */
  | 'fenced'
  /** The register is to name the term of a site. */
  | 'commits'
  /** A site's writer has begun its epoch. */
  | 'begun';

type For = { readonly atMs: number; readonly forMs: number };

/** One thing that goes wrong for a while, and is over then. */
export type SimFault = For &
  (
    | { readonly kind: 'kill'; readonly site: string; readonly power: boolean }
    /** Dies at a step of its own, before or after what it asked for was done. */
    | { readonly kind: 'doom'; readonly site: string; readonly afterSteps: number; readonly done: boolean }
    | { readonly kind: 'pause'; readonly site: string }
    | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly both: boolean }
    | { readonly kind: 'isolate'; readonly site: string; readonly clientsToo: boolean }
    | { readonly kind: 'lossy'; readonly rate: number }
    | { readonly kind: 'slow'; readonly ms: number }
    /** Of a site, requests whose path begins so, and their answers, take up to so many ms longer, each on its own. */
    | { readonly kind: 'late'; readonly site: string; readonly of: string; readonly ms: number }
    /** Appends to a site's topics of one kind take up to so many ms longer: before they land, or until they are answered. */
    | {
        readonly kind: 'slow-log';
        readonly site: string;
        readonly of: 'log' | 'mirror' | 'control';
        readonly ms: number;
        readonly landed: boolean;
      }
    | { readonly kind: 'appends'; readonly site: string; readonly rate: number }
    /** Nothing more of one partition is stored in any copy, while the origin goes on. */
    | { readonly kind: 'stuck-copies'; readonly partition: number }
    | { readonly kind: 'log-away'; readonly site: string }
    | { readonly kind: 'poison'; readonly site: string; readonly salt: number }
    /** Is killed, and a partition of its log has lost its end when it comes back. */
    | { readonly kind: 'lost-end'; readonly site: string; readonly salt: number }
    /** Is killed, all its disks are replaced by empty ones, and once it is back an operator lets its vote in. */
    | { readonly kind: 'wipe'; readonly site: string }
    /** Is killed, and comes back with an older copy of what it had: as it was so many ms before. */
    | { readonly kind: 'restored'; readonly site: string; readonly of: Restored; readonly backMs: number }
    /** Is killed, and one of its topics is deleted: it is made again, empty. */
    | { readonly kind: 'remade'; readonly site: string; readonly salt: number }
    /** Somebody starts the site a second time, over the same log, and stops that one again. */
    | { readonly kind: 'twin'; readonly site: string; readonly folder: TwinFolder }
    /**
     * All but the last few records of a partition of its log or a mirror are trimmed behind everybody's back, of a log
     * those that another site holds; then somebody does what the alarm asks for: the site hands over and is started again.
     */
    | { readonly kind: 'trimmed'; readonly site: string; readonly salt: number }
    | { readonly kind: 'board-empty'; readonly site: string }
    | { readonly kind: 'board-away'; readonly site: string }
    | { readonly kind: 'board-late'; readonly site: string }
    | { readonly kind: 'clock'; readonly site: string; readonly wrongMs: number; readonly strobes: boolean }
    /** Somebody asks every site what no site would, of a kind that `salt` draws. */
    | { readonly kind: 'forged'; readonly salt: number }
    /** An operator gives the table one more column, which clients write from then on. */
    | { readonly kind: 'column' }
    | { readonly kind: 'disk-full'; readonly site: string }
    | { readonly kind: 'disk-error'; readonly site: string }
    /** The newest EPOCH_START of an origin turns up in a site's copy, perhaps before what stands in front of it. */
    | { readonly kind: 'early'; readonly site: string; readonly origin: string }
    /** At every site an operator lets suspicion start elections and keeps it from that, again and again. */
    | { readonly kind: 'operators'; readonly everyMs: number }
    /**
     * The next time the sign is seen, of the site unless that is `*`, something goes wrong, its own `atMs` later; where
     * that names the site `*`, at the one the sign was of.
     */
    | { readonly kind: 'when'; readonly sees: Sign; readonly site: string; readonly brings: SimFault }
    /** Somebody wants the site to be the primary, rightly or not. */
    | {
        readonly kind: 'nominate';
        readonly site: string;
        readonly cause: 'suspicion' | 'switchover' | 'failover';
        /** What was acked may be lost: back to the newest barrier received whole, or all that was received. */
        readonly loss?: 'consistent' | 'received';
        /** Of how many rows at most; a million unless told. */
        readonly rowsMax?: number;
      }
  );

/** When it is over at the latest. */
export function endMs(fault: SimFault): number {
  return fault.atMs + fault.forMs + (fault.kind === 'when' ? endMs(fault.brings) : 0);
}
