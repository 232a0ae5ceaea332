/** Which rows are written in which order: a stream of new rows and updates, and updates of a quarter of all rows. */

import type { Dataset } from './dataset.ts';

/** A prime: (n × STEP) mod m, for n = 0, 1, … visits the numbers below m as if by chance, and none twice. */
const STEP = 1_000_003;

/** A write of a stream: row `row` as new, or with the number of its n-th update. */
export type Write = { readonly row: number; readonly update: number | null };

/** Rows of one batch of a stream; a batch names no row twice. */
export const BATCH_ROWS = 65_536;
const QUARTER = BATCH_ROWS / 4;

/** Write number `at` of a stream: 25 % are updates of rows of earlier batches, in an order as if by chance. */
export function streamWrite(at: number): Write {
  const batch = Math.floor(at / BATCH_ROWS);
  const place = at % BATCH_ROWS;
  if (batch === 0) return { row: place, update: null };
  const before = BATCH_ROWS + (batch - 1) * 3 * QUARTER;
  if (place % 4 !== 3) return { row: before + place - Math.floor(place / 4), update: null };
  const update = (batch - 1) * QUARTER + Math.floor(place / 4);
  return { row: (update * STEP) % before, update };
}

/**
 * The stream as a query of DuckDB over `source`, the rows: `s`, `batch`, then the columns with what updates write. There
 * `//` binds less than `+`.
 */
export function streamSql(data: Dataset, writes: number): string {
  return `select s, batch, ${writtenSql(data)} from
    (select s, batch, u, case when batch = 0 then place when u is null then before + place - (place // 4)
        else (u * ${STEP}) % before end as i from
      (select *, case when batch > 0 and place % 4 = 3 then (batch - 1) * ${QUARTER} + (place // 4) end as u,
          case when batch = 0 then 0 else ${BATCH_ROWS} + (batch - 1) * ${3 * QUARTER} end as before from
        (select range as s, range // ${BATCH_ROWS} as batch, range % ${BATCH_ROWS} as place from range(${writes}))))
    join source using (i) order by s`;
}

/** Update number n of a quarter of all rows, as if by chance and none twice. */
export function updateOf(n: number, rowCount: number): Write {
  return { row: (n * STEP) % rowCount, update: n };
}

/** Those updates as a query of DuckDB over `source`, the rows. */
export function updatesSql(data: Dataset, rowCount: number): string {
  return `select ${writtenSql(data)} from
    (select range as u, (range * ${STEP}) % ${rowCount} as i from range(${Math.floor(rowCount / 4)})) join source using (i)`;
}

/** The number that an update writes: -60 … 439. */
export function updatedNumber(update: number): number {
  return ((update * 31) % 500) - 60;
}

/** The columns as update `u` writes them; where that is null, as they are. */
function writtenSql({ table, roles }: Dataset): string {
  const number = `coalesce((u * 31) % 500 - 60, ${roles.updated})::int as ${roles.updated}`;
  return table.columns.map(({ name }) => (name === roles.updated ? number : name)).join(', ');
}
