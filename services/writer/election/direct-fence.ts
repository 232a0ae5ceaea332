/**
 * Fences the log of a primary whose processes are gone while its log can still be reached (protocol E3): a fence only
 * removes permission, so it does not matter who writes it. Where the log ends is read on from what this site's own copy
 * holds, so it costs what was not mirrored yet.
 */

import type { Term } from '@tidemark/control/consensus/register-value';
import type { FenceReport } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { findAfter } from '@tidemark/log/find-position';
import type { Log } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { Fault, isFault } from '@tidemark/platform/fault';
import { accept, emptyLogHead, type LogHead, type PartitionName } from '@tidemark/record/admit';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { identityIn, openRecord, sealRecord } from '@tidemark/record/seal';

type DirectFence = {
  readonly cluster: string;
  readonly keyspace: string;
  readonly term: Term;
  /** The lost primary's log. */
  readonly log: Log;
  /** What this site holds. */
  readonly own: SiteCopies;
  /** Identities of the primary's topics as the register lists them. */
  readonly logIds: Readonly<Record<string, string>>;
  /** How many other sites hold what was acked. */
  readonly k: number;
  readonly by: number;
  readonly nonce: string;
  readonly nowMs: number;
};

/**
 * What the primary's own log holds once the fence was read back there. Nobody of that site says whether it lost its end
 * meanwhile, so it closes a term by itself only where no other site holds what was acked: elsewhere a quorum has to.
 * @throws {Fault} `unavailable`: the log cannot be reached or written. `corrupt`: it holds another history.
 */
export async function fenceDirectly(fence: DirectFence): Promise<FenceReport> {
  const { term, logIds, own } = fence;
  const copy = own.copies.find(({ origin }) => origin === term.site);
  if (copy === undefined) throw new Fault('unavailable', `${own.site} has no copy of ${term.site}`);
  const found = await Promise.all(copy.positions.map((at, partition) => fencePartition(fence, partition, at)));
  const isListed = found.every(({ logId }) => logId === logIds[term.site]);
  // A log that holds less than its copy has lost its end.
  const isWhole = found.every(({ holdsCopy }) => holdsCopy);
  const partitions = found.map(({ logHead: { epoch, seq, chain } }) => ({ epoch, seq, chain }));
  const logId = logIds[term.site] ?? '';
  return {
    site: term.site,
    origin: term.site,
    logId,
    trusted: isListed && isWhole && fence.k === 0,
    partitions,
    logIds,
    vouched: null,
  };
}

async function fencePartition(
  fence: DirectFence,
  partition: number,
  [epoch, seq, chain]: readonly [number, number, string],
): Promise<{ logHead: LogHead; logId: string; holdsCopy: boolean }> {
  const { cluster, keyspace, term, log, by, nonce, nowMs } = fence;
  const topic = topicNames.log(keyspace, term.site);
  const name: PartitionName = { cluster, keyspace, origin: term.site, partition };
  const local = { epoch: 0, seq: -1, stampMs: nowMs, stampCounter: 0, writer: 0, committed: -1 };
  const body = { kind: 'Fence', closes: term.epoch, by, nonce } as const;
  const { start, end } = await log.bounds(topic, partition);
  // Nothing is to be fenced in what is gone, and the first record of a partition has to be its GENESIS.
  if (start === end) return { logHead: emptyLogHead(name), logId: '', holdsCopy: false };
  const offset = await log.append(topic, partition, [
    { value: sealRecord({ ...name, ...local, body }, NO_CHAIN).bytes },
  ]);
  const held: LogHead = { ...emptyLogHead(name), epoch, seq, chain, remembered: seq < 0 ? [] : [chain] };
  const logId = await identityAt(log, topic, partition, start);
  // From the last record of the copy on, so that it is seen to stand there.
  const from = await findAfter(log, topic, partition, { epoch, seq: seq - 1 });
  let logHead = held;
  let holdsCopy = seq < 0;
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
    for (const record of records) {
      holdsCopy ||= isRecord(record.value, held);
      const verdict = accept(logHead, record.value);
      if (verdict.kind === 'HALT') throw new Fault('corrupt', `${topic}/${partition}: ${verdict.reason}`);
      logHead = verdict.logHead;
      if (record.offset >= offset) return { logHead, logId, holdsCopy };
    }
  }
  throw new Fault('unavailable', `${topic}/${partition}: the fence at offset ${offset} was not read back`);
}

function isRecord(value: Uint8Array, { epoch, seq, chain }: LogHead): boolean {
  try {
    const { envelope } = openRecord(value);
    return envelope.epoch === epoch && envelope.seq === seq && envelope.chain === chain;
  } catch (error) {
    if (isFault(error, 'corrupt')) return false;
    throw error;
  }
}

async function identityAt(log: Log, topic: string, partition: number, from: number): Promise<string> {
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true, batchBytesMax: 1 })) {
    return identityIn(records[0]!.value);
  }
  return '';
}
