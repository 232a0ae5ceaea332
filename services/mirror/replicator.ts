/**
 * One partition of a copy that this site holds of an origin's records: its mirror of another site's log, or its own log.
 * It copies the same bytes in the same order from whatever source it is told to; a mirror's usual source is the origin,
 * its own log has none and is only filled up to an epoch end.
 */

import { findAfter } from '@tidemark/log/find-position';
import type { Log, LogBatch, LogEntry, LogRecord } from '@tidemark/log/log';
import { isGone, Tail, type TailCheckpoint } from '@tidemark/log/tail';
import { formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import type { Clock } from '@tidemark/platform/clock';
import { type Fault, isFault, isRefusal, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { accept, emptyLogHead, type LogHead, type PartitionName, type Verdict } from '@tidemark/record/admit';
import type { Envelope } from '@tidemark/record/envelope';
import { rootOf } from '@tidemark/record/log-identity';
import { Detours } from './detours.ts';
import type { Source } from './source.ts';

/** The header that says where a record stood at its origin: a hint where to read on. */
const ORIGIN_OFFSET_HEADER = 'tidemark-origin-offset';

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5_000;
/** Nothing accepted for this long while records are ignored: its place is looked for again. */
const STUCK_MS = 10_000;

type ReplicatorParts = {
  /** This site's log, and the topic in it that holds the copy. */
  readonly local: Log;
  readonly topic: string;
  readonly name: PartitionName;
  /** Where it copies from unless told otherwise; null: from nowhere. */
  readonly home: Source | null;
  /** Who else has copies of the origin's records: for what its home has not got any more. */
  readonly others: readonly Source[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Told whenever what is stored here has risen. */
  readonly onStored: () => void;
  /** Told when the topic of the copy is not there, or is another one. */
  readonly onGone: () => void;
};

/** What a checkpoint of a replicator holds. */
export type ReplicatorCheckpoint = { readonly tail: TailCheckpoint; readonly originOffset: number };

/** A BARRIER: of which epoch, when it was read (monotonic), and how old its stamp was then by this site's clock. */
export type HeardBarrier = { readonly epoch: number; readonly heardMs: number; readonly ageMs: number };

type ReplicatorCounts = { copied: number; copiedBytes: number; duplicate: number; ignored: number };

/** Records of a batch that extend the copy, and the log head with them. */
type Extension = { readonly entries: LogEntry[]; readonly after: LogHead; readonly lastOffset: number };

/** Two records under one position: no reader may go on. */
class Halted extends Error {}

/** Copies into one partition until it is stopped or finds what no copy may go on over (`stopped`). */
export class Replicator {
  readonly counts: ReplicatorCounts = { copied: 0, copiedBytes: 0, duplicate: 0, ignored: 0 };
  /** Why it stopped for good; null while it runs. */
  stopped: string | null = null;
  /** That records of the copy itself were trimmed away by somebody; null while none were. */
  trimmed: string | null = null;
  readonly detours: Detours;
  /** How many records of the source were left when the last batch was read; null before the first. */
  behindRecords: number | null = null;
  #copiedMs = Number.NEGATIVE_INFINITY;
  /** The newest BARRIER that was read from the origin's own log; null before the first. */
  barrier: HeardBarrier | null = null;
  /** Records read since the last accepted one that lie beyond what comes next. */
  #gaps = 0;
  /** Offset at the origin of the last record that was copied from there, −1 before the first. */
  #originOffset = -1;
  #toldWaiting = false;
  /** Found nothing where it read on: behind repeats of old records that place may be too late. */
  #wasStuck = false;
  #source: Source | null;
  /** By site: identity of the topic that was read there. */
  readonly #sourceIds = new Map<string, string>();
  #tail: Tail | null = null;
  #lastAcceptedMs: number;
  #checkpoint: ReplicatorCheckpoint | null = null;
  /** Ends the turn of reading one source. */
  #turn = new AbortController();
  readonly #parts: ReplicatorParts;

  /** How long ago something was last read and stored, in ms; without end before the first time. */
  get quietMs(): number {
    return this.#parts.clock.monotonicMs() - this.#copiedMs;
  }

  constructor(parts: ReplicatorParts) {
    this.#parts = parts;
    this.#source = parts.home;
    this.detours = new Detours(parts.others);
    this.#lastAcceptedMs = parts.clock.monotonicMs();
  }

  /** The end of the copy; null while it has not been read yet. */
  get tail(): Tail | null {
    return this.#tail;
  }

  /** The highest ackable record known to be stored here. */
  get durable(): Position {
    return this.#tail?.ackable ?? NOWHERE;
  }

  /** Every identity this partition is known to have had; the newest is what counts. */
  get logIds(): string[] {
    const known = [this.#checkpoint?.tail.logHead.logId, this.#tail?.logHead.logId];
    return known.flatMap((id) => (id === undefined || id === '' ? [] : [id]));
  }

  checkpoint(): ReplicatorCheckpoint | null {
    const tail = this.#tail?.checkpoint() ?? null;
    return tail === null ? null : { tail, originOffset: this.#originOffset };
  }

  /** Reads the copy's end again: it was found to hold less than it had held. */
  reopen(): void {
    this.#checkpoint = this.checkpoint() ?? this.#checkpoint;
    if (this.#tail?.lost != null) this.#parts.onGone();
    this.#tail = null;
    this.#turn.abort();
  }

  /** What is stored cannot be read through: it is read from its start, and what was promised of it is void. */
  distrust(): void {
    const known = this.checkpoint() ?? this.#checkpoint;
    // Without the place of its head the copy counts as one that lost something: it gets its next identity.
    this.#checkpoint = known === null ? null : { tail: { ...known.tail, headOffset: -1 }, originOffset: -1 };
    this.#tail = null;
    this.#turn.abort();
  }

  /** From now on copies from there; null: from its home. */
  readFrom(source: Source | null): void {
    this.#source = source ?? this.#parts.home;
    this.detours.over();
    this.#turn.abort();
  }

  /** Runs until the signal aborts or something is wrong that trying again cannot mend; then `stopped` says what. */
  async run(checkpoint: ReplicatorCheckpoint | null): Promise<void> {
    const { signal, logger, topic, name } = this.#parts;
    this.#checkpoint = checkpoint;
    this.#originOffset = checkpoint?.originOffset ?? -1;
    let retryMs = RETRY_MS_MIN;
    while (!signal.aborted) {
      this.#turn = new AbortController();
      const source = this.detours.current ?? this.#source;
      try {
        this.#tail ??= await this.#openTail();
        // Its next identity stands before everything that is copied again.
        if (this.#tail.lost === 'beginning') await this.#rest(RETRY_MS_MIN);
        else if (source === null) await this.#rest(RETRY_MS_MAX);
        else await this.#takeTurn(source, this.#tail);
        retryMs = RETRY_MS_MIN;
      } catch (error) {
        if (!isFault(error)) {
          this.stopped = messageOf(error);
          logger.error({ topic, partition: name.partition, error: this.stopped }, 'mirror stopped');
          if (error instanceof Halted) return;
          throw error;
        }
        this.#afterFault(error, source);
        await this.#rest(retryMs);
        retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
      }
    }
  }

  #afterFault(fault: Fault, source: Source | null): void {
    const { logger, topic, name } = this.#parts;
    // A site that does not answer, or holds no copy, has nothing either.
    if (source !== null && source === this.detours.current) this.detours.ended({ source, copied: 0, lacks: null });
    // The copy itself lost something: what is left is read again, and is not what it was.
    if (this.#tail?.lost != null || fault.kind === 'fenced') this.reopen();
    const lost = fault.kind === 'corrupt' || fault.kind === 'outOfRange';
    if (lost) this.#originOffset = -1;
    if (lost || isRefusal(fault)) {
      const where = { topic, partition: name.partition, from: source?.site ?? null, error: fault.message };
      // Of what nothing was ever read here, the topic may not have been made yet: its site begins later, or is slower.
      if (fault.kind === 'notFound' && this.#originOffset < 0 && (this.#tail?.logHead.seq ?? -1) < 0) {
        if (!this.#toldWaiting) logger.info(where, `${topic}/${name.partition} waits for ${fault.message}`);
        this.#toldWaiting = true;
        return;
      }
      logger.error(where, `${topic}/${name.partition}: ${fault.message}; its place is looked for again`);
    }
  }

  async #openTail(): Promise<Tail> {
    const { local, topic, name, clock, signal, logger } = this.#parts;
    const where = { topic, partition: name.partition };
    const parts = {
      ...{ log: local, topic, name, clock, signal },
      onAccepted: (_: Envelope, record: LogRecord) => {
        this.#originOffset = Number(record.headers[ORIGIN_OFFSET_HEADER] ?? this.#originOffset);
      },
      onTrouble: (fault: Fault) => logger.warn({ ...where, error: fault.message }, 'append delayed'),
    };
    // It has an identity of its own, and nothing is known of it.
    const onOther = (what: string): void => {
      logger.error(where, `${what}; it is read as a new one`);
      this.#checkpoint = null;
      this.#originOffset = -1;
    };
    const before = { checkpoint: this.#checkpoint?.tail ?? null, onLost: 'note', onOther } as const;
    const tail = await Tail.open(parts, before).catch((error: unknown) => {
      if (isGone(error)) this.#parts.onGone();
      throw error;
    });
    this.trimmed = null;
    if (tail.logHead.seq < 0) this.#originOffset = -1;
    this.#parts.onStored();
    return tail;
  }

  /** Reads a source for as long as it is its turn, then thinks about the next one. */
  async #takeTurn(source: Source, tail: Tail): Promise<void> {
    const { logger, topic, name } = this.#parts;
    const { detours } = this;
    const before = this.counts.copied;
    const [wasFine, wasStranded] = [detours.trouble === null, detours.isStranded];
    const lacks = await this.#copyFrom(source, tail);
    const mustWait = detours.ended({ source, copied: this.counts.copied - before, lacks });
    const { trouble, isStranded } = detours;
    if (trouble === null) return;
    if (wasFine || (isStranded && !wasStranded))
      logger.error({ topic, partition: name.partition }, `${topic}/${name.partition}: ${trouble}`);
    await this.#rest(mustWait ? RETRY_MS_MAX : RETRY_MS_MIN);
  }

  /**
   * Copies until its turn ends, or the copy is stuck.
   * @param tail the one of this turn: it is told to be read again, and then is no more, while something is waited for here
   * @returns why what comes next is not in the source, as far as it was read from its start to its end; else null
   */
  async #copyFrom(source: Source, tail: Tail): Promise<string | null> {
    const { name, signal, clock, logger } = this.#parts;
    const { log, topic } = source;
    const { partition } = name;
    await this.#noteSource(source);
    const either = AbortSignal.any([signal, this.#turn.signal]);
    const place = await this.#placeIn(source, tail);
    const { from, isStart } = place;
    let { isHint } = place;
    this.#wasStuck = false;
    this.#lastAcceptedMs = clock.monotonicMs();
    const { copied } = this.counts;
    this.#gaps = 0;
    // Other sites' copies are read to their end only: news come from home.
    const untilEnd = source === this.detours.current;
    for await (const read of log.read({ topic, partition, from, signal: either, untilEnd })) {
      const batch = isHint ? { ...read, records: read.records.slice(1) } : read;
      if (isHint && !holds(tail, read.records[0]!.value)) {
        logger.warn(
          { topic, partition, offset: from },
          `${topic}/${partition}: not at offset ${from}; it is looked for`,
        );
        this.#originOffset = -1;
        return null;
      }
      isHint = false;
      if (batch.records.length === 0) continue;
      const ignoredBefore = this.counts.ignored;
      this.behindRecords = batch.end - batch.records[0]!.offset;
      await this.#copyBatch(batch, source, tail);
      const left = batch.end - 1 - batch.records.at(-1)!.offset;
      this.behindRecords = left;
      this.#copiedMs = clock.monotonicMs();
      if (left === 0 && this.#gaps > 0) {
        if (isStart && this.counts.copied === copied) return this.#lackIn(source, tail, from);
        this.#originOffset = -1;
        this.#wasStuck = true;
        return null;
      }
      const stuck = clock.monotonicMs() - this.#lastAcceptedMs > STUCK_MS;
      if (!stuck || this.counts.ignored === ignoredBefore) continue;
      this.#originOffset = -1;
      this.#wasStuck = true;
      return null;
    }
    return null;
  }

  #lackIn({ site, topic }: Source, tail: Tail, start: number): string {
    const { epoch, seq } = tail.logHead;
    const place = `${topic}/${this.#parts.name.partition} at ${site}`;
    const why = start > 0 ? `begins at offset ${start}` : 'cannot be read through';
    return `${place} ${why} and has not got what follows ${formatPosition({ epoch, seq })}`;
  }

  /** Where a source is read on. A hint is where what was copied last stands: only if that is held here does it count. */
  async #placeIn(source: Source, tail: Tail): Promise<{ from: number; isHint: boolean; isStart: boolean }> {
    const { log, topic } = source;
    const { home, name } = this.#parts;
    if (!this.#wasStuck && source === home && this.#originOffset >= 0)
      return { from: this.#originOffset, isHint: true, isStart: false };
    const { start } = await log.bounds(topic, name.partition);
    const from = this.#wasStuck ? start : await findAfter(log, topic, name.partition, tail.logHead);
    return { from, isHint: false, isStart: from === start };
  }

  /** A source that became another topic is told of; its records are checked one by one all the same. */
  async #noteSource({ site, log, topic }: Source): Promise<void> {
    const { name, signal, logger } = this.#parts;
    const { partition } = name;
    const { start } = await log.bounds(topic, partition);
    for await (const batch of log.read({ topic, partition, from: start, signal, untilEnd: true, batchBytesMax: 1 })) {
      const verdict = accept(emptyLogHead(name), batch.records[0]!.value);
      const logId = rootOf(verdict.logHead.logId);
      const known = this.#sourceIds.get(site);
      this.#sourceIds.set(site, logId);
      if (known === undefined || known === logId) return;
      this.#originOffset = -1;
      const message = `${topic}/${partition} at ${site} is log ${logId}, it was ${known}: what follows there still counts`;
      logger.error({ topic, partition, from: site, got: logId, expected: known }, message);
      return;
    }
  }

  async #copyBatch(batch: LogBatch, source: Source, tail: Tail): Promise<void> {
    const extension = this.#extend(batch, source, tail);
    if (extension.entries.length === 0) return;
    const ackable = await tail.append(extension.entries, extension.after);
    if (source === this.#parts.home) this.#originOffset = Math.max(this.#originOffset, extension.lastOffset);
    this.#lastAcceptedMs = this.#parts.clock.monotonicMs();
    if (source === this.#source) this.detours.over();
    this.counts.copied += extension.entries.length;
    for (const entry of extension.entries) this.counts.copiedBytes += entry.value.length;
    if (ackable || source !== this.#parts.home) this.#parts.onStored();
  }

  /** Which records of the batch come next in the copy. */
  #extend(batch: LogBatch, source: Source, tail: Tail): Extension {
    const entries: LogEntry[] = [];
    let after = tail.logHead;
    let lastOffset = -1;
    for (const { value, offset, headers } of batch.records) {
      // The identity and fences of the source are not those of the copy.
      const verdict = accept({ ...after, logId: '', fencedBelow: 0 }, value);
      if (verdict.kind === 'ACCEPT') {
        after = verdict.logHead;
        lastOffset = offset;
        this.#gaps = 0;
        if (source === this.#parts.home) this.#hear(verdict.envelope);
        const hint = source === this.#parts.home ? String(offset) : headers[ORIGIN_OFFSET_HEADER];
        entries.push(hint === undefined ? { value } : { value, headers: { [ORIGIN_OFFSET_HEADER]: hint } });
      } else this.#count(verdict, offset, source);
    }
    return { entries, after, lastOffset };
  }

  /** A barrier that comes from the origin itself is a sign of its life; one that another site still had is none. */
  #hear({ body, epoch, stampMs }: Envelope): void {
    if (body.kind !== 'Barrier') return;
    const { clock } = this.#parts;
    this.barrier = { epoch, heardMs: clock.monotonicMs(), ageMs: clock.nowMs() - stampMs };
  }

  #count(verdict: Exclude<Verdict, { kind: 'ACCEPT' }>, offset: number, { topic, site }: Source): void {
    const { name, logger } = this.#parts;
    if (verdict.kind === 'HALT') throw new Halted(`${topic}/${name.partition}@${offset} of ${site}: ${verdict.reason}`);
    if (verdict.kind === 'DUPLICATE') this.counts.duplicate++;
    if (verdict.kind !== 'IGNORE') return;
    this.counts.ignored++;
    if (!verdict.alarm) this.#gaps++;
    const place = { topic, partition: name.partition, offset, reason: verdict.reason };
    if (verdict.alarm) logger.error(place, 'record ignored');
  }

  async #rest(ms: number): Promise<void> {
    const either = AbortSignal.any([this.#parts.signal, this.#turn.signal]);
    await this.#parts.clock.sleep(ms * (0.5 + this.#parts.random.fraction()), either);
  }
}

/** Whether a record of a source is one that stands in the copy. */
function holds({ logHead }: Tail, value: Uint8Array): boolean {
  return accept({ ...logHead, logId: '', fencedBelow: 0 }, value).kind === 'DUPLICATE';
}
