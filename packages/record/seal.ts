/**
 * A record's bytes: what stands in a log and, byte for byte, in every mirror of it. Avro, single-object encoded
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
import type { Body, Envelope, EpochStartBody, MutateBody, Unsealed } from './envelope.ts';
import { CHAIN_BYTES, CHECKSUM_BYTES, ENVELOPE_SCHEMA } from './envelope-schema.ts';
import { fingerprint } from './fingerprint.ts';
import { decodeMutateRecord, encodeMutateRecord } from './mutate-wire.ts';

const HEADER_BYTES = 10;
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
