/** Sends batches, several at once, and counts what became of every row. */

import type { Receipt, RowError } from '@tidemark/client';
import type { Clock } from '@tidemark/platform/clock';
import { type Fault, isFault, isRefusal } from '@tidemark/platform/fault';
import type { OrderedBatch } from './key-order.ts';
import { Latencies } from './latencies.ts';
import type { LedgerWriter } from './ledger.ts';
import type { SourceBatch } from './row-source.ts';

/** What became of the rows of a load. `accepted + rejected + unknown + notStored` are all that were sent. */
export type LoadReport = {
  readonly accepted: number;
  readonly rejected: number;
  /** May be stored: their batch was given up without an answer. */
  readonly unknown: number;
  /** Certainly not stored: their batch was given up, or never left. */
  readonly notStored: number;
  /** Time from a batch's first sending to its ack in the ledger, in ms; null without any. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Accepted rows per second of the whole load. */
  readonly rowsPerSecond: number;
  readonly durationMs: number;
  /** The first rows that were refused, by row number of the source. */
  readonly errors: readonly { readonly row: number; readonly message: string }[];
  /** Why it ended before the source did; null when it did not. */
  readonly stoppedBy: 'signal' | Fault | null;
};

/** Rows taken and rows refused in the first `elapsedMs` of a load. */
export type LoadProgress = { readonly accepted: number; readonly rejected: number; readonly elapsedMs: number };

type SendBatches = {
  readonly batches: AsyncGenerator<OrderedBatch>;
  /** Resolves when the batch was acked; a Fault says what is known about it. */
  readonly send: (batch: SourceBatch) => Promise<Receipt>;
  /** Null when nothing is kept of the acks. */
  readonly ledger: LedgerWriter | null;
  readonly inFlight: number;
  /** Rows a second at most; 0 for as fast as it goes. */
  readonly rate: number;
  readonly clock: Clock;
  /** Stops taking batches; those on their way are waited for. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
};

const ERRORS_KEPT = 10;

/** Runs until the source ends, the signal aborts or a batch fails. It never throws for what a site does. */
export async function sendBatches(options: SendBatches): Promise<LoadReport> {
  return new Load(options).run();
}

class Load {
  readonly #options: SendBatches;
  readonly #startMs: number;
  readonly #latencies = new Latencies();
  readonly #errors: { row: number; message: string }[] = [];
  #offered = 0;
  #accepted = 0;
  #rejected = 0;
  #unknown = 0;
  #notStored = 0;
  #stoppedBy: 'signal' | Fault | null = null;
  readonly #stopped = Promise.withResolvers<null>();

  constructor(options: SendBatches) {
    this.#options = options;
    this.#startMs = options.clock.monotonicMs();
  }

  async run(): Promise<LoadReport> {
    const { batches, inFlight, signal } = this.#options;
    const onAbort = (): void => this.#stop('signal');
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const lanes = await Promise.allSettled(Array.from({ length: inFlight }, () => this.#lane()));
    signal?.removeEventListener('abort', onAbort);
    // Not awaited: a source that waits for its next row cannot be ended before that row comes.
    void batches.return(undefined).catch(() => undefined);
    for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
    return this.#report();
  }

  /** The first reason stays; whoever waits for the source stops waiting. */
  #stop(reason: 'signal' | Fault): void {
    this.#stoppedBy ??= reason;
    this.#stopped.resolve(null);
  }

  /** Takes the next batch, sends it, waits for its end, and so on. */
  async #lane(): Promise<void> {
    const { batches, signal, clock, rate } = this.#options;
    while (this.#stoppedBy === null) {
      const next = await this.#next(batches);
      if (next === null) return;
      const dueMs = rate === 0 ? 0 : this.#startMs + (this.#offered / rate) * 1000;
      this.#offered += next.lines.length;
      const waitMs = dueMs - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      await next.before;
      await this.#sendOne(next).finally(next.settled);
    }
  }

  /** Null at the source's end, and once the load was stopped. */
  async #next(batches: AsyncGenerator<OrderedBatch>): Promise<OrderedBatch | null> {
    try {
      const asked = batches.next();
      asked.catch(() => undefined);
      const next = await Promise.race([asked, this.#stopped.promise]);
      return next === null || next.done === true ? null : next.value;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#stop(error);
      return null;
    }
  }

  async #sendOne(batch: SourceBatch): Promise<void> {
    const { clock, send, ledger, onProgress } = this.#options;
    if (this.#stoppedBy !== null) {
      this.#notStored += batch.lines.length;
      return;
    }
    const sentMs = clock.monotonicMs();
    let receipt: Receipt | null = null;
    try {
      receipt = await send(batch);
      if (receipt.accepted === 0 && receipt.errors.length > 0) {
        this.#refused(batch, receipt.errors);
        return;
      }
      await ledger?.add(entryOf(batch, receipt, clock.nowMs()));
      this.#latencies.add(clock.monotonicMs() - sentMs);
      this.#accepted += receipt.accepted;
      this.#rejected += receipt.rejected;
      for (const { line, fault } of receipt.errors) this.#keepError(batch.firstRow + line - 1, fault);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (receipt === null) this.#failed(batch, error);
      else this.#notWritten(batch, error);
    }
    onProgress?.({
      accepted: this.#accepted,
      rejected: this.#rejected,
      elapsedMs: clock.monotonicMs() - this.#startMs,
    });
  }

  #failed(batch: SourceBatch, fault: Fault): void {
    const rows = batch.lines.length;
    if (isRefusal(fault)) {
      this.#refused(batch, [{ line: 1, fault }]);
      // Other rows may be right; another table, key or size is the same for every batch.
      if (fault.kind !== 'invalid') this.#stop(fault);
      return;
    }
    if (fault.kind === 'unavailable') this.#notStored += rows;
    else this.#unknown += rows;
    this.#stop(fault);
  }

  /** A batch refused whole is counted and passed over, unless nothing at all was accepted yet: then the load is wrong. */
  #refused(batch: SourceBatch, errors: readonly RowError[]): void {
    this.#rejected += batch.lines.length;
    for (const { line, fault } of errors) this.#keepError(batch.firstRow + line - 1, fault);
    if (this.#accepted === 0) this.#stop(errors[0]!.fault);
  }

  /** Acked, and not in the ledger: nobody may count on it. Sent again under the same key it does no harm. */
  #notWritten(batch: SourceBatch, fault: Fault): void {
    this.#unknown += batch.lines.length;
    this.#stop(fault);
  }

  #keepError(row: number, fault: Fault): void {
    if (this.#errors.length < ERRORS_KEPT) this.#errors.push({ row, message: fault.message });
  }

  #report(): LoadReport {
    const durationMs = this.#options.clock.monotonicMs() - this.#startMs;
    return {
      accepted: this.#accepted,
      rejected: this.#rejected,
      unknown: this.#unknown,
      notStored: this.#notStored,
      p50: this.#latencies.percentileMs(0.5),
      p99: this.#latencies.percentileMs(0.99),
      rowsPerSecond: durationMs > 0 ? Math.round((this.#accepted / durationMs) * 1000) : 0,
      durationMs: Math.round(durationMs),
      errors: this.#errors,
      stoppedBy: this.#stoppedBy,
    };
  }
}

function entryOf(batch: SourceBatch, receipt: Receipt, nowMs: number): Parameters<LedgerWriter['add']>[0] {
  const { batch: number, firstRow, lines } = batch;
  return {
    batch: number,
    firstRow,
    lastRow: firstRow + lines.length - 1,
    token: receipt.token,
    ackedAtMs: nowMs,
    ...(receipt.rejected === 0 ? {} : { rejected: receipt.errors.map(({ line }) => firstRow + line - 1) }),
  };
}
