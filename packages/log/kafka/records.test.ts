import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { decodeRecords, encodeRecords } from './records.ts';

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

/** With the checksum of what it holds by now. */
function resummed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

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
  return resummed(copy);
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

  it('with any byte changed that the checksum covers are damaged, at each of their offsets; what stands behind is read', () => {
    const two = [{ value: Buffer.from('abc'), headers: { x: 'y' } }, { value: Buffer.from('d') }];
    const batch = stored(encodeRecords(two, NOW_MS), 5);
    const behind = stored(encodeRecords([{ value: Buffer.from('behind') }], NOW_MS), 7);
    for (let at = 21; at < batch.length; at++)
      for (const flip of [1, 128, 255]) {
        const changed = Buffer.from(batch);
        changed[at]! ^= flip;
        const { records, next } = decodeRecords(Buffer.concat([changed, behind]), 5);
        expect([String(records.at(-1)!.value), next]).toEqual(['behind', 8]);
        for (const { damage, offset } of records.slice(0, -1)) {
          expect(damage).toMatch(/offset 5.*damaged: CRC-32C|offset 6: the log has nothing/);
          expect([5, 6]).toContain(offset);
        }
        expect(records.length).toBeGreaterThan(1);
        expect(Buffer.from(records[0]!.value).equals(changed)).toBe(true);
      }
  });

  const texts = (decoded: ReturnType<typeof decodeRecords>): unknown[] =>
    decoded.records.map(({ offset, value, damage }) => [offset, damage === null ? String(value) : 'damaged']);

  it('with any other byte changed are damaged or cannot be walked on from: no record stands at another offset', () => {
    const batch = (from: number): Buffer => {
      const values = [from, from + 1].map((n) => ({ value: Buffer.from(`v${n}`) }));
      return stored(encodeRecords(values, NOW_MS), from);
    };
    const log = [batch(5), batch(7), batch(9)];
    const right = [5, 6, 7, 8, 9, 10].map((offset) => [offset, `v${offset}`]);
    for (const which of [0, 1, 2])
      for (let at = 0; at < 21; at++)
        for (let bit = 0; bit < 8; bit++) {
          const changed = log.map((one) => Buffer.from(one));
          changed[which]![at]! ^= 1 << bit;
          const decoded = decodeRecords(Buffer.concat(changed), 5, { end: 11 });
          const found = texts(decoded) as [number, string][];
          // Each offset once, in order, and as it is or damaged; nothing else is passed over.
          expect(found.map(([offset]) => offset)).toEqual(right.slice(0, found.length).map(([offset]) => offset));
          for (const [offset, text] of found) expect([`v${offset}`, 'damaged']).toContain(text);
          for (const [offset, text] of found.slice(0, 2 * which)) expect(text).toBe(`v${offset}`);
          const isWhole = found.length === right.length && decoded.next === 11;
          expect(isWhole || decoded.broken !== null || (decoded.next ?? 5) < 11).toBe(true);
        }
  });

  it('behind offsets that are not there are read, and what is missing is damaged', () => {
    const at = (offset: number): Buffer =>
      stored(encodeRecords([{ value: Buffer.from(`v${offset}`) }], NOW_MS), offset);
    const decoded = decodeRecords(Buffer.concat([at(5), at(8), at(9)]), 5, { end: 10 });
    expect(texts(decoded)).toEqual([
      [5, 'v5'],
      [6, 'damaged'],
      [7, 'damaged'],
      [8, 'v8'],
      [9, 'v9'],
    ]);
    expect(texts(decodeRecords(at(9), 8, { end: 10 }))).toEqual([
      [8, 'damaged'],
      [9, 'v9'],
    ]);
    // What stands before the place that was asked for is passed over, and says nothing of leaders.
    const early = decodeRecords(Buffer.concat([at(5), at(6), at(7), at(8)]), 8, { end: 9 });
    expect([texts(early), early.next]).toEqual([[[8, 'v8']], 9]);
    expect(decodeRecords(Buffer.concat([at(5), at(6)]), 8, { end: 9 })).toMatchObject({ records: [], next: null });
    // Nothing bears out that the last batch stands beyond the end.
    expect(texts(decodeRecords(at(30), 9, { end: 10 }))).toEqual([[9, 'damaged']]);
  });

  it('damaged at the end of the log reach no further than it does, and are passed when asked for from their middle', () => {
    const three = ['a', 'b', 'c'].map((text) => ({ value: Buffer.from(text) }));
    const batch = stored(encodeRecords(three, NOW_MS), 5);
    batch.writeInt32BE(1_000_000, 23);
    expect(decodeRecords(batch, 5, { end: 8 })).toMatchObject({ next: 8, records: { length: 3 } });
    expect(decodeRecords(batch, 7, { end: 8 })).toMatchObject({ next: 8, records: { length: 1 } });
    batch.writeInt32BE(-3, 23);
    expect(decodeRecords(batch, 5, { end: 8 })).toMatchObject({ next: 6, records: { length: 1 } });
  });

  it('of aborted transactions are passed over up to their end mark; others between them are read', () => {
    const of = (producer: number, offset: number, text: string, attributes = 16): Buffer => {
      const batch = stored(encodeRecords([{ value: Buffer.from(text) }], NOW_MS), offset);
      batch.writeInt16BE(attributes, 21);
      batch.writeBigInt64BE(BigInt(producer), 43);
      return resummed(batch);
    };
    const log = [
      of(1, 0, 'aborted'),
      of(2, 1, 'kept'),
      of(-1, 2, 'plain', 0),
      of(1, 3, 'aborted too'),
      of(1, 4, 'mark', 48),
    ];
    const bytes = Buffer.concat([
      ...log,
      of(1, 5, 'next transaction'),
      of(1, 6, 'mark', 48),
      of(1, 7, 'aborted again'),
    ]);
    const aborted = [7, 0].map((first) => ({ producerId: 1, first }));
    const { records, next } = decodeRecords(bytes, 0, { aborted });
    expect(records.map(({ value }) => String(value))).toEqual(['kept', 'plain', 'next transaction']);
    expect(next).toBe(8);
  });

  it('give back keys, and header values that are no text', () => {
    const headers = { trace: 'abc', raw: Buffer.from([0xff, 0, 0xfe]) };
    const written = [
      { value: Buffer.from('v'), key: Buffer.from('k'), headers },
      { value: Buffer.from('w'), key: Buffer.alloc(0) },
    ];
    const { records } = decodeRecords(stored(encodeRecords(written, NOW_MS), 0), 0);
    expect(records.map(({ key }) => key && String(key))).toEqual(['k', '']);
    expect({ ...records[0]!.headers }).toEqual(headers);
  });

  it('of a transaction end are passed over', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('commit') }], NOW_MS), 5);
    batch.writeInt16BE(32, 21);
    resummed(batch);
    expect(decodeRecords(batch, 5)).toMatchObject({ records: [], next: 6, leaderEpoch: 7, broken: null });
  });

  it('compressed as nothing here can read count as damaged, naming the codec and the offset', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('a') }], NOW_MS), 5);
    batch.writeInt16BE(3, 21);
    const { records, next } = decodeRecords(resummed(batch), 5);
    expect([records[0]!.damage, next]).toEqual([expect.stringMatching(/offset 5.*lz4/), 6]);
  });

  it('carry the time the broker took them where the topic says so', () => {
    const batch = stored(encodeRecords([{ value: Buffer.from('a') }], 1), 5);
    batch.writeInt16BE(8, 21);
    batch.writeBigInt64BE(99n, 35);
    resummed(batch);
    expect(decodeRecords(batch, 5).records[0]!.timeMs).toBe(99);
  });
});
