/** The last ten minutes of what another site originated, as this site's mirror holds it: for a writer that follows it. */

import type { Log } from '@tidemark/log/log';
import { accept, emptyPrefix, type PartitionName, type Prefix, type Verdict } from '@tidemark/schema/accept';
import { type Envelope, openRecord } from '@tidemark/schema/envelope';
import { topicNames } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';

/** Records at the end that are read in any case: among them is one with a position, whatever fences stand behind it. */
const LAST_RECORDS = 64;

/**
 * Tells of each accepted record of a partition that the log took in the last `windowMs` before its newest one, by the log's
 * own clock: this process's may be wrong.
 * @throws {Fault} as `Log.read`
 */
export async function readRecent(
  log: Log,
  name: PartitionName,
  windowMs: number,
  signal: AbortSignal,
  take: (envelope: Envelope) => void,
): Promise<void> {
  const topic = topicNames.mirror(name.keyspace, name.origin);
  const { partition } = name;
  const { start, end } = await log.bounds(topic, partition);
  const newestMs = await timeAt(log, topic, partition, end - 1);
  if (newestMs === null) return;
  const since = await log.offsetAtTime(topic, partition, newestMs - windowMs);
  for (let back = LAST_RECORDS; ; back *= 8) {
    const from = Math.max(start, Math.min(since, end - back));
    if ((await readFrom(log, name, from, signal, take)) || from === start) return;
  }
}

async function timeAt(log: Log, topic: string, partition: number, from: number): Promise<number | null> {
  if (from < 0) return null;
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
    return records[0]!.timeMs;
  }
  return null;
}

/** @returns whether any record was accepted */
async function readFrom(
  log: Log,
  name: PartitionName,
  from: number,
  signal: AbortSignal,
  take: (envelope: Envelope) => void,
): Promise<boolean> {
  const topic = topicNames.mirror(name.keyspace, name.origin);
  let prefix: Prefix | null = null;
  for await (const { records } of log.read({ topic, partition: name.partition, from, signal, untilEnd: true })) {
    for (const { value } of records) {
      if (prefix === null) {
        prefix = standingAt(name, value);
        if (prefix !== null) take(openRecord(value).envelope);
        continue;
      }
      const verdict: Verdict = accept(prefix, value);
      prefix = verdict.prefix;
      if (verdict.kind === 'ACCEPT') take(verdict.envelope);
    }
  }
  return prefix !== null;
}

/** What has been accepted with a record of the middle of a partition: whoever copied it has checked what came before. */
function standingAt(name: PartitionName, value: Uint8Array): Prefix | null {
  try {
    const { epoch, seq, chain, partition, origin, keyspace, cluster } = openRecord(value).envelope;
    const isOurs = partition === name.partition && origin === name.origin && keyspace === name.keyspace;
    if (!isOurs || cluster !== name.cluster || seq < 0) return null;
    return { ...emptyPrefix(name), epoch, seq, chain, remembered: [chain] };
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}
