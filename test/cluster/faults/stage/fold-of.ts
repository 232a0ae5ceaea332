/** A site's copy of an origin's records, read from its broker from the start to the end. */

import type { DevSite } from '@tidemark/dev/sites';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import { topicNames } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { accept, emptyLogHead } from '@tidemark/record/admit';
import { promise } from './fault-row.ts';

const CLUSTER = 'tidemark';

export type Fold = {
  /** Records that count. */
  readonly accepted: number;
  /** Records that repeat one that counts. */
  readonly repeated: number;
  /** By partition: the newest identity. */
  readonly logIds: readonly string[];
};

export function logAt(site: DevSite): Promise<KafkaLog> {
  return KafkaLog.connect([site.kafka!.address], { clock: new SystemClock(), clientId: 'trial' });
}

/** @throws {BrokenPromise} two records stand under one position */
export async function foldOf(site: DevSite, keyspace: string, origin: string): Promise<Fold> {
  await using log = await logAt(site);
  const topic = origin === site.name ? topicNames.log(keyspace, origin) : topicNames.mirror(keyspace, origin);
  const partitions = (await log.partitionCount(topic)) ?? 0;
  const logIds: string[] = [];
  const seen = { accepted: 0, repeated: 0 };
  for (let partition = 0; partition < partitions; partition++) {
    const { start: from } = await log.bounds(topic, partition);
    let logHead = emptyLogHead({ cluster: CLUSTER, keyspace, origin, partition });
    const signal = new AbortController().signal;
    for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
      for (const { value, offset } of records) {
        const verdict = accept(logHead, value);
        logHead = verdict.logHead;
        if (verdict.kind === 'ACCEPT') seen.accepted++;
        if (verdict.kind === 'DUPLICATE') seen.repeated++;
        if (verdict.kind === 'HALT') promise(false, `${topic}/${partition} at ${offset}: ${verdict.reason}`);
      }
    }
    logIds.push(logHead.logId);
  }
  return { ...seen, logIds };
}
