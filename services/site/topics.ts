/** The topics a keyspace has at one site (protocol rule 1), and the first record of each of their partitions. */

import type { Log, TopicSpec } from '@tidemark/log/log';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, isRefusal } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { identityIn, openRecord, sealRecord } from '@tidemark/record/seal';

type TopicParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the waiting for a log that does not answer. */
  readonly signal: AbortSignal;
};

/**
 * Makes sure that everything the keyspace needs in this site's log is there: its own log, a mirror for every other data
 * site, ingest and what is rejected of it. A site without data of the keyspace needs none. Safe to repeat.
 * @throws {Fault} `unavailable`: the log cannot be reached. `invalid`: a topic has another partition count.
 */
export async function ensureTopics(parts: TopicParts, keyspace: Keyspace): Promise<void> {
  const data = keyspace.sites.filter((site) => site.role === 'data').map((site) => site.name);
  if (!data.includes(parts.site)) return;
  for (const origin of data) {
    const own = origin === parts.site;
    const name = own ? topicNames.log(keyspace.name, origin) : topicNames.mirror(keyspace.name, origin);
    const shape = { name, partitions: keyspace.partitions, flushed: keyspace.ack.name === 'sync' };
    await ensureWithGenesis(parts, shape, keyspace.name, origin);
  }
  for (const name of [topicNames.ingest(keyspace.name), topicNames.ingestRejected(keyspace.name)]) {
    // Whoever made the topic before chose how many partitions it has.
    if ((await parts.log.partitionCount(name)) !== null) continue;
    await parts.log.ensureTopic({ name, partitions: keyspace.partitions, genesis: null, flushed: true });
  }
}

/** The topic that holds what this site has decided and learnt. One partition, always flushed. */
export async function ensureControlTopic(parts: TopicParts): Promise<void> {
  await ensureWithGenesis(parts, { name: topicNames.control, partitions: 1, flushed: true }, '', parts.site);
}

async function ensureWithGenesis(
  parts: TopicParts,
  shape: Omit<TopicSpec, 'genesis'>,
  keyspace: string,
  origin: string,
): Promise<void> {
  const logId = (await findLogId(parts, shape.name, { keyspace, origin })) ?? parts.random.id();
  const genesis = (partition: number): Uint8Array =>
    genesisRecord({ cluster: parts.cluster, keyspace, origin, partition, logId, nowMs: parts.clock.nowMs() });
  await parts.log.ensureTopic({ ...shape, genesis });
}

/**
 * A site's log is of that site, whatever folder or name goes with it. One that cannot be reached is looked at later.
 * @throws {Fault} `invalid`: it is another site's or cluster's; both named.
 */
export async function refuseOthersLog(parts: Omit<TopicParts, 'clock' | 'random'>): Promise<void> {
  try {
    await findLogId(parts, topicNames.control, { keyspace: '', origin: parts.site });
  } catch (error) {
    if (!isFault(error) || isRefusal(error)) throw error;
  }
}

/**
 * The topic's identity where it has one: a crash may have left some of its partitions without.
 * @throws {Fault} `invalid`: it is of another cluster, keyspace or origin.
 */
async function findLogId(
  { log, signal, cluster }: Omit<TopicParts, 'clock' | 'random'>,
  topic: string,
  expected: { readonly keyspace: string; readonly origin: string },
): Promise<string | null> {
  const partitions = (await log.partitionCount(topic)) ?? 0;
  for (let partition = 0; partition < partitions; partition++) {
    const { start: from } = await log.bounds(topic, partition);
    for await (const { records } of log.read({ topic, partition, from, signal, batchBytesMax: 1, untilEnd: true })) {
      const value = records[0]!.value;
      const logId = identityIn(value);
      if (logId === '') break;
      const { envelope } = openRecord(value);
      for (const [field, wanted] of Object.entries({ cluster, ...expected }))
        checkOwner(`${log.address}: ${topic}`, field, envelope[field as 'cluster'], wanted);
      return logId;
    }
  }
  return null;
}

function checkOwner(topic: string, field: string, got: string, expected: string): void {
  if (got === expected) return;
  const message = `${topic} is of ${field} ${got}, this process is of ${field} ${expected}: look at the addresses of the logs`;
  throw new Fault('invalid', message, { got, expected });
}

type GenesisFields = {
  readonly cluster: string;
  readonly keyspace: string;
  readonly origin: string;
  readonly partition: number;
  readonly logId: string;
  readonly nowMs: number;
};

/** The record that gives a topic partition its identity. */
export function genesisRecord({ logId, nowMs, ...name }: GenesisFields): Uint8Array {
  const body = { kind: 'Genesis', logId } as const;
  const local = { epoch: 0, seq: -1, stampMs: nowMs, stampCounter: 0, writer: 0, committed: -1 } as const;
  return sealRecord({ ...name, ...local, body }, NO_CHAIN).bytes;
}
