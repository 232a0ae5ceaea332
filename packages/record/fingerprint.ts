/** CRC-64-AVRO of a schema's parsing canonical form (Avro specification 1.12, "Schema fingerprints"). */

import avro from 'avsc';

const EMPTY = 0xc15d213aa4d7a795n;
const TABLE = Array.from({ length: 256 }, (_, i) => {
  let fp = BigInt(i);
  for (let bit = 0; bit < 8; bit++) fp = (fp >> 1n) ^ (EMPTY & -(fp & 1n));
  return BigInt.asUintN(64, fp);
});

/** CRC-64-AVRO of any bytes. */
export function rabin(bytes: Uint8Array): bigint {
  let fp = EMPTY;
  for (const byte of bytes) fp = (fp >> 8n) ^ TABLE[Number((fp ^ BigInt(byte)) & 0xffn)]!;
  return fp;
}

/** The parsing canonical form: what two schemas have in common when they read the same bytes. */
export function canonicalForm(schema: object): string {
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
  return JSON.stringify(type.schema({ exportAttrs: false }));
}

/** The 8 bytes that name a schema in single-object encoding, little-endian. */
export function fingerprint(schema: object): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(rabin(Buffer.from(canonicalForm(schema), 'utf8')));
  return bytes;
}
