/**
 * Before a writer writes (protocol E8): it reads its own log and learns where each partition ends, which requests and
 * ingest offsets are in it, and what the tables are; a checkpoint at least one window old saves reading it all. Of the
 * terms of other sites it reads the last window in this site's mirrors. What lies beyond a term's epoch end does not count.
 */

import type { Term } from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import { Tail, type TailCheckpoint } from '@tidemark/log/tail';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';
import type { Timing } from '@tidemark/platform/timing';
import type { Envelope } from '@tidemark/record/envelope';
import { IngestSources } from '../ingress/ingest-sources.ts';
import { readRecent } from './recent.ts';
import { requestIn } from './request.ts';
import { RequestWindow, type Seen } from './request-window.ts';
import { Unnamed } from './unnamed.ts';

/** What reading a log before writing it needs. */
export type OpeningParts = {
  readonly cluster: string;
  readonly site: string;
  readonly keyspace: Keyspace;
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The terms before this one, closed, oldest first. */
  readonly terms: readonly Term[];
  /** Told beyond what a partition of the log cannot be read, though there is more in it: it is to be filled from other sites'. */
  readonly onHole?: ((partition: number, at: Position) => void) | undefined;
  /** Told that the log is not what this site has noted of it: who copies into it may have noted less. */
  readonly onLost?: ((reason: string) => void) | undefined;
};

/** What a writer knows of its log. */
export type Opened = {
  readonly tails: readonly Tail[];
  /** As of the newest SCHEMA record. */
  readonly keyspace: Keyspace;
  readonly windows: readonly RequestWindow[];
  readonly sources: IngestSources;
  /** Above every stamp in the log. */
  readonly stampMs: number;
};

/** A moment from which the log can be read on. */
export type CheckpointPoint = {
  /**
   * No larger stamp was given before, and no smaller one from then on. How old the point is, is told by it: a clock that was
   * wrong when the point was noted has moved no stamp, and may be right by now.
   */
  readonly stampMs: number;
  readonly keyspace: Keyspace;
  readonly sources: ReturnType<IngestSources['toJson']>;
  readonly tails: readonly (TailCheckpoint | null)[];
};

/**
 * @throws {Fault} as `Tail.open`; `corrupt`: a record in its midst is gone or damaged, so that neither the requests beyond nor what
 *   is appended would count.
 */
export async function openLog(parts: OpeningParts): Promise<Opened> {
  const point = await readPoint(parts);
  const opened = await openFrom(parts, point);
  const isOfThisLog = opened.tails.every((tail, partition) => point?.tails[partition] == null || tail.resumed);
  // What it says of tables and of the ingest it says of the log it was made of.
  return isOfThisLog ? opened : openFrom(parts, null);
}

/**
 * Looks whether the log still holds what this site's writer has noted of it, as far as that counts: before the site stands,
 * so that it begins no term that it cannot write. `onLost` is told.
 *
 * @throws {Fault} as `Tail.open`
 */
export async function checkNoted(parts: OpeningParts): Promise<void> {
  const point = await readPoint(parts);
  const check = async (known: TailCheckpoint | null, partition: number): Promise<void> => {
    if (known === null || (await Tail.holds(tailParts(parts, partition), known))) return;
    // It may be another log, or have got its next identity since: then nothing of this is asked of it.
    await openTail(parts, partition, known);
  };
  await Promise.all((point?.tails ?? []).map(check));
}

function tailParts(parts: OpeningParts, partition: number, onAccepted?: (envelope: Envelope) => void) {
  const { cluster, site, keyspace, log, clock, signal, logger } = parts;
  const topic = topicNames.log(keyspace.name, site);
  const name = { cluster, keyspace: keyspace.name, origin: site, partition };
  const onTrouble = (fault: Error): void => logger.warn({ topic, partition, error: fault.message }, 'append delayed');
  return { log, topic, name, clock, signal, onTrouble, ...(onAccepted && { onAccepted }) };
}

function openTail(
  parts: OpeningParts,
  partition: number,
  known: TailCheckpoint | null,
  onAccepted?: (envelope: Envelope) => void,
): Promise<Tail> {
  const own = tailParts(parts, partition, onAccepted);
  const { topic } = own;
  const onOther = (what: string): void =>
    parts.logger.error({ topic, partition }, `${what}: its checkpoint counts as none`);
  return Tail.open(own, { checkpoint: known, onLost: 'refuse', onOther }).catch((error: unknown) => {
    if (known !== null && isFault(error, 'corrupt')) parts.onLost?.(error.message);
    throw error;
  });
}

async function openFrom(parts: OpeningParts, point: CheckpointPoint | null): Promise<Opened> {
  const { cluster, site, log, signal } = parts;
  let keyspace = point?.keyspace ?? parts.keyspace;
  // What stands before the point is not read, and every stamp of it is below.
  let stampMs = point?.stampMs ?? 0;
  const sources = IngestSources.fromJson(point?.sources ?? []);
  const windows = Array.from({ length: parts.keyspace.partitions }, () => new RequestWindow(parts.timing));
  const requests: Request[][] = windows.map(() => []);
  let isOpened = false;
  const unnamed = new Map<string, Unnamed>();
  const take = (partition: number, envelope: Envelope): void => {
    if (isOpened) return;
    const { origin, epoch, body } = envelope;
    const place = `${origin}/${partition}`;
    if (body.kind === 'EpochStart') {
      unnamed.get(place)?.began(body);
      unnamed.get(`${body.previousOrigin}/${partition}`)?.closed(body.previousEpoch, body.endSeq);
    }
    // What a writer that died still had on its way lands behind the epoch end: it does not count, so it must not be known.
    if (isNamed(parts.terms, epoch)) {
      if (counts(parts.terms, partition, envelope)) know(partition, envelope);
      return;
    }
    const waiting = unnamed.get(place) ?? new Unnamed((one) => know(partition, one));
    unnamed.set(place, waiting);
    waiting.add(envelope);
  };
  const know = (partition: number, envelope: Envelope, isCertain = true): void => {
    stampMs = Math.max(stampMs, envelope.stampMs);
    const { body, epoch, seq, origin } = envelope;
    if (body.kind === 'Schema' && body.version >= keyspace.version) keyspace = JSON.parse(body.keyspace) as Keyspace;
    if (body.kind !== 'Mutate') return;
    const { requestId, rowCount, source, table } = body;
    const seen = { request: requestIn(body), rowCount, position: { epoch, seq }, stampMs: envelope.stampMs };
    if (requestId !== '' && isCertain) requests[partition]!.push({ requestId, seen });
    // Each site has an ingest topic of its own.
    if (source !== null && origin === site) sources.took(partition, table, source);
  };
  const open = (partition: number): Promise<Tail> =>
    openTail(parts, partition, point?.tails[partition] ?? null, (envelope) => take(partition, envelope));
  const tails = await Promise.all(windows.map((_, partition) => open(partition)));
  const others = new Set(parts.terms.map((term) => term.site).filter((name) => name !== site));
  for (const origin of others) {
    const reading = windows.map((_, partition) => {
      const name = { cluster, keyspace: parts.keyspace.name, origin, partition };
      const { terms, timing } = parts;
      let firstMs = Number.POSITIVE_INFINITY;
      const recent = (envelope: Envelope): void => {
        firstMs = Math.min(firstMs, envelope.stampMs);
        take(partition, envelope);
      };
      return readRecent(log, name, terms, timing.requestWindowMs, signal, recent).then((isAll) => {
        if (!isAll) windows[partition]!.forgetBelow(firstMs);
      });
    });
    await Promise.all(reading);
  }
  isOpened = true;
  // Of which nobody says where it ended is old, and was not cut as far as is known; but no key is answered by it.
  for (const [place, { left }] of unnamed) {
    const partition = Number(place.split('/').at(-1));
    for (const envelope of left) know(partition, envelope, false);
    windows[partition]!.forgetBelow(left.reduce((ms, one) => Math.max(ms, one.stampMs + 1), 0));
  }
  checkAborted(parts);
  checkWhole(parts, tails);
  windows.forEach((window, partition) => {
    if (point !== null) window.forgetBelow(point.stampMs);
    const inOrder = requests[partition]!.sort((a, b) => a.seen.stampMs - b.seen.stampMs);
    for (const { requestId, seen } of inOrder) window.add(requestId, seen);
  });
  // A record's rows reach at most 65,536 ticks, one ms, beyond its own stamp.
  return { tails, keyspace, windows, sources, stampMs: stampMs + 2 };
}

/** Reading that was broken off has not seen everything. */
function checkAborted({ signal, keyspace }: OpeningParts): void {
  if (signal.aborted) throw new Fault('unavailable', `keyspace ${keyspace.name}: the writer was given up`);
}

/** Its last closed term counts up to its end, and was stored up to there before that was decided. */
function checkWhole({ site, keyspace, terms, onHole }: OpeningParts, tails: readonly Tail[]): void {
  const own = terms.filter((term) => term.site === site);
  const holes = tails.flatMap(({ logHead }, partition) => {
    const last = own.findLast(({ epochEnds }) => (epochEnds?.[partition]?.seq ?? -1) >= 0);
    const end = last === undefined ? NOWHERE : { epoch: last.epoch, seq: last.epochEnds![partition]!.seq };
    return comparePositions(logHead, end) >= 0 ? [] : [{ partition, head: logHead, end }];
  });
  for (const { partition, head } of holes) onHole?.(partition, { epoch: head.epoch, seq: head.seq });
  const [first] = holes;
  if (first === undefined) return;
  const [got, expected] = [formatPosition(first.head), formatPosition(first.end)];
  const place = `${topicNames.log(keyspace.name, site)}/${first.partition}`;
  throw new Fault('corrupt', `${place} cannot be read beyond ${got}, and its last term ended at ${expected}`, {
    got,
    expected,
  });
}

type Request = { readonly requestId: string; readonly seen: Seen };

/** The register names the newest terms only: sixty-four of them may have passed within one window. */
function isNamed(terms: readonly Term[], epoch: number): boolean {
  return epoch >= (terms[0]?.epoch ?? 0);
}

/** Not beyond the epoch end of its term; of an epoch that was passed over nothing counts. */
function counts(terms: readonly Term[], partition: number, { epoch, seq, origin }: Envelope): boolean {
  if (terms.length === 0) return true;
  const term = terms.find((one) => one.epoch === epoch);
  return term !== undefined && term.site === origin && seq <= (term.epochEnds?.[partition]?.seq ?? -1);
}

const pathOf = (keyspace: string): string => `checkpoints/writer/${keyspace}.json`;

/** The newest point that is a whole window old; null when there is none, and then the log is read from its start. */
async function readPoint(parts: OpeningParts): Promise<CheckpointPoint | null> {
  const { disk, keyspace, clock, timing, logger, terms } = parts;
  const points = await readPoints(disk, keyspace.name, logger);
  const oldMs = clock.nowMs() - timing.requestWindowMs;
  return points.findLast((point) => point.stampMs <= oldMs && isWithinEnds(terms, point)) ?? null;
}

/**
 * Whether everything in a point counts. What was noted beyond an epoch end is no part of the keyspace's history, be it where a
 * partition stands, a column, or an ingest offset; and where the epoch end was is not known of a term that is not named any more.
 */
function isWithinEnds(terms: readonly Term[], { tails }: CheckpointPoint): boolean {
  return tails.every((tail, partition) => {
    if (tail === null || tail.logHead.epoch === 0) return true;
    const { epoch, seq, chain } = tail.logHead;
    const epochEnd = terms.find((term) => term.epoch === epoch)?.epochEnds?.[partition];
    return epochEnd !== undefined && (seq < epochEnd.seq || (seq === epochEnd.seq && chain === epochEnd.chain));
  });
}

async function readPoints(disk: Disk, keyspace: string, logger: Logger): Promise<CheckpointPoint[]> {
  return (await readDerived(disk, pathOf(keyspace), asWritten<CheckpointPoint[]>(), logger)) ?? [];
}

/** Adds a point, and drops those that no restart will want. */
export async function writePoint(
  { disk, timing, logger }: Pick<OpeningParts, 'disk' | 'timing' | 'logger'>,
  point: CheckpointPoint,
): Promise<void> {
  const { name } = point.keyspace;
  const points = await readPoints(disk, name, logger);
  const wanted = points.findLastIndex((p) => p.stampMs <= point.stampMs - timing.requestWindowMs);
  const kept = [...points.slice(Math.max(0, wanted)), point];
  await disk.makeFolder('checkpoints/writer');
  await writeState(disk, pathOf(name), kept);
}
