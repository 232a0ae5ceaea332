/** How many rows are taken into groups without a turn for others: what a row costs is known only once some have been taken. */

/** Between two turns, in rows that are looked at. */
export const GROUPED_COST = 65_536;
const ROWS_MIN = 256;
/** Before it is known how many of the rows make a group. */
const FIRST_ROWS = 1_024;
/** What a new group costs: it is looked for in vain, and put where one of a million is found again. */
const NEW_GROUP_COST = 32;

/** The length of the next stretch, by what the last one cost: rows that lie together are alike. */
export class GroupStretch {
  readonly #rowCost: number;
  readonly #groupCost: number;
  #rows = FIRST_ROWS;

  /** @param rowCost of every row @param groupCost what the aggregates take for a new group; both in rows looked at */
  constructor(rowCost: number, groupCost: number) {
    this.#rowCost = Math.max(1, rowCost);
    this.#groupCost = NEW_GROUP_COST + groupCost;
  }

  /** Of the next stretch. */
  get rows(): number {
    return this.#rows;
  }

  /** @returns what the rows cost that were taken, of which some made a group */
  took(rows: number, made: number): number {
    if (rows === 0) return 0;
    const spent = rows * this.#rowCost + made * this.#groupCost;
    this.#rows = Math.max(ROWS_MIN, Math.floor((GROUPED_COST * rows) / spent));
    return spent;
  }
}
