/**
 * What a site writes into its own control topic beside keyspace definitions: its vote in the register, and what it
 * decided. Avro, single-object encoded, with a CRC-32 (IEEE, big-endian) of all bytes before it as the last field.
 * These records belong to one topic and are never mirrored, so they have no position and no chain: the broker's order is
 * the order.
 */

import { crc32 } from 'node:zlib';
import { Fault } from '@tidemark/platform/fault';
import { fingerprint } from '@tidemark/record/fingerprint';
import avro from 'avsc';
import type { Ballot } from '../consensus/ballot.ts';

const CHECKSUM_BYTES = 4;
const BALLOT = {
  type: 'record',
  name: 'Ballot',
  fields: [
    { name: 'counter', type: 'long' },
    { name: 'site', type: 'string' },
    { name: 'process', type: 'string' },
  ],
} as const;

/** The Avro schema of a control record. */
const CONTROL_SCHEMA = {
  type: 'record',
  name: 'Control',
  namespace: 'tidemark.v1',
  fields: [
    { name: 'cluster', type: 'string' },
    { name: 'site', type: 'string' },
    { name: 'keyspace', type: 'string' },
    { name: 'timeMs', type: 'long' },
    {
      name: 'body',
      type: [
        { type: 'record', name: 'Acceptor', fields: [{ name: 'id', type: 'string' }] },
        { type: 'record', name: 'Prepare', fields: [{ name: 'ballot', type: BALLOT }] },
        {
          type: 'record',
          name: 'Accept',
          fields: [
            { name: 'ballot', type: 'Ballot' },
            { name: 'value', type: 'string' },
          ],
        },
        {
          type: 'record',
          name: 'Chosen',
          fields: [
            { name: 'ballot', type: 'Ballot' },
            { name: 'value', type: 'string' },
          ],
        },
        {
          type: 'record',
          name: 'Decision',
          fields: [
            { name: 'id', type: 'string' },
            { name: 'decision', type: 'string' },
          ],
        },
      ],
    },
    { name: 'checksum', type: { type: 'fixed', name: 'ControlChecksum', size: CHECKSUM_BYTES } },
  ],
} as const;

/** Says which acceptor this topic is; one that lost its topic is a new one. The keyspace is empty. */
export type AcceptorBody = { readonly kind: 'Acceptor'; readonly id: string };
/** Asks this acceptor to promise that it accepts nothing below the ballot. */
export type PrepareBody = { readonly kind: 'Prepare'; readonly ballot: Ballot };
/** Asks this acceptor to accept a value (JSON). */
export type AcceptBody = { readonly kind: 'Accept'; readonly ballot: Ballot; readonly value: string };
/** Tells that a majority accepted the value (JSON). */
export type ChosenBody = { readonly kind: 'Chosen'; readonly ballot: Ballot; readonly value: string };
/** What was decided or refused, by whom and why (JSON, `decision.ts`). */
export type DecisionBody = { readonly kind: 'Decision'; readonly id: string; readonly decision: string };
/** What a control record says: four kinds that make up a vote (protocol rule 7), and a decision. */
export type ControlBody = AcceptorBody | PrepareBody | AcceptBody | ChosenBody | DecisionBody;

/** One record of a site's control topic other than keyspace definitions. */
export type ControlRecord = {
  readonly cluster: string;
  readonly site: string;
  /** Empty where it is of no keyspace. */
  readonly keyspace: string;
  /** Wall time of the process that wrote it, for people. */
  readonly timeMs: number;
  readonly body: ControlBody;
};

const HEADER = Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint(CONTROL_SCHEMA)]);
const type = avro.Type.forSchema(CONTROL_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

type Wire = Omit<ControlRecord, 'body'> & { readonly body: Record<string, Record<string, unknown>> };

/** The record's bytes, sealed with a CRC-32; `decodeControl` reads them. */
export function encodeControl(record: ControlRecord): Buffer {
  const { kind, ...fields } = record.body;
  const wire = { ...record, body: { [`tidemark.v1.${kind}`]: fields }, checksum: Buffer.alloc(CHECKSUM_BYTES) };
  const bytes = Buffer.concat([HEADER, type.toBuffer(wire)]);
  const tailAt = bytes.length - CHECKSUM_BYTES;
  bytes.writeUInt32BE(crc32(bytes.subarray(0, tailAt)), tailAt);
  return bytes;
}

/** True for bytes that begin as a control record does; whether they are one, decoding tells. */
export function isControl(value: Uint8Array): boolean {
  return value.length > HEADER.length && HEADER.equals(value.subarray(0, HEADER.length));
}

/** @throws {Fault} `corrupt`: a wrong checksum (both named), or not decodable. */
export function decodeControl(value: Uint8Array): ControlRecord {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const tailAt = bytes.length - CHECKSUM_BYTES;
  if (!isControl(bytes) || tailAt < HEADER.length) {
    throw new Fault('corrupt', `control record of ${bytes.length} bytes is none`, { got: bytes.length });
  }
  const expected = hex(crc32(bytes.subarray(0, tailAt)));
  const got = hex(bytes.readUInt32BE(tailAt));
  if (got !== expected) {
    throw new Fault('corrupt', `control record checksum ${got}, expected ${expected}`, { got, expected });
  }
  try {
    const wire = type.fromBuffer(bytes.subarray(HEADER.length)) as Wire;
    const [name, fields] = Object.entries(wire.body)[0]!;
    const { cluster, site, keyspace, timeMs } = wire;
    const body = { kind: name.slice(name.lastIndexOf('.') + 1), ...fields } as ControlBody;
    return { cluster, site, keyspace, timeMs, body };
  } catch (error) {
    throw new Fault('corrupt', `control record of ${bytes.length} bytes cannot be decoded`, { cause: error });
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
