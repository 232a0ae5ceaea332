/** What a site says of its copies of the logs: how an election, and the founding of a register, know what there is. */

/** What a site's copies hold. */
export type SiteCopies = {
  readonly site: string;
  readonly copies: readonly {
    readonly origin: string;
    readonly logId: string;
    readonly trusted: boolean;
    /** As in a `FenceReport`, of the newest term known there. */
    readonly vouched: string | null;
    /** Why it cannot follow: no site has the records any more that come next. */
    readonly stranded?: string | null;
    /** Epochs below this were fenced there; absent: none was. */
    readonly fencedBelow?: number;
    /** By partition: epoch, seq and chain of the last accepted record. */
    readonly positions: readonly (readonly [number, number, string])[];
  }[];
};
