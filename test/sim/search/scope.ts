/** How large a world is searched. */

export type Scope = {
  /** Data sites, at most four. The first is the primary when the search begins. */
  readonly sites: number;
  readonly partitions: number;
  /** Of `ack` when the search begins. */
  readonly k: number;
  /** What a candidate may commit the level to; `k` alone when nothing is said. */
  readonly levels?: readonly number[];
  /** E6 with `degradeTo`: the candidate takes the highest level down to this one that there are holders for. */
  readonly kMin?: number;
  /** The highest epoch: one less than this many elections. */
  readonly epochs: number;
  /** 1: nothing was elected yet, epoch 1 is the first. */
  readonly first: number;
  /** Records that are written beside EPOCH_STARTs. */
  readonly writes: number;
  /** Appends that are under way for long at a time. */
  readonly flying: number;
  /** Topics that lose their end. */
  readonly tails: number;
  /** Sites that lose all disks. */
  readonly wipes: number;
  /** Copies that are put back to an older state, with their site's process begun anew. */
  readonly rollbacks: number;
  /** Level that a leading writer may change to (rule 23); null for never. */
  readonly change: number | null;
};

export const BASE: Scope = {
  sites: 3,
  partitions: 1,
  k: 1,
  epochs: 3,
  first: 0,
  writes: 2,
  flying: 1,
  tails: 0,
  wipes: 0,
  rollbacks: 0,
  change: null,
};
