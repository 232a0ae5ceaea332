/**
 * The record: what stands in a log and, byte for byte, in every mirror of it. Avro, single-object encoded
 * (Avro specification 1.12, "Single-object encoding"): C3 01, the schema's CRC-64-AVRO fingerprint little-endian, then
 * the record's fields. The last 20 bytes are `chain` and `checksum`, so both cover all that stands before them:
 *
 *   chain     first 16 bytes of SHA-256(chain of the record before it ‖ this record's bytes before `chain`)
 *   checksum  CRC-32 (IEEE) of all bytes before it, big-endian
 */

import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Fault, isFault } from '@tidemark/platform/fault';
import avro from 'avsc';
import { CHAIN_BYTES, CHECKSUM_BYTES, ENVELOPE_SCHEMA } from './envelope-schema.ts';
import { fingerprint } from './fingerprint.ts';
import { decodeMutateRecord, encodeMutateRecord } from './mutate-wire.ts';

const HEADER_BYTES = 10;

/** First in every partition of a topic, and appended again before each trim: the topic's identity. Never mirrored. */
export type GenesisBody = { readonly kind: 'Genesis'; readonly logId: string };
/** Takes away the right to be acked here from every epoch below `by`. Never mirrored. */
export type FenceBody = {
  readonly kind: 'Fence';
  readonly closes: number;
  readonly by: number;
  readonly nonce: string;
};
/**
 * Opens an epoch (seq 0), naming where the one before it ended in this partition, whichever site's that was, and where
 * the last one of the same site did: only a copy in which that one has ended so may take it, or records would be missing
 * in the middle for ever.
 */
export type EpochStartBody = {
  readonly kind: 'EpochStart';
  /** The process that owns the epoch. */
  readonly writerId: string;
  /** Site of the epoch before; empty when this is the first. */
  readonly previousOrigin: string;
  readonly previousEpoch: number;
  /** Last seq of the epoch before that counts, −1 for none. */
  readonly endSeq: number;
  readonly endChain: Buffer;
  /** The last epoch of this record's own origin that left a record in the partition; 0 for none. */
  readonly ownEpoch: number;
  readonly ownEndSeq: number;
  readonly ownEndChain: Buffer;
};
/** Rows of one table and one partition, by column; see `mutate.ts`. */
export type MutateBody = {
  readonly kind: 'Mutate';
  readonly table: number;
  /** The keyspace version it was checked against; that SCHEMA record stands before it. */
  readonly schemaVersion: number;
  /** Idempotency key and batch number, or empty. */
  readonly requestId: string;
  /** What was asked for under that key: null without one. */
  readonly request: RequestBody | null;
  /** What it holds of the ingest topic: everything for this partition among these offsets. */
  readonly source: IngestSource | null;
  readonly rowCount: number;
  /** Column bytes (`column-codec.ts`) of the row keys. */
  readonly keys: Uint8Array;
  /** One byte a row (ROW), or empty when every row is an upsert. */
  readonly flags: Uint8Array;
  /** u32 little-endian a row, or empty when row i has offset i. */
  readonly stampOffsets: Uint8Array;
  readonly columns: readonly { readonly column: number; readonly cells: Uint8Array }[];
};
/** Tells the request of a key from another one under the same key; the table is the record's. */
export type RequestBody = {
  /** As in HTTP: POST, PATCH, DELETE. */
  readonly verb: string;
  /** Lines in each batch of a request that is cut into several; 0 for one that is a batch itself. */
  readonly batchRows: number;
  /** Rows of the batch, of all partitions. */
  readonly rows: number;
  /** Of the batch's rows, of all partitions. */
  readonly hash: Uint8Array;
};
/**
 * The offsets of an ingest topic, `first` to `last` inclusive, whose rows a MUTATE carries: where reading goes on after
 * a restart.
 */
export type IngestSource = {
  /** Identity of the ingest topic: one made again has another, and its offsets begin anew. */
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
};
/** The whole keyspace as it is from here on, as JSON; ahead of the first record that needs it. */
export type SchemaBody = { readonly kind: 'Schema'; readonly version: number; readonly keyspace: string };
type NoopBody = { readonly kind: 'Noop' };
/** Nothing with a smaller stamp follows in any partition beyond these heads (seq per partition, same epoch). */
export type BarrierBody = {
  readonly kind: 'Barrier';
  readonly heads: readonly number[];
  /** By partition: how many rows the epoch's MUTATEs up to its head have: what would be lost is counted by them. */
  readonly rows: readonly number[];
  readonly committed: readonly number[];
};
/** What a record is for, by `kind`; GENESIS and FENCE have no position, all others have one. */
export type Body = GenesisBody | FenceBody | EpochStartBody | MutateBody | SchemaBody | NoopBody | BarrierBody;

/** Everything a record says but its chain and checksum, which follow from it. */
export type Unsealed = {
  readonly cluster: string;
  readonly keyspace: string;
  readonly origin: string;
  /** 0 for the local kinds, which have no position. */
  readonly epoch: number;
  readonly partition: number;
  /** −1 for the local kinds. */
  readonly seq: number;
  readonly stampMs: number;
  readonly stampCounter: number;
  readonly writer: number;
  /** Highest committed seq of this partition and epoch known when it was written, −1 for none. */
  readonly committed: number;
  readonly body: Body;
};

/** A whole record as it is read back: what was sealed, and the chain over it. */
export type Envelope = Unsealed & {
  /** 32 hex digits. */
  readonly chain: string;
};

/** What a chain starts from when nothing came before. */
export const NO_CHAIN = '0'.repeat(CHAIN_BYTES * 2);

/** What the start of an epoch names when nothing came before it in the partition. */
export const NOTHING_BEFORE = {
  previousOrigin: '',
  previousEpoch: 0,
  endSeq: -1,
  endChain: Buffer.from(NO_CHAIN, 'hex'),
  ownEpoch: 0,
  ownEndSeq: -1,
  ownEndChain: Buffer.from(NO_CHAIN, 'hex'),
} as const;

const type = avro.Type.forSchema(ENVELOPE_SCHEMA as unknown as avro.Schema, { wrapUnions: true });
const HEADER = Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint(ENVELOPE_SCHEMA)]);

type Wire = Record<string, unknown> & { body: Record<string, Record<string, unknown>> };

/**
 * The record's bytes and its chain.
 * @param previousChain chain of the record before it, or the epoch's seed (`epochSeed`) for seq 0
 */
export function sealRecord(record: Unsealed, previousChain: string): { bytes: Buffer; chain: string } {
  const bytes = record.body.kind === 'Mutate' ? mutateBytes(record, record.body) : plainBytes(record);
  const chainAt = bytes.length - CHECKSUM_BYTES - CHAIN_BYTES;
  const chain = chainOf(previousChain, bytes.subarray(0, chainAt));
  bytes.write(chain, chainAt, 'hex');
  bytes.writeUInt32BE(crc32(bytes.subarray(0, chainAt + CHAIN_BYTES)), chainAt + CHAIN_BYTES);
  return { bytes, chain };
}

/** Header and fields, with room for chain and checksum. */
function mutateBytes(record: Unsealed, body: MutateBody): Buffer {
  const bytes = encodeMutateRecord({ ...record, body }, HEADER_BYTES, CHAIN_BYTES + CHECKSUM_BYTES);
  bytes.set(HEADER);
  return bytes;
}

function plainBytes(record: Unsealed): Buffer {
  const { kind, ...fields } = record.body;
  const wire = {
    ...record,
    body: { [`tidemark.v1.${kind}`]: fields },
    chain: Buffer.alloc(CHAIN_BYTES),
    checksum: Buffer.alloc(CHECKSUM_BYTES),
  };
  return Buffer.concat([HEADER, type.toBuffer(wire)]);
}

const PREVIOUS_HEX = CHAIN_BYTES * 2;
/** The chain before a record, and the record's bytes behind it; larger ones are hashed in two steps. */
const hashed = Buffer.alloc(CHAIN_BYTES + 256 * 1024);

/** The chain after a record. `bytes` are those before its chain field. */
function chainOf(previousChain: string, bytes: Uint8Array): string {
  if (CHAIN_BYTES + bytes.length > hashed.length) {
    const steps = createHash('sha256').update(Buffer.from(previousChain, 'hex')).update(bytes);
    return steps.digest('hex').slice(0, PREVIOUS_HEX);
  }
  // One call over one piece of memory: for a usual record that is a tenth faster than two steps.
  hashed.write(previousChain, 0, 'hex');
  hashed.set(bytes, CHAIN_BYTES);
  return hash('sha256', hashed.subarray(0, CHAIN_BYTES + bytes.length), 'hex').slice(0, PREVIOUS_HEX);
}

/** Where an epoch's chain starts in a partition: it binds the epoch to its keyspace and to the epoch ends it follows. */
export function epochSeed(record: Unsealed & { readonly body: EpochStartBody }): string {
  const { body } = record;
  const text = [
    record.cluster,
    record.keyspace,
    record.origin,
    record.epoch,
    record.partition,
    body.previousOrigin,
    body.previousEpoch,
    body.endSeq,
    Buffer.from(body.endChain).toString('hex'),
    body.ownEpoch,
    body.ownEndSeq,
    Buffer.from(body.ownEndChain).toString('hex'),
  ].join('\0');
  return createHash('sha256').update(text).digest().toString('hex', 0, CHAIN_BYTES);
}

/** A record's bytes taken apart, its checksum found right. `prefix` is what its chain covers beside the one before. */
export type OpenedRecord = { readonly envelope: Envelope; readonly prefix: Uint8Array };

/**
 * Checks and decodes a record.
 * @throws {Fault} `corrupt`: too short, another schema, a wrong checksum (both named), or not decodable.
 */
export function openRecord(value: Uint8Array): OpenedRecord {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const tailAt = bytes.length - CHECKSUM_BYTES;
  if (tailAt < HEADER_BYTES + CHAIN_BYTES) {
    throw new Fault('corrupt', `record of ${bytes.length} bytes is cut short`, { got: bytes.length });
  }
  const expected = crc32(bytes.subarray(0, tailAt));
  const got = bytes.readUInt32BE(tailAt);
  if (got !== expected) {
    throw new Fault('corrupt', `record checksum ${hex(got)}, expected ${hex(expected)}`, { got: hex(got) });
  }
  if (!bytes.subarray(0, HEADER_BYTES).equals(HEADER)) {
    const named = bytes.toString('hex', 0, HEADER_BYTES);
    throw new Fault('corrupt', `record begins ${named}, expected ${HEADER.toString('hex')}`, { got: named });
  }
  return { envelope: decodeEnvelope(bytes), prefix: bytes.subarray(0, tailAt - CHAIN_BYTES) };
}

/** True when the record's chain follows from the one before it. */
export function chainFollows(opened: OpenedRecord, previousChain: string): boolean {
  return chainOf(previousChain, opened.prefix) === opened.envelope.chain;
}

function decodeEnvelope(bytes: Buffer): Envelope {
  const chainAt = bytes.length - CHECKSUM_BYTES - CHAIN_BYTES;
  const chain = bytes.toString('hex', chainAt, chainAt + CHAIN_BYTES);
  try {
    const mutate = decodeMutateRecord(bytes, HEADER_BYTES, chainAt);
    if (mutate !== null) return { ...mutate, chain };
    const wire = type.fromBuffer(bytes.subarray(HEADER_BYTES)) as Wire;
    const [name, fields] = Object.entries(wire.body)[0]!;
    const body = { kind: name.slice(name.lastIndexOf('.') + 1), ...fields } as Body;
    return { ...(wire as unknown as Envelope), body, chain };
  } catch (error) {
    throw new Fault('corrupt', `record of ${bytes.length} bytes is not an envelope`, { cause: error });
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** The identity that a GENESIS names; empty for every other record, and for what cannot be read. */
export function identityIn(value: Uint8Array): string {
  try {
    const { body } = openRecord(value).envelope;
    return body.kind === 'Genesis' ? body.logId : '';
  } catch (error) {
    if (isFault(error, 'corrupt')) return '';
    throw error;
  }
}

/** True for the kinds that belong to one topic, have no position and are not mirrored. */
export function isLocal(body: Body): body is GenesisBody | FenceBody {
  return body.kind === 'Genesis' || body.kind === 'Fence';
}
