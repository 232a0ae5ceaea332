/**
 * The real flights as the store's measures take them: any number of rows, those of the file repeated with later dates.
 * Row i of ours and of the peers' SQL are the same; both are made from the file, apart from one another.
 */

import { FLIGHTS_TABLE, flightsPath } from '@tidemark/cli/load/flights';
import { microsOf, ParquetFile } from '@tidemark/cli/load/parquet';
import { evolve } from '@tidemark/schema/evolve';
import { parseKeyspaceFile } from '@tidemark/schema/keyspace-file';
import { type Table, tableNamed } from '@tidemark/schema/table';

/** Rows of the file. */
const FILE_ROWS = 3_000_000;
/** A copy's dates are so many days after those of the copy before; the file has half a year. */
const COPY_DAYS = 366;
const DAY_MICROS = 86_400_000_000;
/** A prime: (n × STEP) mod m, for n = 0, 1, … visits the numbers below m as if by chance, and none twice. */
const STEP = 1_000_003;

/** `flights` as a keyspace file defines it. */
export const TABLE: Table = tableNamed(
  evolve(
    null,
    parseKeyspaceFile({
      keyspace: 'travel',
      mode: 'single',
      primary: 'paris',
      ack: 'local',
      failover: 'manual',
      sites: { paris: 'data' },
      partitions: 1,
      tables: { flights: FLIGHTS_TABLE },
    }),
  ).keyspace,
  'flights',
);

/** Some first rows of the file, by column. */
export class Flights {
  /** Rows asked for; beyond those of the file they are copies. */
  readonly rowCount: number;
  readonly airports: string[] = [];
  readonly #baseRows: number;
  readonly #origins: Uint16Array;
  readonly #destinations: Uint16Array;
  readonly #dates: Float64Array;
  readonly #lines: Uint8Array;
  readonly #delays: Int16Array;
  readonly #distances: Int16Array;

  static async load(rowCount: number): Promise<Flights> {
    const flights = new Flights(rowCount);
    await flights.#read();
    return flights;
  }

  private constructor(rowCount: number) {
    this.rowCount = rowCount;
    this.#baseRows = Math.min(rowCount, FILE_ROWS);
    this.#origins = new Uint16Array(this.#baseRows);
    this.#destinations = new Uint16Array(this.#baseRows);
    this.#dates = new Float64Array(this.#baseRows);
    this.#lines = new Uint8Array(this.#baseRows);
    this.#delays = new Int16Array(this.#baseRows);
    this.#distances = new Int16Array(this.#baseRows);
  }

  origin(row: number): string {
    return this.airports[this.#origins[row % this.#baseRows]!]!;
  }
  destination(row: number): string {
    return this.airports[this.#destinations[row % this.#baseRows]!]!;
  }
  /** µs since 1970. */
  date(row: number): number {
    return this.#dates[row % this.#baseRows]! + Math.floor(row / this.#baseRows) * COPY_DAYS * DAY_MICROS;
  }
  line(row: number): number {
    return this.#lines[row % this.#baseRows]!;
  }
  delay(row: number): number {
    return this.#delays[row % this.#baseRows]!;
  }
  distance(row: number): number {
    return this.#distances[row % this.#baseRows]!;
  }

  async #read(): Promise<void> {
    const file = await ParquetFile.open(flightsPath());
    const numbers = new Map<string, number>();
    const airport = (name: string): number => {
      const known = numbers.get(name);
      if (known !== undefined) return known;
      numbers.set(name, this.airports.length);
      return this.airports.push(name) - 1;
    };
    // Equal flights within a minute are told apart by their line; the file is in order of time.
    const seen = new Map<number, number>();
    let minute = Number.NaN;
    let row = 0;
    for await (const block of file.blocks(['origin', 'date', 'destination', 'delay', 'distance'])) {
      const [origins, dates, destinations, delays, distances] = [...ordered(block.columns)];
      for (let i = 0; i < block.rowCount; i++, row++) {
        if (row >= this.#baseRows) return;
        const micros = microsOf(dates![i]);
        if (micros !== minute) seen.clear();
        minute = micros;
        const origin = airport(origins![i] as string);
        const destination = airport(destinations![i] as string);
        const line = seen.get(origin * 1_000 + destination) ?? 0;
        seen.set(origin * 1_000 + destination, line + 1);
        this.#origins[row] = origin;
        this.#destinations[row] = destination;
        this.#dates[row] = micros;
        this.#lines[row] = line;
        this.#delays[row] = Number(delays![i]);
        this.#distances[row] = Number(distances![i]);
      }
    }
  }
}

function ordered(columns: ReadonlyMap<string, ArrayLike<unknown>>): (ArrayLike<unknown> | undefined)[] {
  return ['origin', 'date', 'destination', 'delay', 'distance'].map((name) => columns.get(name));
}

/** The flights as a query of DuckDB: `i`, then the columns. */
export function flightsSql(rowCount: number): string {
  const baseRows = Math.min(rowCount, FILE_ROWS);
  const copies = Math.ceil(rowCount / baseRows);
  return `select * from (select b.i + c.range * ${baseRows} as i, origin, date + to_days((c.range * ${COPY_DAYS})::int) as date,
      destination, line, delay, distance
    from (select file_row_number as i, origin, date, destination, delay::int as delay, distance::int as distance,
        (row_number() over (partition by date, origin, destination order by file_row_number) - 1)::int as line
      from read_parquet('${flightsPath()}', file_row_number = true) where file_row_number < ${baseRows}) b,
      range(${copies}) c) where i < ${rowCount}`;
}

/** A write of a stream: row `row` of the flights as new, or with the delay of its n-th update. */
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
 * The stream as a query of DuckDB over `flights`: `s`, `batch`, then the columns, delays as they are written. There `//`
 * binds less than `+`.
 */
export function streamSql(writes: number): string {
  return `select s, batch, origin, date, destination, line, ${updatedDelaySql('u')} as delay, distance from
    (select s, batch, u, case when batch = 0 then place when u is null then before + place - (place // 4)
        else (u * ${STEP}) % before end as i from
      (select *, case when batch > 0 and place % 4 = 3 then (batch - 1) * ${QUARTER} + (place // 4) end as u,
          case when batch = 0 then 0 else ${BATCH_ROWS} + (batch - 1) * ${3 * QUARTER} end as before from
        (select range as s, range // ${BATCH_ROWS} as batch, range % ${BATCH_ROWS} as place from range(${writes}))))
    join flights using (i) order by s`;
}

/** Update number n of a quarter of all rows, as if by chance and none twice. */
export function updateOf(n: number, rowCount: number): Write {
  return { row: (n * STEP) % rowCount, update: n };
}

/** Those updates as a query of DuckDB over `flights`. */
export function updatesSql(rowCount: number): string {
  return `select origin, date, destination, line, ${updatedDelaySql('u')} as delay, distance from
    (select range as u, (range * ${STEP}) % ${rowCount} as i from range(${Math.floor(rowCount / 4)})) join flights using (i)`;
}

/** The delay that an update writes. */
export function updatedDelay(update: number): number {
  return ((update * 31) % 500) - 60;
}

function updatedDelaySql(update: string): string {
  return `coalesce((${update} * 31) % 500 - 60, delay)::int`;
}
