/** What came in from each origin and what became of it; and the alarms, which are said aloud but never as a flood. */

import type { Clock } from '@tidemark/platform/clock';
import type { Logger } from '@tidemark/platform/logger';

/** Alarms said per window and topic partition; the others are counted. */
const ALARMS_MAX = 10;
const WINDOW_MS = 10_000;

type OriginCounts = {
  /** Records applied, the ones without rows included, and rows in them that the stores did not hold yet. */
  applied: number;
  rows: number;
  duplicate: number;
  ignored: number;
  /** Of those ignored, the ones that should not have been there at all. */
  alarmed: number;
  /** Why partitions stopped for good. */
  readonly stopped: string[];
};

/** Where an ignored record stands. `position`: of the last one accepted before it. */
export type RecordPlace = {
  readonly origin: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly position: string;
};

/** The counters of one keyspace by origin; a repeated alarm is logged a bounded number of times in each window. */
export class Counts {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #origins = new Map<string, OriginCounts>();
  readonly #windows = new Map<string, { sinceMs: number; said: number; unsaid: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  of(origin: string): OriginCounts {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    const counts = { applied: 0, rows: 0, duplicate: 0, ignored: 0, alarmed: 0, stopped: [] };
    this.#origins.set(origin, counts);
    return counts;
  }

  applied(origin: string): void {
    this.of(origin).applied++;
  }

  rows(origin: string, rows: number): void {
    this.of(origin).rows += rows;
  }

  duplicate(origin: string): void {
    this.of(origin).duplicate++;
  }

  stopped(origin: string, reason: string): void {
    this.of(origin).stopped.push(reason);
  }

  /** A record that does not count. `alarm`: it should not be there at all. */
  ignored(place: RecordPlace, reason: string, alarm: boolean): void {
    const counts = this.of(place.origin);
    counts.ignored++;
    if (!alarm) return;
    counts.alarmed++;
    const unsaid = this.#mayBeSaid(`${place.topic}/${place.partition}`);
    if (unsaid === null) return;
    const { topic, partition, offset, position } = place;
    const others = unsaid > 0 ? `; ${unsaid} more before it were not said` : '';
    const message = `${topic}/${partition}: record at offset ${offset}, after position ${position}, ignored: ${reason}${others}`;
    this.#logger.error({ topic, partition, offset, position, reason }, message);
  }

  /** How many were left unsaid in the window before; null when this one is to be. */
  #mayBeSaid(key: string): number | null {
    const nowMs = this.#clock.monotonicMs();
    const window = this.#windows.get(key);
    if (window === undefined || nowMs - window.sinceMs >= WINDOW_MS) {
      this.#windows.set(key, { sinceMs: nowMs, said: 1, unsaid: 0 });
      return window?.unsaid ?? 0;
    }
    if (window.said < ALARMS_MAX) {
      window.said++;
      return 0;
    }
    window.unsaid++;
    return null;
  }
}
