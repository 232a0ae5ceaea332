/**
 * The BARRIERs of a writer (protocol rule 14), all in partition 0: each says, of one moment, how far every partition has
 * come and how much of it is committed. Readers elsewhere learn from them what they may show, and from when it is.
 */

import type { Clock } from '@tidemark/platform/clock';
import type { BarrierBody } from '@tidemark/record/envelope';
import { type Appender, type Entry, entryOf } from './appender.ts';

const BUSY_MS = 100;
const IDLE_MS = 1_000;
/** Barriers that follow the last activity, so that what was committed by then becomes known everywhere. */
const OWED = 3;

type BarriersParts = {
  readonly clock: Clock;
  /** By partition. */
  readonly appenders: readonly Appender[];
  /** Highest committed seq of a partition, −1 for none. */
  readonly committed: (partition: number) => number;
  /** True while nothing may follow the heads that were handed over: it would lie beyond the epoch end. */
  readonly isHandingOver: () => boolean;
};

/** Says when a barrier is due, and makes it of what was sealed and committed so far. */
export class Barriers {
  /** Stamp of the newest one sealed, in ms; 0 before the first. */
  stampMs = 0;
  #owed = OWED;
  #lastMs = 0;
  /** By partition: highest seq that is no barrier, and how far it was announced as committed. */
  readonly #dataHeads: Float64Array;
  readonly #announced: Float64Array;
  readonly #parts: BarriersParts;

  constructor(parts: BarriersParts) {
    this.#parts = parts;
    this.#dataHeads = new Float64Array(parts.appenders.length).fill(-1);
    this.#announced = new Float64Array(parts.appenders.length).fill(-1);
  }

  /** An entry was given its seq. */
  onSealed(partition: number, { barrier, seq }: Entry): void {
    if (!barrier) this.#dataHeads[partition] = seq;
  }

  onCommitted(partition: number, seq: number): void {
    if (this.#dataHeads[partition]! > this.#announced[partition]!) this.#owed = OWED;
    this.#announced[partition] = seq;
  }

  /** One every 100 ms after activity, every second when idle, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isHandingOver } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(BUSY_MS, signal);
      if (isHandingOver()) continue;
      const idleMs = clock.monotonicMs() - this.#lastMs;
      if (this.#owed === 0 && idleMs < IDLE_MS) continue;
      const owed = Math.max(0, this.#owed - 1);
      this.append();
      this.#owed = owed;
    }
  }

  append(): Entry {
    const { clock, appenders } = this.#parts;
    this.#lastMs = clock.monotonicMs();
    const entry: Entry = entryOf(
      () => {
        this.stampMs = entry.stampMs;
        return this.#body();
      },
      { barrier: true },
    );
    appenders[0]!.enqueue(entry);
    return entry;
  }

  /** One moment: all heads, while no record can get its stamp in between. */
  #body(): BarrierBody {
    const { appenders, committed } = this.#parts;
    return {
      kind: 'Barrier',
      heads: appenders.map((appender, partition) => (partition === 0 ? appender.head - 1 : appender.head)),
      rows: appenders.map((appender) => appender.rows),
      committed: appenders.map((_, partition) => committed(partition)),
    };
  }
}
