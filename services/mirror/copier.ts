/** Copies one partition of a remote log into the local mirror topic: the same bytes, in the same order. */

import type { Log, LogBatch, LogEntry } from '@tidemark/log/log';
import { Tail, type TailCheckpoint } from '@tidemark/log/tail';
import { accept, emptyPrefix, type PartitionName, type Prefix, type Verdict } from '@tidemark/schema/accept';
import { NOWHERE, type Position } from '@tidemark/schema/position';
import type { Clock } from '@tidemark/world/clock';
import { Fault, isFault, messageOf } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { Random } from '@tidemark/world/random';

/** The header that says where a record stood at its origin: a hint where to read on. */
export const ORIGIN_OFFSET_HEADER = 'tidemark-origin-offset';

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5_000;
/** Nothing accepted for this long while records are ignored: copy again from the origin's start. */
const STUCK_MS = 10_000;

export type CopierParts = {
  readonly remote: Log;
  readonly local: Log;
  readonly sourceTopic: string;
  readonly mirrorTopic: string;
  readonly name: PartitionName;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Told whenever `durable` has risen. */
  readonly onDurable: () => void;
};

/** What a checkpoint of a copier holds. */
export type CopierCheckpoint = { readonly tail: TailCheckpoint; readonly originOffset: number };

export type CopierCounts = { copied: number; copiedBytes: number; duplicate: number; ignored: number };

/** Records of a batch that extend the copy, and the prefix with them. */
type Extension = { readonly entries: LogEntry[]; readonly after: Prefix; readonly lastOffset: number };

export class Copier {
  readonly counts: CopierCounts = { copied: 0, copiedBytes: 0, duplicate: 0, ignored: 0 };
  /** Why it stopped for good; null while it runs. */
  stopped: string | null = null;
  /** How many records of the origin were left when the last batch was read; null before the first. */
  behindRecords: number | null = null;
  /** Offset at the origin of the last record that was copied, −1 before the first. */
  #originOffset = -1;
  #sourcePrefix: Prefix;
  #tail: Tail | null = null;
  #lastAcceptedMs: number;
  readonly #parts: CopierParts;

  constructor(parts: CopierParts) {
    this.#parts = parts;
    this.#lastAcceptedMs = parts.clock.monotonicMs();
    this.#sourcePrefix = emptyPrefix(parts.name);
  }

  /** The highest ackable record known to be stored here. */
  get durable(): Position {
    return this.#tail?.ackable ?? NOWHERE;
  }

  /** Identity of the local mirror topic; empty before it was read. */
  get logId(): string {
    return this.#tail?.prefix.logId ?? '';
  }

  checkpoint(): CopierCheckpoint | null {
    const tail = this.#tail?.checkpoint() ?? null;
    return tail === null ? null : { tail, originOffset: this.#originOffset };
  }

  /** Runs until the signal aborts or something is wrong that trying again cannot mend; then `stopped` says what. */
  async run(checkpoint: CopierCheckpoint | null): Promise<void> {
    const { signal, logger, sourceTopic, name } = this.#parts;
    this.#originOffset = checkpoint?.originOffset ?? -1;
    let retryMs = RETRY_MS_MIN;
    let from = -1;
    while (!signal.aborted) {
      try {
        this.#tail ??= await this.#openTail(checkpoint);
        if (from < 0) from = this.#originOffset + 1;
        from = await this.#copyFrom(from);
        retryMs = RETRY_MS_MIN;
      } catch (error) {
        if (isFault(error, 'corrupt') || isFault(error, 'fenced') || !isFault(error)) {
          this.stopped = messageOf(error);
          logger.error({ topic: sourceTopic, partition: name.partition, error: this.stopped }, 'mirror stopped');
          return;
        }
        if (error.details.status === 410) from = await this.#sourceStart();
        await this.#rest(retryMs);
        retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
      }
    }
  }

  async #openTail(checkpoint: CopierCheckpoint | null): Promise<Tail> {
    const { local, mirrorTopic, name, clock, signal, logger } = this.#parts;
    const tail = await Tail.open(
      {
        log: local,
        topic: mirrorTopic,
        name,
        clock,
        signal,
        onLostEnd: 'note',
        onAccepted: (_, record) => {
          this.#originOffset = Number(record.headers[ORIGIN_OFFSET_HEADER] ?? this.#originOffset);
        },
        onTrouble: (fault) =>
          logger.warn({ topic: mirrorTopic, partition: name.partition, error: fault.message }, 'mirror append delayed'),
      },
      checkpoint?.tail ?? null,
    );
    if (tail.prefix.seq < 0) this.#originOffset = -1;
    this.#parts.onDurable();
    return tail;
  }

  /** Copies until the signal aborts (returns the offset to go on from) or the copy is stuck (returns the start). */
  async #copyFrom(from: number): Promise<number> {
    const { remote, sourceTopic, name, signal, clock } = this.#parts;
    await this.#pinSource();
    let next = from;
    this.#lastAcceptedMs = clock.monotonicMs();
    for await (const batch of remote.read({ topic: sourceTopic, partition: name.partition, from, signal })) {
      const ignoredBefore = this.counts.ignored;
      await this.#copyBatch(batch);
      next = batch.records.at(-1)!.offset + 1;
      this.behindRecords = batch.end - next;
      const stuck = clock.monotonicMs() - this.#lastAcceptedMs > STUCK_MS;
      if (stuck && this.counts.ignored > ignoredBefore) return this.#sourceStart();
    }
    return next;
  }

  /** The origin's log must stay the one it was when copying began. */
  async #pinSource(): Promise<void> {
    const { remote, sourceTopic, name, signal } = this.#parts;
    const { partition } = name;
    const { start } = await remote.bounds(sourceTopic, partition);
    for await (const batch of remote.read({ topic: sourceTopic, partition, from: start, signal, untilEnd: true })) {
      const verdict = accept(this.#sourcePrefix, batch.records[0]!.value);
      if (verdict.kind === 'HALT') throw new Fault('corrupt', `${sourceTopic}/${partition}: ${verdict.reason}`);
      if (verdict.kind === 'LOCAL') this.#sourcePrefix = verdict.prefix;
      return;
    }
  }

  async #copyBatch(batch: LogBatch): Promise<void> {
    const extension = this.#extend(batch);
    if (extension.entries.length === 0) return;
    const ackable = await this.#tail!.append(extension.entries, extension.after);
    this.#originOffset = Math.max(this.#originOffset, extension.lastOffset);
    this.#lastAcceptedMs = this.#parts.clock.monotonicMs();
    this.counts.copied += extension.entries.length;
    for (const entry of extension.entries) this.counts.copiedBytes += entry.value.length;
    if (ackable) this.#parts.onDurable();
  }

  /** Which records of the batch come next in the copy. */
  #extend(batch: LogBatch): Extension {
    const entries: LogEntry[] = [];
    let after = this.#tail!.prefix;
    let lastOffset = -1;
    for (const { value, offset } of batch.records) {
      // The identity and fences of the source are not those of the copy.
      const verdict = accept({ ...after, logId: this.#sourcePrefix.logId, fencedBelow: 0 }, value);
      if (verdict.kind === 'ACCEPT') {
        after = verdict.prefix;
        lastOffset = offset;
        entries.push({ value, headers: { [ORIGIN_OFFSET_HEADER]: String(offset) } });
      } else this.#count(verdict, offset);
    }
    return { entries, after, lastOffset };
  }

  #count(verdict: Exclude<Verdict, { kind: 'ACCEPT' }>, offset: number): void {
    const { sourceTopic, name, logger } = this.#parts;
    if (verdict.kind === 'HALT')
      throw new Fault('corrupt', `${sourceTopic}/${name.partition}@${offset}: ${verdict.reason}`);
    if (verdict.kind === 'DUPLICATE') this.counts.duplicate++;
    if (verdict.kind !== 'IGNORE') return;
    this.counts.ignored++;
    const place = { topic: sourceTopic, partition: name.partition, offset, reason: verdict.reason };
    if (verdict.alarm) logger.error(place, 'record ignored');
  }

  async #sourceStart(): Promise<number> {
    const { remote, sourceTopic, name } = this.#parts;
    return remote.bounds(sourceTopic, name.partition).then(
      ({ start }) => start,
      () => 0,
    );
  }

  async #rest(ms: number): Promise<void> {
    await this.#parts.clock.sleep(ms * (0.5 + this.#parts.random.fraction()), this.#parts.signal);
  }
}
