/**
 * The BARRIERs of a writer (protocol rule 14), all in partition 0: each says, of one moment, how far every partition has
 * come and how much of it is committed. Readers elsewhere learn from them what they may show, and from when it is.
 */

import type { Clock } from '@tidemark/platform/clock';
import type { BarrierBody } from '@tidemark/record/envelope';
import { type Appender, type Entry, entryOf } from './appender.ts';

const BUSY_MS = 100;
/** Of what was committed, the next record of its partition tells; when none follows by then, a barrier does. */
const SOON_MS = 2;
/** Less is not slept: of the rest of two sums of fractions a clock might never come to an end. */
const SLEPT_MS_MIN = 1;
/** So far apart are barriers that are written for that alone. */
const APART_MS = 20;
/** At rest they stand at whole seconds of the process's clock: those of all its keyspaces are one commit, one wake-up elsewhere. */
const IDLE_MS = 1_000;
/** Barriers that follow the last activity, so that what was committed by then becomes known everywhere. */
const OWED = 3;

type BarriersParts = {
  readonly clock: Clock;
  /** By partition. */
  readonly appenders: readonly Appender[];
  /** Highest committed seq of a partition, −1 for none. */
  readonly committed: (partition: number) => number;
  /** Whether readers elsewhere show a record only once they are told that it is committed. */
  readonly tellsSoon: boolean;
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
  /** By partition: how far the newest records say that it is committed. */
  readonly #told: Float64Array;
  #wake = new AbortController();
  /** Since when there has always been something that is committed and not told. */
  #untoldMs = 0;
  #wasUntold = false;
  #newest: Entry | null = null;
  readonly #parts: BarriersParts;

  constructor(parts: BarriersParts) {
    this.#parts = parts;
    this.#dataHeads = new Float64Array(parts.appenders.length).fill(-1);
    this.#announced = new Float64Array(parts.appenders.length).fill(-1);
    this.#told = new Float64Array(parts.appenders.length).fill(-1);
  }

  /** An entry was given its seq. */
  onSealed(partition: number, { barrier, seq }: Entry): void {
    if (!barrier) this.#dataHeads[partition] = seq;
    this.#told[partition] = this.#parts.committed(partition);
    this.#wasUntold &&= this.#isUntold;
  }

  onCommitted(partition: number, seq: number): void {
    const isNews = this.#dataHeads[partition]! > this.#announced[partition]!;
    if (isNews && this.#owed === 0) this.#wake.abort(null);
    if (isNews) this.#owed = OWED;
    this.#announced[partition] = seq;
    if (!this.#wasUntold && this.#isUntold) this.#untoldMs = this.#parts.clock.monotonicMs();
    this.#wasUntold = this.#isUntold;
    if (this.#wasUntold) this.#wake.abort(null);
  }

  /** True when rows are committed, and no record says so yet. */
  get #isUntold(): boolean {
    const { tellsSoon, isHandingOver } = this.#parts;
    // One that stands in line will say what is committed when it is sealed.
    if (!tellsSoon || isHandingOver() || this.#newest?.seq === -1) return false;
    return this.#told.some((told, p) => Math.min(this.#announced[p]!, this.#dataHeads[p]!) > told);
  }

  /** One every 100 ms after activity, every second when idle, one soon for what nothing else tells, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (let lookedMs = clock.monotonicMs(); !signal.aborted; ) {
      const restMs = this.#restMs();
      const leftMs = Math.max(restMs, lookedMs + BUSY_MS - clock.monotonicMs());
      this.#wake = new AbortController();
      if (!this.#isUntold)
        await clock.sleep(Math.max(SLEPT_MS_MIN, leftMs), AbortSignal.any([signal, this.#wake.signal]));
      const isWoken = restMs > 0 && this.#wake.signal.aborted;
      if (this.#isUntold) await this.#tell(signal);
      const passedMs = clock.monotonicMs() - lookedMs;
      if (passedMs < BUSY_MS || signal.aborted) continue;
      // Out of a rest it goes on as if it had looked all along.
      lookedMs = isWoken ? clock.monotonicMs() - (passedMs % BUSY_MS) : clock.monotonicMs();
      if (!isWoken) this.#appendDue();
    }
  }

  /** How long nothing is due unless something is committed; 0 while something may be at any time. */
  #restMs(): number {
    const { clock, isHandingOver } = this.#parts;
    return this.#owed > 0 || isHandingOver() ? 0 : Math.max(0, this.#idleDueMs - clock.monotonicMs());
  }

  get #idleDueMs(): number {
    return Math.ceil((this.#lastMs + APART_MS) / IDLE_MS) * IDLE_MS;
  }

  /** Waits for a record to tell what is committed, or tells it, as none did. */
  async #tell(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const waitMs = Math.max(this.#untoldMs + SOON_MS, this.#lastMs + APART_MS) - clock.monotonicMs();
    if (waitMs <= 0) this.append();
    else await clock.sleep(Math.max(SLEPT_MS_MIN, waitMs), signal);
  }

  #appendDue(): void {
    const { clock, isHandingOver } = this.#parts;
    if (isHandingOver()) return;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#lastMs + APART_MS || (this.#owed === 0 && nowMs < this.#idleDueMs)) return;
    this.#owed = Math.max(0, this.#owed - 1);
    this.append();
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
    this.#newest = entry;
    appenders[0]!.enqueue(entry);
    return entry;
  }

  /** One moment: all heads, while no record can get its stamp in between. */
  #body(): BarrierBody {
    const { appenders } = this.#parts;
    const committed = appenders.map((_, partition) => this.#parts.committed(partition));
    this.#told.set(committed);
    this.#wasUntold = false;
    return {
      kind: 'Barrier',
      heads: appenders.map((appender, partition) => (partition === 0 ? appender.head - 1 : appender.head)),
      rows: appenders.map((appender) => appender.rows),
      committed,
    };
  }
}
