/** A moment in µs. It is a Date, so it prints and compares as one, and it does not lose what a Date cannot hold. */

import { formatTimestamp, parseTimestamp } from '@tidemark/model/text/time';

// biome-ignore lint/style/noRestrictedGlobals: a moment that came from a cell or from the caller, not the machine's time
const Moment = Date;
/** A Date, be it a plain one or a Timestamp. */
export type Moment = InstanceType<typeof Moment>;

/** A moment in UTC with µs: a Date that keeps the three digits which a Date drops. Equal moments have equal `micros`. */
export class Timestamp extends Moment {
  /** µs since 1970 UTC, whole. */
  readonly micros: number;

  /** @param micros µs since 1970 UTC, whole */
  constructor(micros: number) {
    super(Math.floor(micros / 1000));
    this.micros = micros;
  }

  /** Of RFC 3339, like `2001-01-10T18:20:00.000123Z`. @throws {Fault} `invalid`: not RFC 3339. */
  static from(text: string): Timestamp {
    return new Timestamp(parseTimestamp(text));
  }

  /** RFC 3339 in UTC, with µs where there are any. */
  override toISOString(): string {
    return formatTimestamp(this.micros);
  }

  /** As `toISOString`. */
  override toJSON(): string {
    return formatTimestamp(this.micros);
  }
}

/** The µs of any Date. */
export function microsOf(moment: Moment): number {
  return moment instanceof Timestamp ? moment.micros : moment.getTime() * 1000;
}

/** Whether a value is a `Moment`, which holds µs where a plain Date holds ms. */
export function isMoment(value: unknown): value is Moment {
  return value instanceof Moment;
}
