import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { decodeRecords, encodeRecords } from './kafka-records.ts';

const HEADER_BYTES = 61;
const NOW_MS = 1_700_000_000_000;

const entry = fc.record({
  value: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 20_000, size: 'max' })),
  headers: fc.dictionary(fc.string({ maxLength: 5, unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
});
const entries = fc.array(entry, { minLength: 1, maxLength: 20 });

/** As the broker stores it: at its offset, in its leader epoch. */
function stored(batch: Buffer, baseOffset: number, leaderEpoch = 7): Buffer {
  const copy = Buffer.from(batch);
  copy.writeBigInt64BE(BigInt(baseOffset), 0);
  copy.writeInt32BE(leaderEpoch, 12);
  return copy;
}

function compressed(batch: Buffer, codec: number, compress: (bytes: Uint8Array) => Buffer): Buffer {
  const copy = Buffer.concat([batch.subarray(0, HEADER_BYTES), compress(batch.subarray(HEADER_BYTES))]);
  copy.writeInt32BE(copy.length - 12, 8);
  copy.writeInt16BE(codec, 21);
  return copy;
}

/** The definition: polynomial division, one bit at a time. */
function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it('gives the published checksums', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('does not depend on where in memory the bytes lie', () => {
    const text = Buffer.from('the quick brown fox jumps over the lazy dog');
    for (let length = 0; length <= text.length; length++)
      for (let offset = 0; offset < 9; offset++) {
        const moved = new Uint8Array(64).subarray(offset, offset + length);
        moved.set(text.subarray(0, length));
        expect(crc32c(moved)).toBe(bitByBit(moved));
      }
  });
});

describe('kafka record batches', () => {
  it('read back what was written, whatever the codec', () => {
    const property = fc.property(entries, fc.nat(), (written, baseOffset) => {
      const plain = encodeRecords(written, NOW_MS);
      for (const batch of [plain, compressed(plain, 1, gzipSync), compressed(plain, 4, zstdCompressSync)]) {
        const { records, next, leaderEpoch } = decodeRecords(stored(batch, baseOffset), baseOffset);
        expect(records.map(({ value, headers }) => ({ value: [...value], headers: { ...headers } }))).toEqual(
          written.map(({ value, headers }) => ({ value: [...value], headers })),
        );
        expect(records.map(({ offset }) => offset)).toEqual(written.map((_, i) => baseOffset + i));
        expect(records.every(({ timeMs }) => timeMs === NOW_MS)).toBe(true);
        expect([next, leaderEpoch]).toEqual([baseOffset + written.length, 7]);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });

  it('leave out what lies before the place asked for', () => {
    const batch = stored(
      encodeRecords(
        ['a', 'b', 'c'].map((text) => ({ value: Buffer.from(text) })),
        NOW_MS,
      ),
      10,
    );
    expect(decodeRecords(batch, 11).records.map(({ value }) => String(value))).toEqual(['b', 'c']);
  });

  it('cut short anywhere give the whole batches before the cut and nothing else', () => {
    const one = stored(encodeRecords([{ value: Buffer.from('a') }, { value: Buffer.from('b') }], NOW_MS), 0);
    const two = stored(encodeRecords([{ value: Buffer.from('c'), headers: { x: 'y' } }], NOW_MS), 2);
    const both = Buffer.concat([one, two]);
    for (let length = 0; length <= both.length; length++) {
      const { records, next } = decodeRecords(both.subarray(0, length), 0);
      const expected = length < one.length ? [[], null] : length < both.length ? [['a', 'b'], 2] : [['a', 'b', 'c'], 3];
      expect([records.map(({ value }) => String(value)), next]).toEqual(expected);
    }
  });

  it('with any byte changed end in records or an error, never in a hang', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('abc'), headers: { x: 'y' } }], NOW_MS), 5);
    for (let at = 0; at < batch.length; at++)
      for (const flip of [1, 128, 255]) {
        const changed = Buffer.from(batch);
        changed[at]! ^= flip;
        try {
          expect(decodeRecords(changed, 0).records.length).toBeLessThanOrEqual(1);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }
  });

  it('of a transaction end are passed over', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('commit') }], NOW_MS), 5);
    batch.writeInt16BE(32, 21);
    expect(decodeRecords(batch, 5)).toEqual({ records: [], next: 6, leaderEpoch: 7 });
  });

  it('compressed as nothing here can read are refused naming the codec and the offset', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('a') }], NOW_MS), 5);
    batch.writeInt16BE(3, 21);
    expect(() => decodeRecords(batch, 5)).toThrow(/offset 5.*lz4/);
  });

  it('carry the time the broker took them where the topic says so', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('a') }], 1), 5);
    batch.writeInt16BE(8, 21);
    batch.writeBigInt64BE(99n, 35);
    expect(decodeRecords(batch, 5).records[0]!.timeMs).toBe(99);
  });
});
