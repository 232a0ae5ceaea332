/** What an operator is ready to lose, as the register keeps it with the election that may lose it (protocol E11). */

/** A moment of a term, by partition: the seq that had been written, −1 for none, and the rows up to it. */
export type Mark = { readonly heads: readonly number[]; readonly rows: readonly number[] };

/** What was last heard of a lost primary from its heartbeats. */
export type Heard = Mark & {
  /** Rows that it may have written since, at its fastest, until it was fenced, its lease ran out, or now. */
  readonly unheardRows: number;
};

/** How an epoch end may be lowered that no reachable site can complete (E11). */
export type LossRule = {
  /** The most rows an operator is ready to lose. */
  readonly rowsMax: number;
  /** `consistent`: back to the newest barrier received whole; `received`: everything received. */
  readonly mode: 'consistent' | 'received';
  /** What was last heard of the primary where the loss was accepted; null: nothing. */
  readonly heard: Heard | null;
};
