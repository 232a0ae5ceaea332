/** What can go wrong in a run: plain data, so that it can be made smaller and told. */

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
    | { readonly kind: 'appends'; readonly site: string; readonly rate: number }
    | { readonly kind: 'log-away'; readonly site: string }
    | { readonly kind: 'poison'; readonly site: string; readonly salt: number }
    /** Is killed, and a partition of its log has lost its end when it comes back. */
    | { readonly kind: 'lost-end'; readonly site: string; readonly salt: number }
    /** Is killed, all its disks are replaced by empty ones, and once it is back an operator lets its vote in. */
    | { readonly kind: 'wipe'; readonly site: string }
    | { readonly kind: 'board-empty'; readonly site: string }
    | { readonly kind: 'board-away'; readonly site: string }
    | { readonly kind: 'board-late'; readonly site: string }
    | { readonly kind: 'clock'; readonly site: string; readonly wrongMs: number; readonly strobes: boolean }
    | { readonly kind: 'disk-full'; readonly site: string }
    | { readonly kind: 'disk-error'; readonly site: string }
    /** Somebody wants the site to be the primary, rightly or not. */
    | { readonly kind: 'nominate'; readonly site: string; readonly cause: 'suspicion' | 'switchover' | 'failover' }
  );
