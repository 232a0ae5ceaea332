/**
 * The few requests a log needs, in Kafka's own bytes. What makes them safe is topic ids (a topic made again under the same
 * name has another id, and brokers refuse the old one) and the leader epoch of what was read last (by which a broker tells
 * that a log was cut). All but the first are "flexible" versions: compact lengths, tagged fields.
 */

import { Fault } from '@tidemark/platform/fault';
import { WireReader, WireWriter } from './wire-bytes.ts';

/** One request: the link adds the length, the header and the correlation id. */
export type WireRequest<T> = {
  readonly apiKey: number;
  readonly apiVersion: number;
  /** The header's tagged fields and the body, in parts, so that record batches are not copied. */
  readonly body: readonly Uint8Array[];
  readonly decode: (answer: Buffer) => T;
};

/** From this version on Produce names topics by id. */
const PRODUCE_BY_ID = 13;

type Api = {
  readonly apiKey: number;
  readonly apiName: string;
  /** The oldest that carries what is needed. Kafka 4.0 has them all. */
  readonly apiVersion: number;
  /** The newest that is made here, if it is another one. */
  readonly newest?: number;
};

/** What is asked of a broker. */
export const API = {
  produce: { apiKey: 0, apiName: 'Produce', apiVersion: 9, newest: PRODUCE_BY_ID },
  fetch: { apiKey: 1, apiName: 'Fetch', apiVersion: 13 },
  listOffsets: { apiKey: 2, apiName: 'ListOffsets', apiVersion: 7 },
  metadata: { apiKey: 3, apiName: 'Metadata', apiVersion: 12 },
  createTopics: { apiKey: 19, apiName: 'CreateTopics', apiVersion: 5 },
  deleteRecords: { apiKey: 21, apiName: 'DeleteRecords', apiVersion: 2 },
  describeConfigs: { apiKey: 32, apiName: 'DescribeConfigs', apiVersion: 4 },
  incrementalAlterConfigs: { apiKey: 44, apiName: 'IncrementalAlterConfigs', apiVersion: 1 },
} as const satisfies Readonly<Record<string, Api>>;

/** The oldest and the newest version of a request that a broker takes. */
export type VersionRange = { readonly min: number; readonly max: number };

/** @throws {Fault} `invalid`: there is a request that this broker does not take as it is made here, naming the versions */
export function checkVersions(place: string, versions: ReadonlyMap<number, VersionRange>): void {
  for (const { apiKey, apiName, apiVersion, newest = apiVersion } of Object.values<Api>(API)) {
    const { min, max } = versions.get(apiKey) ?? { min: -1, max: -1 };
    if (min <= newest && max >= apiVersion) continue;
    const got = `${min} to ${max}`;
    const message = `${place}: ${apiName} versions ${got}, ${apiVersion} needed: use Kafka 4`;
    throw new Fault('invalid', message, { got, expected: apiVersion });
  }
}

/** What the broker takes, by API key. Version 0, which every broker answers: plain numbers, and no tagged fields. */
export function apiVersionsRequest(): WireRequest<ReadonlyMap<number, VersionRange>> {
  const decode = (answer: Buffer): ReadonlyMap<number, VersionRange> => {
    const error = answer.readInt16BE(0);
    if (error !== 0) throw new Error(`its versions are not known: Kafka error ${error}`);
    const versions = new Map<number, VersionRange>();
    for (let i = 0, at = 6; i < answer.readInt32BE(2); i++, at += 6)
      versions.set(answer.readInt16BE(at), { min: answer.readInt16BE(at + 2), max: answer.readInt16BE(at + 4) });
    return versions;
  };
  return { apiKey: 18, apiVersion: 0, body: [], decode };
}

const NO_ID = '0'.repeat(32);

/** What a broker says of one topic (Metadata answer). */
export type TopicMetadata = {
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  readonly isInternal: boolean;
  /** Node that leads each partition, by partition number; -1 while there is none. */
  readonly leaders: readonly number[];
  /** The fewest copies that any partition has, whether their brokers are up or not. */
  readonly replicas: number;
};

/** A Metadata answer: the brokers there are, and the topics that were asked for. */
export type ClusterMetadata = {
  /** `host:port` by node. */
  readonly nodes: ReadonlyMap<number, string>;
  readonly topics: readonly TopicMetadata[];
};

/** Topics that do not exist are absent from the answer. @param topics null asks for all */
export function metadataRequest(topics: readonly string[] | null): WireRequest<ClusterMetadata> {
  const out = new WireWriter();
  if (topics === null) out.byte(0);
  else
    out.array(topics, (name) => {
      out.id(NO_ID).text(name).tags();
    });
  out.byte(0).byte(0).tags();
  return { ...API.metadata, body: out.parts, decode: decodeMetadata };
}

function decodeMetadata(answer: Buffer): ClusterMetadata {
  const from = new WireReader(answer);
  from.int32();
  const nodes = from.array((): [number, string] => {
    const node = from.int32();
    const address = `${from.text()}:${from.int32()}`;
    from.text();
    from.tags();
    return [node, address];
  });
  from.text();
  from.int32();
  const topics = from.array(() => {
    const error = from.int16();
    const name = from.text();
    const id = from.id();
    const isInternal = from.byte() === 1;
    const partitions = from.array(() => {
      from.int16();
      const partition = from.int32();
      const leader = from.int32();
      from.int32();
      const [replicas] = [0, 1, 2].map(() => from.array(() => from.int32()).length);
      from.tags();
      return { partition, leader, replicas: replicas! };
    });
    from.int32();
    from.tags();
    const leaders = partitions.sort((a, b) => a.partition - b.partition).map(({ leader }) => leader);
    const replicas = Math.min(...partitions.map((one) => one.replicas));
    return { error, name, id, isInternal, leaders, replicas };
  });
  return { nodes: new Map(nodes), topics: topics.filter(({ error, leaders }) => error === 0 || leaders.length > 0) };
}

/** One record batch for one partition; `topicId` makes a broker refuse it when the topic was made again. */
export type ProducePart = {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly records: Buffer;
};

/** A Produce answer for one partition: Kafka's error code (0: stored), and the offset of the batch's first record. */
export type Produced = { readonly error: number; readonly baseOffset: number; readonly message: string };

/** The answer's order is that of `parts`. @param version the broker's newest; ids are used from 13 on, names before */
export function produceRequest(
  parts: readonly ProducePart[],
  timeoutMs: number,
  version: number,
): WireRequest<Produced[]> {
  const byId = version >= PRODUCE_BY_ID;
  const out = new WireWriter();
  out.byte(0).int16(-1).int32(timeoutMs);
  out.array(parts, ({ topicId, topic, partition, records }) => {
    if (byId) out.id(topicId);
    else out.text(topic);
    out.array([partition], () => out.int32(partition).blob(records).tags()).tags();
  });
  out.tags();
  const decode = (answer: Buffer): Produced[] => {
    const from = new WireReader(answer);
    const found = new Map<string, Produced>();
    from.array(() => {
      const topic = byId ? from.id() : from.text();
      from.array(() => {
        const partition = from.int32();
        const error = from.int16();
        const baseOffset = from.int64();
        from.int64();
        from.int64();
        from.array(() => {
          from.int32();
          from.text();
          from.tags();
        });
        found.set(`${topic}/${partition}`, { error, baseOffset, message: from.text() });
        from.tags();
      });
      from.tags();
    });
    return parts.map(({ topicId, topic, partition }) => {
      const one = found.get(`${byId ? topicId : topic}/${partition}`);
      if (one === undefined) throw new Error(`no answer for ${topic}/${partition}`);
      return one;
    });
  };
  const apiVersion = byId ? PRODUCE_BY_ID : Math.min(version, 12);
  return { ...API.produce, apiVersion, body: out.parts, decode };
}

/** One partition to read in a Fetch, `from` being the first offset wanted. */
export type FetchPart = {
  readonly topicId: string;
  readonly partition: number;
  readonly from: number;
  /** Leader epoch of the record before `from`, -1 when not known. */
  readonly leaderEpoch: number;
  readonly bytesMax: number;
};

/** Up to the producer's next end mark. */
export type AbortedFrom = { readonly producerId: number; readonly first: number };

/**
 * A Fetch answer for one partition; `records` are the raw record batches, which may begin before the offset asked for.
 */
export type Fetched = {
  readonly topicId: string;
  readonly partition: number;
  readonly error: number;
  /** Offset after the last record that all in-sync replicas hold; with `committedOnly`, of those before an open transaction. */
  readonly end: number;
  /** With `committedOnly`: which producers' records, from which offset on, belong to transactions that were aborted. */
  readonly aborted: readonly AbortedFrom[];
  /** Where the broker's log parts from what the reader has seen; null while it does not. */
  readonly divergesAt: number | null;
  readonly records: Buffer;
};

type FetchTerms = { readonly waitMs: number; readonly bytesMax: number; readonly committedOnly: boolean };

/** A Fetch that the broker holds up to `waitMs` for the first byte; `bytesMax` bounds the whole answer. */
export function fetchRequest(parts: readonly FetchPart[], terms: FetchTerms): WireRequest<Fetched[]> {
  const { waitMs, bytesMax, committedOnly } = terms;
  const out = new WireWriter(parts.length * 80 + 64);
  out
    .int32(-1)
    .int32(waitMs)
    .int32(1)
    .int32(bytesMax)
    .byte(committedOnly ? 1 : 0);
  out.int32(0).int32(-1);
  out.array(parts, ({ topicId, partition, from, leaderEpoch, bytesMax: partBytesMax }) => {
    out.id(topicId);
    out.array([partition], () => {
      out.int32(partition).int32(-1).int64(from).int32(leaderEpoch).int64(-1).int32(partBytesMax).tags();
    });
    out.tags();
  });
  out
    .array([], () => {})
    .text('')
    .tags();
  return { ...API.fetch, body: out.parts, decode: (answer) => decodeFetched(answer, committedOnly) };
}

function decodeFetched(answer: Buffer, committedOnly: boolean): Fetched[] {
  const from = new WireReader(answer);
  from.int32();
  const error = from.int16();
  if (error !== 0) throw new Error(`fetch: error ${error}`);
  from.int32();
  return from
    .array(() => {
      const topicId = from.id();
      const parts = from.array(() => {
        const partition = from.int32();
        const partError = from.int16();
        const highWatermark = from.int64();
        const lastStable = from.int64();
        const end = committedOnly && lastStable >= 0 ? lastStable : highWatermark;
        from.int64();
        const aborted = from.array((): AbortedFrom => {
          const producerId = from.int64();
          const first = from.int64();
          from.tags();
          return { producerId, first };
        });
        from.int32();
        const records = from.blob();
        let divergesAt: number | null = null;
        from.tags((tag, field) => {
          if (tag !== 0) return;
          field.int32();
          divergesAt = field.int64();
        });
        return { topicId, partition, error: partError, end, aborted, divergesAt, records };
      });
      from.tags();
      return parts;
    })
    .flat();
}

/** The timestamp by which ListOffsets means the first offset that is still there. */
export const EARLIEST = -2;
/** The timestamp by which ListOffsets means the offset after the last record. */
export const LATEST = -1;

type Listed = { readonly error: number; readonly offset: number };

/** Offset of a partition at a time in ms, or at `EARLIEST` or `LATEST`; -1 when no record is that young. */
export function listOffsetsRequest(
  topic: string,
  partition: number,
  timeMs: number,
  committedOnly = false,
): WireRequest<Listed> {
  const out = new WireWriter();
  out.int32(-1).byte(committedOnly ? 1 : 0);
  out.array([topic], () => {
    out.text(topic);
    out.array([partition], () => out.int32(partition).int32(-1).int64(timeMs).tags()).tags();
  });
  out.tags();
  const decode = (answer: Buffer): Listed => {
    const from = new WireReader(answer);
    from.int32();
    from.length();
    from.text();
    from.length();
    from.int32();
    const error = from.int16();
    from.int64();
    return { error, offset: from.int64() };
  };
  return { ...API.listOffsets, body: out.parts, decode };
}

/** The answer is an error code. */
export function deleteRecordsRequest(
  topic: string,
  partition: number,
  before: number,
  timeoutMs: number,
): WireRequest<number> {
  const out = new WireWriter();
  out.array([topic], () => {
    out.text(topic);
    out.array([partition], () => out.int32(partition).int64(before).tags()).tags();
  });
  out.int32(timeoutMs).tags();
  const decode = (answer: Buffer): number => {
    const from = new WireReader(answer);
    from.int32();
    from.length();
    from.text();
    from.length();
    from.int32();
    from.int64();
    return from.int16();
  };
  return { ...API.deleteRecords, body: out.parts, decode };
}

type NewTopic = {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly settings: Readonly<Record<string, string>>;
};

/** A CreateTopics for one topic; the answer has Kafka's error code, 0 when it was made. */
export function createTopicRequest(
  topic: NewTopic,
  timeoutMs: number,
): WireRequest<{ readonly error: number; readonly message: string }> {
  const out = new WireWriter();
  out.array([topic], ({ name, partitions, replicas, settings }) => {
    out.text(name).int32(partitions).int16(replicas);
    out.array([], () => {});
    out.array(Object.entries(settings), ([setting, value]) => out.text(setting).text(value).tags()).tags();
  });
  out.int32(timeoutMs).byte(0).tags();
  const decode = (answer: Buffer): { error: number; message: string } => {
    const from = new WireReader(answer);
    from.int32();
    from.length();
    from.text();
    return { error: from.int16(), message: from.text() };
  };
  return { ...API.createTopics, body: out.parts, decode };
}
