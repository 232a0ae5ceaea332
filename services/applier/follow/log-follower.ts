/**
 * Follows one partition of one origin: this site's own log, or its mirror of another site's. The loop only moves
 * records: what becomes of each is decided by `origin-fold.ts`, where reading begins by the checkpoint.
 */

import type { Log, LogRecord } from '@tidemark/log/log';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, isRefusal, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { openRecord } from '@tidemark/record/seal';
import type { Place } from '../keyspace/checkpoint.ts';
import type { Held, News, RecordSequencer } from './record-sequencer.ts';

/** Nothing accepted for this long while records are ignored: the fold begins again. Doubles while that does not help. */
const STUCK_MS = 10_000;
const STUCK_MS_MAX = 600_000;
const RETRY_MS = 500;
/** The event loop is given away at least this often. */
const SLICE_MS = 8;

/** Why a reader stopped for good. `fatal`: the process must end. */
export type Stopped = { readonly reason: string; readonly fatal: boolean; readonly error: unknown };

type OriginReaderParts = {
  readonly log: Log;
  readonly topic: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fold: RecordSequencer;
  /** Where to begin, if the record before it is still the one accepted then; else the fold begins at the log's start. */
  readonly place: Place | null;
  /** What the stores hold already. */
  readonly applied: Position;
  readonly apply: (record: Held) => void | Promise<void>;
  /** False while applying is held before that record: `freed` is called when that changes. */
  readonly mayApply: (at: Position) => boolean;
  /** Some records were applied. */
  readonly onApplied: () => void;
  /** `first`: the record had not been read before in this run. */
  readonly onNews: (news: News, offset: number, first: boolean) => void;
  /** Resolves once the stores may take more. */
  readonly room: () => Promise<void>;
  readonly onStopped: (stopped: Stopped) => void;
  /** Everything has been read, and beyond `at` nothing could be accepted for a while. */
  readonly onStuck?: (at: Position) => void;
};

/**
 * Reads one topic partition in order, over faults and restarts of the log, and applies what its sequencer hands out.
 */
export class LogFollower {
  readonly #parts: OriginReaderParts;
  readonly #fold: RecordSequencer;
  #applied: Position;
  #place: Place | null;
  /** Next offset to read, and the first one never read. */
  #from = 0;
  #farthest = 0;
  #end: number | null = null;
  #turn = new AbortController();
  #draining: Promise<void> = Promise.resolve();
  #isDraining = false;
  #isStopped = false;
  #stuckSinceMs: number | null = null;
  /** Read again from its start, a log that begins later than that has given nothing yet. */
  #isBare = false;
  #stuckMs = STUCK_MS;
  #mustRestart = false;
  /** When the fold begins again: what is read then may be another log. */
  #isOther = false;
  /** Two records under one position, or two logs in one. */
  #isHalted = false;

  constructor(parts: OriginReaderParts) {
    this.#parts = parts;
    this.#fold = parts.fold;
    this.#applied = parts.applied;
    this.#place = parts.place;
  }

  /** The last record applied here. */
  get applied(): Position {
    return this.#applied;
  }

  /** After which record everything up to `applied` can be read again; null before the first one. */
  get place(): Place | null {
    return this.#place;
  }

  /** True when everything known to be in the topic has been read and applied. */
  get caughtUp(): boolean {
    return !this.#isStopped && this.#end !== null && this.#from >= this.#end && this.#fold.isEmpty;
  }

  /** True when a record at or before `applied` counts: a replay may use it. */
  counts(at: Position): boolean {
    return comparePositions(at, this.#applied) <= 0 && !this.#fold.isCutOff(at);
  }

  /** Reads until `signal` aborts or it has to stop. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#persist(signal, () => this.#begin());
      while (!signal.aborted && !this.#isStopped) await this.#persist(signal, () => this.#readOn(signal));
    } catch (error) {
      if (!signal.aborted) this.#stop(error);
    }
  }

  /** Tries again as long as the log cannot be reached or the topic is not there yet. */
  async #persist(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    let said = false;
    while (!signal.aborted) {
      try {
        return await step();
      } catch (error) {
        const notYet = isFault(error, 'unavailable') || isFault(error, 'notFound');
        if (!notYet && !this.#readsAnew(error)) throw error;
        if (!said) this.#parts.logger.warn(this.#where(), `${this.#name}: waiting: ${messageOf(error)}`);
        said = true;
        await this.#parts.clock.sleep(RETRY_MS, signal);
      }
    }
  }

  /** A log that was made again, lost its end or was trimmed past the reader is read from its start, as another log. */
  #readsAnew(error: unknown): boolean {
    const isOther = isFault(error, 'corrupt') && !this.#isHalted;
    if (!isOther && !isFault(error, 'outOfRange')) return false;
    this.#parts.logger.error(this.#where(), `${this.#name}: ${messageOf(error)}: read again from its start`);
    this.#place = null;
    this.#isOther = true;
    this.#mustRestart = true;
    return true;
  }

  async #begin(): Promise<void> {
    const { place, logger } = this.#parts;
    if (place !== null) {
      const refusal = await this.#whyNot(place);
      if (refusal === null) {
        this.#from = place.offset;
        this.#end = (await this.#bounds()).end;
        return;
      }
      logger.warn(this.#where(), `${this.#name}: the checkpoint does not hold, folding from the start: ${refusal}`);
    }
    this.#place = null;
    this.#isOther = true;
    await this.#restart();
  }

  /** Null when the record before the place is the one that was accepted last. */
  async #whyNot({ offset, logHead }: Place): Promise<string | null> {
    const { log, topic } = this.#parts;
    const { partition } = this.#fold.name;
    const signal = new AbortController().signal;
    const wanted = { topic, partition, from: offset - 1, signal, untilEnd: true, batchBytesMax: 1 };
    try {
      for await (const { records } of log.read(wanted)) {
        const { epoch, seq, chain } = openRecord(records[0]!.value).envelope;
        if (comparePositions({ epoch, seq }, logHead) === 0 && chain === logHead.chain) return null;
        return `offset ${offset - 1} holds ${formatPosition({ epoch, seq })}, expected ${formatPosition(logHead)}`;
      }
      return `the log ends before offset ${offset}`;
    } catch (error) {
      if (isFault(error, 'corrupt') || isFault(error, 'outOfRange')) return error.message;
      throw error;
    }
  }

  async #restart(): Promise<void> {
    const { start, end } = await this.#bounds();
    this.#from = start;
    this.#end = end;
    while (this.#isDraining) await this.#draining;
    this.#fold.restart(!this.#isOther);
    this.#isOther = false;
    this.#mustRestart = false;
    // Trimmed past this reader, of a quiet partition nothing may ever come that shows what is missing.
    this.#isBare = start > 0;
    this.#stuckSinceMs = this.#isBare ? this.#parts.clock.monotonicMs() : null;
  }

  #bounds(): Promise<{ readonly start: number; readonly end: number }> {
    return this.#parts.log.bounds(this.#parts.topic, this.#fold.name.partition);
  }

  /** Reads until it has to turn back, or for good. */
  async #readOn(signal: AbortSignal): Promise<void> {
    const turn = new AbortController();
    this.#turn = turn;
    if (this.#mustRestart) await this.#restart();
    else if (this.#fold.canGoBack) this.#from = this.#fold.goBack();
    const { log, topic, room } = this.#parts;
    const either = AbortSignal.any([signal, turn.signal]);
    for await (const batch of log.read({
      topic,
      partition: this.#fold.name.partition,
      from: this.#from,
      signal: either,
    })) {
      for (const record of batch.records) {
        this.#take(record);
        if (this.#fold.next() !== null) await this.drain();
        if (either.aborted || this.#isStopped) return;
      }
      this.#end = batch.end;
      if (this.#fold.canGoBack) return;
      await room();
    }
  }

  #take(record: LogRecord): void {
    const { offset, value } = record;
    const before = this.#fold.logHead;
    const first = offset >= this.#farthest;
    this.#farthest = Math.max(this.#farthest, offset + 1);
    this.#from = offset + 1;
    for (const news of this.#fold.take(offset, value)) {
      this.#parts.onNews(news, offset, first);
      if (news.kind === 'ignored' && first) this.#stuckSinceMs ??= this.#parts.clock.monotonicMs();
      this.#isHalted ||= news.kind === 'halted';
      if (news.kind === 'halted' || news.kind === 'other')
        throw new Fault('corrupt', `${this.#name} offset ${offset}: ${news.reason}`);
    }
    if (comparePositions(before, this.#fold.logHead) === 0) return;
    if (first || this.#isBare) this.#stuckSinceMs = null;
    if (first) this.#stuckMs = STUCK_MS;
    this.#isBare = false;
  }

  /** Applies what may be applied. Safe to call at any time; calls share one run. */
  drain(): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#draining = this.#drain();
    }
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const { clock, apply, onApplied } = this.#parts;
    let count = 0;
    try {
      let sinceMs = clock.monotonicMs();
      for (let record = this.#fold.next(); record !== null && !this.#isStopped; record = this.#fold.next()) {
        const { envelope, offset, logHead } = record;
        if (!this.#parts.mayApply(envelope)) break;
        await apply(record);
        this.#fold.applied(record);
        count++;
        if (comparePositions(envelope, this.#applied) > 0) this.#applied = { epoch: envelope.epoch, seq: envelope.seq };
        if (comparePositions(envelope, this.#place?.logHead ?? NOWHERE) >= 0)
          this.#place = { offset: offset + 1, logHead };
        if (clock.monotonicMs() - sinceMs < SLICE_MS) continue;
        onApplied();
        await new Promise((resolve) => setImmediate(resolve));
        sinceMs = clock.monotonicMs();
      }
    } finally {
      this.#isDraining = false;
      if (count > 0) onApplied();
    }
  }

  /** Resolves once what is being applied has been. */
  async settled(): Promise<void> {
    while (this.#isDraining) await this.#draining.catch(() => undefined);
  }

  /** Something was learnt about commits or epoch ends: applies what it frees, and turns back for what was passed over. */
  freed(): void {
    if (this.#isStopped) return;
    if (this.#fold.next() !== null) {
      this.drain().then(
        () => this.#turnIfFreed(),
        (error: unknown) => this.#stop(error),
      );
    } else this.#turnIfFreed();
  }

  #turnIfFreed(): void {
    if (this.#fold.canGoBack) this.#turn.abort();
  }

  /** Told about once a second: begins the fold again when it is stuck. */
  tick(): void {
    if (this.#stuckSinceMs === null || this.#isStopped) return;
    if (this.#parts.clock.monotonicMs() - this.#stuckSinceMs < this.#stuckMs) return;
    const message = `${this.#name}: nothing that follows was found for ${this.#stuckMs} ms: folding from the start`;
    this.#parts.logger.warn(this.#where(), message);
    this.#stuckMs = Math.min(this.#stuckMs * 2, STUCK_MS_MAX);
    const { epoch, seq } = this.#fold.logHead;
    const read = { epoch, seq };
    const known = comparePositions(read, this.#applied) < 0 ? this.#applied : read;
    if (this.#end !== null && this.#from >= this.#end) this.#parts.onStuck?.(known);
    this.#stuckSinceMs = null;
    this.#mustRestart = true;
    this.#turn.abort();
  }

  /** A Fault that asks for no restart of the process stops this partition alone. */
  #stop(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#turn.abort();
    const fatal = !isRefusal(error);
    this.#parts.onStopped({ reason: messageOf(error), fatal, error });
  }

  get #name(): string {
    return `${this.#parts.topic}/${this.#fold.name.partition}`;
  }

  #where(): object {
    const { topic } = this.#parts;
    return { topic, partition: this.#fold.name.partition, position: formatPosition(this.#fold.logHead) };
  }
}
