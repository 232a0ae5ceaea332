/** The last ten minutes of what another site originated, as this site's mirror holds it: for a writer that follows it. */

import type { EpochEndAt, Term } from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { PartitionName } from '@tidemark/record/admit';
import type { Envelope } from '@tidemark/record/envelope';
import { chainFollows, type OpenedRecord, openRecord } from '@tidemark/record/seal';

/** Records at the end that are read in any case: among them is one that counts, whatever fences and repeats there are. */
const LAST_RECORDS = 64;

/** Where a term of the origin ended in the partition. */
type Ended = { readonly epoch: number; readonly epochEnd: EpochEndAt };

/** A record that may count: it does if the epoch end is reached from it. `envelope` is without rows. */
type Candidate = { readonly envelope: Envelope; readonly before: Candidate | null };

/**
 * Tells, oldest first, of the records of closed terms of a partition that the log took in the last `windowMs` before its
 * newest one, by the log's own clock: this process's may be wrong. A record counts when the chain leads from it to its
 * term's epoch end. Nothing else tells: reading begins in the middle, where repeats of old records may stand first.
 *
 * @param take is told of records without their rows
 * @returns whether that was all there ever was
 * @throws {Fault} as `Log.read`; `unavailable`: the newest term's epoch end is not in this site's copy
 */
export async function readRecent(
  log: Log,
  name: PartitionName,
  terms: readonly Term[],
  windowMs: number,
  signal: AbortSignal,
  take: (envelope: Envelope) => void,
): Promise<boolean> {
  const ended = endsOf(terms, name);
  const newest = ended.at(-1);
  if (newest === undefined) return true;
  const topic = topicNames.mirror(name.keyspace, name.origin);
  const { partition } = name;
  const { start, end } = await log.bounds(topic, partition);
  // Of a copy that was trimmed to its end nothing can be read: the end of the term is not here.
  const newestMs = end > start ? await timeAt(log, topic, partition, end - 1) : 0;
  const since = await log.offsetAtTime(topic, partition, newestMs - windowMs);
  for (let back = LAST_RECORDS; ; back *= 8) {
    const from = Math.max(start, Math.min(since, end - back));
    const candidates = await readFrom(log, name, from, new Set(ended.map(({ epoch }) => epoch)), signal);
    if (candidateAt(candidates, newest) !== null) {
      const { envelopes, isWhole } = leadingTo(candidates, ended);
      for (const envelope of envelopes) take(envelope);
      return isWhole && from === start;
    }
    if (signal.aborted) return false;
    if (from > start) continue;
    const where = `${topic}/${partition}`;
    throw new Fault(
      'unavailable',
      `${where}: the end of epoch ${newest.epoch}, seq ${newest.epochEnd.seq}, is not here`,
    );
  }
}

function endsOf(terms: readonly Term[], { origin, partition }: PartitionName): Ended[] {
  return terms.flatMap(({ site, epoch, epochEnds }) => {
    const epochEnd = site === origin ? epochEnds?.[partition] : undefined;
    return epochEnd === undefined || epochEnd.seq < 0 ? [] : [{ epoch, epochEnd }];
  });
}

async function timeAt(log: Log, topic: string, partition: number, from: number): Promise<number> {
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
    return records[0]!.timeMs;
  }
  return 0;
}

/** `epoch:seq` → what stands there: one record, unless somebody else wrote another. */
type Candidates = ReadonlyMap<string, readonly Candidate[]>;

async function readFrom(
  log: Log,
  name: PartitionName,
  from: number,
  epochs: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<Candidates> {
  const topic = topicNames.mirror(name.keyspace, name.origin);
  const found = new Map<string, Candidate[]>();
  for await (const { records } of log.read({ topic, partition: name.partition, from, signal, untilEnd: true })) {
    for (const { value } of records) {
      const opened = ours(name, value);
      if (opened === null || !epochs.has(opened.envelope.epoch)) continue;
      const { epoch, seq, chain } = opened.envelope;
      const place = `${epoch}:${seq}`;
      const others = found.get(place) ?? [];
      if (others.some(({ envelope }) => envelope.chain === chain)) continue;
      const before = found.get(`${epoch}:${seq - 1}`)?.find(({ envelope }) => chainFollows(opened, envelope.chain));
      found.set(place, [...others, { envelope: withoutRows(opened.envelope), before: before ?? null }]);
    }
  }
  return found;
}

function candidateAt(candidates: Candidates, { epoch, epochEnd }: Ended): Candidate | null {
  return candidates.get(`${epoch}:${epochEnd.seq}`)?.find(({ envelope }) => envelope.chain === epochEnd.chain) ?? null;
}

/** The records that lead to this one, as far back as was read; oldest first. */
function chainTo(last: Candidate | null): Envelope[] {
  const envelopes: Envelope[] = [];
  for (let at = last; at !== null; at = at.before) envelopes.push(at.envelope);
  return envelopes.reverse();
}

/** What leads to the ends without a gap, oldest first: what stands before a record that is gone or damaged is as good as not read. */
function leadingTo(
  candidates: Candidates,
  ended: readonly Ended[],
): { readonly envelopes: readonly Envelope[]; readonly isWhole: boolean } {
  const chains: Envelope[][] = [];
  for (const one of ended.toReversed()) {
    const chain = chainTo(candidateAt(candidates, one));
    chains.unshift(chain);
    if (chain[0]?.seq !== 0) return { envelopes: chains.flat(), isWhole: false };
  }
  return { envelopes: chains.flat(), isWhole: true };
}

/** Null for what cannot be a record of the partition. */
function ours(name: PartitionName, value: Uint8Array): OpenedRecord | null {
  try {
    const opened = openRecord(value);
    const { partition, origin, keyspace, cluster, seq } = opened.envelope;
    const isOurs = partition === name.partition && origin === name.origin && keyspace === name.keyspace;
    return isOurs && cluster === name.cluster && seq >= 0 ? opened : null;
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}

const NOTHING = new Uint8Array(0);

/** So that ten minutes of rows are not held in memory; nobody asks for them. */
function withoutRows(envelope: Envelope): Envelope {
  const { body } = envelope;
  if (body.kind !== 'Mutate') return envelope;
  const request = body.request === null ? null : { ...body.request, hash: Buffer.from(body.request.hash) };
  return { ...envelope, body: { ...body, request, keys: NOTHING, flags: NOTHING, stampOffsets: NOTHING, columns: [] } };
}
