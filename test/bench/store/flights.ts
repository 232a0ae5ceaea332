/**
 * The real flights as the store's measures take them: any number of rows, those of the file repeated with later dates.
 * Row i of ours and of the peers' SQL are the same; both are made from the file, apart from one another.
 */

import { FLIGHTS_TABLE, flightsPath } from '@tidemark/cli/load/flights';
import { ParquetFile } from '@tidemark/cli/load/parquet';
import { microsOf } from '@tidemark/cli/load/parquet-cell';
import { encodeKey } from '@tidemark/columnar/key';
import type { RowBatch } from '@tidemark/columnar/row-batch';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Table, tableNamed } from '@tidemark/model/table';
import { columnNamed, type Dataset } from './dataset.ts';

/** Rows of the file. */
const FILE_ROWS = 3_000_000;
/** A copy's dates are so many days after those of the copy before; the file has half a year. */
const COPY_DAYS = 366;
const DAY_MICROS = 86_400_000_000;

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

const [DELAY, DISTANCE] = ['delay', 'distance'].map((name) => columnNamed(TABLE, name).id);
/** Of the two cells in LMDB. */
const PACKED_BYTES = 8;

/** Some first rows of the file, by column. */
export class Flights implements Dataset {
  readonly table = TABLE;
  readonly roles = {
    updated: 'delay',
    above: 30,
    summed: 'distance',
    grouped: 'origin',
    fewValued: ['origin', 'destination'],
  };
  readonly gets = [
    {
      what: 'two numbers',
      columns: ['delay', 'distance'],
      unpack: (bytes: Buffer) => [bytes.readInt32LE(0), bytes.readInt32LE(4)],
    },
  ];
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

  keyOf(row: number): Buffer {
    return encodeKey(TABLE, [this.origin(row), this.date(row), this.destination(row), this.line(row)]);
  }

  putCells(batch: RowBatch, at: number, row: number): void {
    batch.column(TABLE, DELAY!).setNumber(at, this.delay(row));
    batch.column(TABLE, DISTANCE!).setNumber(at, this.distance(row));
  }

  packed(row: number): Buffer {
    const bytes = Buffer.alloc(PACKED_BYTES);
    bytes.writeInt32LE(this.delay(row), 0);
    bytes.writeInt32LE(this.distance(row), 4);
    return bytes;
  }

  rowsSql(): string {
    const baseRows = this.#baseRows;
    const copies = Math.ceil(this.rowCount / baseRows);
    return `select * from (select b.i + c.range * ${baseRows} as i, origin, date + to_days((c.range * ${COPY_DAYS})::int) as date,
        destination, line, delay, distance
      from (select file_row_number as i, origin, date, destination, delay::int as delay, distance::int as distance,
          (row_number() over (partition by date, origin, destination order by file_row_number) - 1)::int as line
        from read_parquet('${flightsPath()}', file_row_number = true) where file_row_number < ${baseRows}) b,
        range(${copies}) c) where i < ${this.rowCount}`;
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
