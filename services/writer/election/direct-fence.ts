/**
 * Fences the log of a primary whose processes are gone while its log can still be reached (protocol E3): a fence only
 * removes permission, so it does not matter who writes it. Where the log ends is read on from what this site's own copy
 * holds, so it costs what was not mirrored yet.
 */

import type { Reign } from '@tidemark/control/consensus/register-value';
import type { FenceReport, SiteCopies } from '@tidemark/control/failover/election';
import { findAfter } from '@tidemark/log/find-position';
import type { Log } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { Fault, isFault } from '@tidemark/platform/fault';
import { accept, emptyPrefix, type PartitionName, type Prefix } from '@tidemark/record/admit';
import { identityIn, NO_CHAIN, openRecord, sealRecord } from '@tidemark/record/envelope';

export type DirectFence = {
  readonly cluster: string;
  readonly keyspace: string;
  readonly reign: Reign;
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
 * meanwhile, so it closes a reign by itself only where no other site holds what was acked: elsewhere a quorum has to.
 * @throws {Fault} `unavailable`: the log cannot be reached or written. `corrupt`: it holds another history.
 */
export async function fenceDirectly(fence: DirectFence): Promise<FenceReport> {
  const { reign, logIds, own } = fence;
  const copy = own.copies.find(({ origin }) => origin === reign.site);
  if (copy === undefined) throw new Fault('unavailable', `${own.site} has no copy of ${reign.site}`);
  const found = await Promise.all(copy.positions.map((at, partition) => fencePartition(fence, partition, at)));
  const isListed = found.every(({ logId }) => logId === logIds[reign.site]);
  // A log that holds less than its copy has lost its end.
  const isWhole = found.every(({ holdsCopy }) => holdsCopy);
  const partitions = found.map(({ prefix: { epoch, seq, chain } }) => ({ epoch, seq, chain }));
  const logId = logIds[reign.site] ?? '';
  return {
    site: reign.site,
    origin: reign.site,
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
): Promise<{ prefix: Prefix; logId: string; holdsCopy: boolean }> {
  const { cluster, keyspace, reign, log, by, nonce, nowMs } = fence;
  const topic = topicNames.log(keyspace, reign.site);
  const name: PartitionName = { cluster, keyspace, origin: reign.site, partition };
  const local = { epoch: 0, seq: -1, stampMs: nowMs, stampCounter: 0, writer: 0, committed: -1 };
  const body = { kind: 'Fence', closes: reign.epoch, by, nonce } as const;
  const { start, end } = await log.bounds(topic, partition);
  // Nothing is to be fenced in what is gone, and the first record of a partition has to be its GENESIS.
  if (start === end) return { prefix: emptyPrefix(name), logId: '', holdsCopy: false };
  const offset = await log.append(topic, partition, [
    { value: sealRecord({ ...name, ...local, body }, NO_CHAIN).bytes },
  ]);
  const held: Prefix = { ...emptyPrefix(name), epoch, seq, chain, remembered: seq < 0 ? [] : [chain] };
  const logId = await identityAt(log, topic, partition, start);
  // From the last record of the copy on, so that it is seen to stand there.
  const from = await findAfter(log, topic, partition, { epoch, seq: seq - 1 });
  let prefix = held;
  let holdsCopy = seq < 0;
  const { signal } = new AbortController();
  for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
    for (const record of records) {
      holdsCopy ||= isRecord(record.value, held);
      const verdict = accept(prefix, record.value);
      if (verdict.kind === 'HALT') throw new Fault('corrupt', `${topic}/${partition}: ${verdict.reason}`);
      prefix = verdict.prefix;
      if (record.offset >= offset) return { prefix, logId, holdsCopy };
    }
  }
  throw new Fault('unavailable', `${topic}/${partition}: the fence at offset ${offset} was not read back`);
}

function isRecord(value: Uint8Array, { epoch, seq, chain }: Prefix): boolean {
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
