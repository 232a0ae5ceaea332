/**
 * How a section of a column file's block holds the cells of its rows.
 *
 *   u8 presence   0: every row has a value · 1: two bits a row follow (row 0 lowest): 0 absent, 1 value, 2 deleted
 *   u8 encoding   then the n values of the rows that have one, little-endian
 *
 * A block is written as one section, or as units of some rows each, which are sections too.
 * Encodings 0–6 are those of records (`packages/columnar/column-encoding.ts`). Files have these as well, chosen per block
 * by what is smallest among what scans fast.
 */

export const BLOCK_ENCODING = {
  /** i64 base, i64 unit, u8 width (1, 2 or 4), n × unsigned: base + unit × each. For i32, whole and i64. */
  steps: 7,
  /**
   * i64 unit, u8 width (1 or 2), u32 count of starts, their u32 places (ascending, the first is 0), their i64 values,
   * then n × unsigned: at a start its value, else the value before + unit × each. For i32, whole and i64.
   */
  rising: 8,
  /** u32 count of runs, their u32 lengths, then a u8 encoding (not this one) and one value for each. For every kind. */
  runs: 9,
  /** u8 digits (0–15), then a u8 encoding and n whole numbers: each / 10^digits, as IEEE divides. For f64. */
  decimals: 10,
  /** n bits, the lowest of a byte first. For u8 of 0 and 1. */
  bits: 11,
  /** n codes of the block's dictionary: u8 each up to 256 entries, else u16. For bytes, in units only. */
  codes: 12,
} as const;

/** Decimals have so many digits after the point at most: 10^15 and every whole number up to 2^53 are exact. */
export const DIGITS_MAX = 15;

/** A block has so many rows at most. */
export const BLOCK_ROWS_MAX = 65_536;
