import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MutateBody, Unsealed } from './envelope.ts';
import { ENVELOPE_SCHEMA } from './envelope-schema.ts';
import { decodeMutateRecord, encodeMutateRecord } from './mutate-wire.ts';

type MutateRecord = Unsealed & { readonly body: MutateBody };

const type = avro.Type.forSchema(ENVELOPE_SCHEMA as unknown as avro.Schema, { wrapUnions: true });
const TAIL_BYTES = 20;

// The library itself is not exact beyond 2^52.
const long = fc.oneof(fc.integer({ min: -70, max: 70 }), fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }));
const int = fc.integer();
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'binary', maxLength: 20 });
const body: fc.Arbitrary<MutateBody> = fc.record({
  kind: fc.constant('Mutate' as const),
  ...{ table: int, schemaVersion: int, requestId: text },
  request: fc.option(fc.record({ verb: text, batchRows: int, rows: int, hash: bytes })),
  source: fc.option(fc.record({ topic: fc.string(), partition: int, first: long, last: long })),
  ...{ rowCount: int, keys: bytes, flags: bytes, stampOffsets: bytes },
  columns: fc.array(fc.record({ column: int, cells: bytes }), { maxLength: 5 }),
});
const record: fc.Arbitrary<MutateRecord> = fc.record({
  ...{ cluster: text, keyspace: text, origin: text, epoch: long, partition: int, seq: long, stampMs: long },
  ...{ stampCounter: int, writer: int, committed: long, body },
});

/** What an Avro library writes, with an empty chain and checksum. */
function libraryBytes({ body: { kind: _, request, source, ...fields }, ...rest }: MutateRecord): Buffer {
  const wireSource = source === null ? null : { 'tidemark.v1.IngestSource': source };
  const wireRequest = request === null ? null : { 'tidemark.v1.Request': request };
  return type.toBuffer({
    ...rest,
    body: { 'tidemark.v1.Mutate': { ...fields, request: wireRequest, source: wireSource } },
    chain: Buffer.alloc(16),
    checksum: Buffer.alloc(4),
  });
}

const decoded = (whole: Buffer): MutateRecord | null => decodeMutateRecord(whole, 0, whole.length - TAIL_BYTES);

describe('mutate wire', () => {
  it('writes what an Avro library writes, and reads it', () => {
    fc.assert(
      fc.property(record, fc.nat(12), (one, headBytes) => {
        const library = libraryBytes(one);
        const ours = encodeMutateRecord(one, headBytes, TAIL_BYTES);
        ours.fill(0, ours.length - TAIL_BYTES);
        expect(ours.subarray(headBytes).equals(library)).toBe(true);
        expect(decoded(library)).toEqual(one);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses a record cut short or continued anywhere', () => {
    fc.assert(
      fc.property(record, (one) => {
        const whole = libraryBytes(one);
        const end = whole.length - TAIL_BYTES;
        for (let cut = 0; cut < end; cut++) expect(() => decodeMutateRecord(whole, 0, cut)).toThrow(/byte|bytes/);
        expect(() => decodeMutateRecord(whole, 0, end + 1)).toThrow(/ends at byte/);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps numbers up to 2^53, and refuses what is beyond', () => {
    const one = fc.sample(record, 1)[0]!;
    for (const seq of [2 ** 53 - 1, -(2 ** 52)]) {
      const whole = encodeMutateRecord({ ...one, seq }, 0, TAIL_BYTES);
      expect(decoded(whole)!.seq).toBe(seq);
    }
    expect(() => encodeMutateRecord({ ...one, seq: 2 ** 53 }, 0, 0)).toThrow(/whole number/);
    expect(() => encodeMutateRecord({ ...one, seq: 0.5 }, 0, 0)).toThrow(/whole number/);
  });

  it('leaves other kinds alone', () => {
    const { body: _, ...rest } = fc.sample(record, 1)[0]!;
    const tail = { chain: Buffer.alloc(16), checksum: Buffer.alloc(4) };
    expect(decoded(type.toBuffer({ ...rest, body: { 'tidemark.v1.Noop': {} }, ...tail }))).toBeNull();
  });

  it('reads columns in blocks that say their size', () => {
    const one = { ...fc.sample(record, 1)[0]!, body: { ...fc.sample(body, 1)[0]!, columns: [] } };
    const whole = libraryBytes(one);
    // Zigzag: one column as −1, four bytes; column 7 with two bytes; no more.
    const block = Buffer.from([1, 8, 14, 4, 200, 201, 0]);
    const spliced = Buffer.concat([whole.subarray(0, -TAIL_BYTES - 1), block, whole.subarray(-TAIL_BYTES)]);
    expect(decoded(spliced)!.body.columns).toEqual([{ column: 7, cells: Buffer.from([200, 201]) }]);
  });
});
