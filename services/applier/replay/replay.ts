/**
 * Replay: a range of this site's log and of its mirrors of the others', applied once more. Into the same table it
 * changes nothing that is right already, as merging is idempotent; into a scratch table, which only this site has, it
 * shows what the range alone makes. A scratch table keeps its positions, so that a replay that was killed can resume.
 */

import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Log } from '@tidemark/log/log';
import { comparePositions, formatPosition, type Position } from '@tidemark/model/position';
import { type Table, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { accept, emptyLogHead, type LogHead, type Verdict } from '@tidemark/record/admit';
import type { KeyspaceApplier } from '../applier.ts';
import type { Scratch } from '../keyspace/scratch.ts';
import { decode, stampOf, type TableStore } from '../keyspace/stores.ts';
import { type Bound, parseRange, type Range } from './replay-range.ts';

/** What a replay is asked to do. */
export type ReplayRequest = {
  readonly keyspace: string;
  readonly table: string;
  readonly from?: string;
  readonly to?: string;
  /** Name of the scratch table; the table itself when left out. */
  readonly into?: string;
  /** Whose records; when left out everybody's, or for a range of offsets those of the site the keyspace began at. */
  readonly origin?: string;
  /** Only counts. */
  readonly dryRun?: boolean;
  /** Goes on where an earlier replay into the same scratch table stopped; without it that table is emptied first. */
  readonly resume?: boolean;
};

/**
 * What was decided about records: the verdicts of `accept`, but of those accepted only the ones that count and are
 * applied here are ACCEPT, others UNCOMMITTED; RESUMED are in the scratch table already; FORGOTTEN are older than
 * deletions that the table itself does not know any more.
 */
type Word = Verdict['kind'] | 'UNCOMMITTED' | 'RESUMED' | 'FORGOTTEN';

/** How far it is, and at last how it went. */
export type ReplayReport = {
  /** Records with rows of this table that were applied (in a dry run: would be), and their rows. */
  readonly records: number;
  readonly rows: number;
  /** Everything within the range; rows are those of this table. */
  readonly verdicts: Readonly<Partial<Record<Word, { records: number; rows: number }>>>;
};

/** What a replay needs of the site. */
type ReplayParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly clock: Clock;
  /** This site's copy of an origin's partition cannot be read beyond `at`, though there is more in it. */
  readonly onStuck: ((keyspace: string, origin: string, partition: number, at: Position) => void) | undefined;
};

/** The event loop is given away at least this often. */
const SLICE_MS = 8;
const SCRATCH_BYTES_MAX = 16 * 1024 * 1024;

/** The part of one partition that is wanted: offsets, and positions where the range names them. Ends are not included. */
type Slice = {
  readonly from: number;
  readonly to: number;
  readonly after: Position | null;
  readonly before: Position | null;
};

/** One replay, run once. Repeated into the same table it changes nothing; into a scratch table it can resume. */
export class Replay {
  readonly #parts: ReplayParts;
  readonly #applier: KeyspaceApplier;
  readonly #request: ReplayRequest;
  readonly #range: Range;
  readonly #origins: readonly string[];
  readonly #table: Table;
  readonly #verdicts: Partial<Record<Word, { records: number; rows: number }>> = {};
  readonly #batch = new RowBatch();
  #records = 0;
  #rows = 0;
  #sliceMs = 0;

  /** @throws {Fault} `notFound`: no such table. `invalid`: no such origin, or a range that is none. */
  constructor(parts: ReplayParts, applier: KeyspaceApplier, table: Table, request: ReplayRequest) {
    this.#parts = parts;
    this.#applier = applier;
    this.#request = request;
    this.#table = table;
    this.#range = parseRange(request.from, request.to, parts.clock.nowMs());
    const { name, primary } = applier.stores.keyspace;
    const origins = applier.origins.names;
    if (request.origin !== undefined && !origins.includes(request.origin)) {
      const expected = origins.join(', ');
      throw new Fault('invalid', `keyspace ${name} has no log of "${request.origin}" here, only of ${expected}`, {
        got: request.origin,
        expected,
      });
    }
    const { from, to } = this.#range;
    // An offset means something in one log only; times and positions do in all.
    const isOfOneLog = [from, to].some(({ by }) => by === 'offset' || by === 'afterStart' || by === 'beforeEnd');
    this.#origins = request.origin !== undefined ? [request.origin] : isOfOneLog ? [primary] : origins;
  }

  #topicOf(origin: string): string {
    const { name } = this.#applier.stores.keyspace;
    return origin === this.#parts.site ? topicNames.log(name, origin) : topicNames.mirror(name, origin);
  }

  /** Reads all partitions of all logs, one after the other. @throws {Fault} whatever reading the log or writing rows does. */
  async run(scratch: Scratch, tell: (report: ReplayReport) => void, signal: AbortSignal): Promise<ReplayReport> {
    const { into, dryRun, resume } = this.#request;
    const { stores } = this.#applier;
    let target: TableStore | null = null;
    if (dryRun !== true && into !== undefined) target = await scratch.prepare(this.#table, into, resume === true);
    this.#sliceMs = this.#parts.clock.monotonicMs();
    for (let partition = 0; partition < stores.keyspace.partitions; partition++) {
      for (const origin of this.#origins) {
        await this.#partition(origin, partition, target, () => tell(this.#report()), signal);
      }
      await target?.partitions[partition]?.flush();
    }
    if (signal.aborted)
      throw new Fault('unavailable', `replay of ${this.#table.name}: the site is stopping; resume it later`);
    return this.#report();
  }

  #report(): ReplayReport {
    return { records: this.#records, rows: this.#rows, verdicts: structuredClone(this.#verdicts) };
  }

  async #partition(
    origin: string,
    partition: number,
    target: TableStore | null,
    tell: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { log } = this.#parts;
    const topic = this.#topicOf(origin);
    // A site that never wrote may have no copy here yet.
    if (this.#request.origin === undefined && (await log.partitionCount(topic)) === null) return;
    const { start, end } = await log.bounds(topic, partition);
    const slice = await this.#slice(topic, partition, start, end);
    const { cluster, name: keyspace } = { cluster: this.#parts.cluster, name: this.#applier.stores.keyspace.name };
    // A verdict depends on all that came before, so that the fold begins at the log's start, whatever the range.
    let logHead: LogHead = emptyLogHead({ cluster, keyspace, origin, partition });
    const { applied } = this.#applier.origins.readers(origin)[partition]!;
    let hole: Hole | null = null;
    reading: for await (const batch of log.read({ topic, partition, from: start, signal, untilEnd: true })) {
      for (const { offset, value } of batch.records) {
        // Behind a hole, what is missing may have been filled in.
        if (offset >= slice.to && hole === null) break reading;
        const verdict = accept(logHead, value);
        hole = holeAfter(hole, verdict, offset);
        logHead = verdict.logHead;
        if (offset >= slice.from && offset < slice.to && isWithin(slice, verdict)) await this.#take(verdict, target);
      }
      tell();
    }
    const isShort = slice.to === end && comparePositions(logHead, applied) < 0;
    if (signal.aborted || (hole === null && !isShort)) return;
    this.#parts.onStuck?.(keyspace, origin, partition, logHead);
    throw unreadable(`${topic}/${partition}`, logHead, hole, origin === this.#parts.site);
  }

  async #slice(topic: string, partition: number, start: number, end: number): Promise<Slice> {
    const offsetOf = async (bound: Bound): Promise<number | null> => {
      switch (bound.by) {
        case 'start':
          return start;
        case 'end':
          return end;
        case 'offset':
          return bound.count;
        case 'afterStart':
          return start + bound.count;
        case 'beforeEnd':
          return Math.max(start, end - bound.count);
        case 'time':
          return this.#parts.log.offsetAtTime(topic, partition, bound.timeMs);
        case 'position':
          return null;
      }
    };
    const { from, to } = this.#range;
    return {
      from: (await offsetOf(from)) ?? start,
      to: Math.min(end, (await offsetOf(to)) ?? end),
      after: from.by === 'position' ? from.at : null,
      before: to.by === 'position' ? to.at : null,
    };
  }

  async #take(verdict: Verdict, target: TableStore | null): Promise<void> {
    const rows = this.#rowsIn(verdict);
    const word = this.#wordFor(verdict, target);
    this.#count(word, rows);
    if (word !== 'ACCEPT' || rows === 0) return;
    this.#records++;
    this.#rows += rows;
    if (this.#request.dryRun !== true) await this.#apply(verdict, target);
    if (this.#parts.clock.monotonicMs() - this.#sliceMs < SLICE_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceMs = this.#parts.clock.monotonicMs();
  }

  /** How many rows of the table the record holds, if it could be read. */
  #rowsIn(verdict: Verdict): number {
    if (verdict.kind === 'IGNORE' || verdict.kind === 'HALT') return 0;
    const { body } = verdict.envelope;
    return body.kind === 'Mutate' && body.table === this.#table.id ? body.rowCount : 0;
  }

  #wordFor(verdict: Verdict, target: TableStore | null): Word {
    if (verdict.kind !== 'ACCEPT') return verdict.kind;
    const { partition, origin } = verdict.envelope;
    if (!this.#applier.origins.readers(origin)[partition]!.counts(verdict.envelope)) return 'UNCOMMITTED';
    const { body } = verdict.envelope;
    const isIntoItself = this.#request.into === undefined && body.kind === 'Mutate' && body.table === this.#table.id;
    if (isIntoItself && this.#applier.stores.isForgotten(verdict.envelope, body)) return 'FORGOTTEN';
    const held = target?.partitions[partition]?.position(origin);
    return held !== undefined && comparePositions(verdict.envelope, held) <= 0 ? 'RESUMED' : 'ACCEPT';
  }

  #count(word: Word, rows: number): void {
    const counts = this.#verdicts[word] ?? { records: 0, rows: 0 };
    counts.records++;
    counts.rows += rows;
    this.#verdicts[word] = counts;
  }

  async #apply(verdict: Verdict, target: TableStore | null): Promise<void> {
    if (verdict.kind !== 'ACCEPT' || verdict.envelope.body.kind !== 'Mutate') return;
    const { envelope } = verdict;
    const { body, partition, epoch, seq } = verdict.envelope;
    if (body.kind !== 'Mutate') return;
    const { stores } = this.#applier;
    if (target === null) {
      stores.mutateAgain(envelope, body);
      return this.#applier.room();
    }
    const store = target.partitions[partition]!;
    decode(envelope, body, target.table, this.#batch);
    store.apply(this.#batch, stampOf(stores.keyspace, envelope), envelope.origin, { epoch, seq });
    if (store.memtableBytes > SCRATCH_BYTES_MAX) await store.flush();
  }
}

/** What is missing before a record that is whole. */
type Hole = { readonly offset: number };

/** A record that lies beyond what comes next shows a hole; the next one of the sequence fills it. */
function holeAfter(hole: Hole | null, verdict: Verdict, offset: number): Hole | null {
  if (verdict.kind === 'ACCEPT') return null;
  return verdict.kind === 'IGNORE' && !verdict.alarm ? (hole ?? { offset }) : hole;
}

/** Nothing is counted as whole that is not. */
function unreadable(place: string, { epoch, seq }: LogHead, hole: Hole | null, isOwn: boolean): Fault {
  const after = seq < 0 ? 'its beginning' : formatPosition({ epoch, seq });
  const seen = hole === null ? '' : `, and offset ${hole.offset} is beyond it`;
  const when = isOwn ? 'once another site leads (tidemark switchover)' : 'by itself';
  const message = `${place} cannot be read through here: what follows ${after} is damaged or missing${seen}; it is fetched again from the other sites ${when}: ask again then, or take a range that ends before`;
  return new Fault('unavailable', message, { retryAfterMs: 5_000 });
}

/** Records without a position are within a range of positions when they stand between two that are. */
function isWithin({ after, before }: Slice, { logHead }: Verdict): boolean {
  return (
    (after === null || comparePositions(logHead, after) >= 0) &&
    (before === null || comparePositions(logHead, before) < 0)
  );
}
