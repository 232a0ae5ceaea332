/** What a record says, field by field. How that becomes bytes is in `seal.ts`. */

import { CHAIN_BYTES } from './envelope-schema.ts';

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

/** True for the kinds that belong to one topic, have no position and are not mirrored. */
export function isLocal(body: Body): body is GenesisBody | FenceBody {
  return body.kind === 'Genesis' || body.kind === 'Fence';
}
