import { describe, expect, it } from 'vitest';
import { accept, emptyLogHead, type LogHead } from './admit.ts';
import { type Body, NO_CHAIN, type Unsealed } from './envelope.ts';
import { ENVELOPE_SCHEMA } from './envelope-schema.ts';
import { canonicalForm, fingerprint, rabin } from './fingerprint.ts';
import { epochSeed, openRecord, sealRecord } from './seal.ts';

const NAME = { cluster: 'c1', keyspace: 'travel', origin: 'paris', partition: 3 };
const STAMP = { stampMs: 1_700_000_000_000, stampCounter: 7, writer: 1, committed: -1 };
const record = (epoch: number, seq: number, body: Body): Unsealed => ({ ...NAME, ...STAMP, epoch, seq, body });
const start = (epoch: number, previousEpoch: number, endSeq: number, endChain: string) =>
  record(epoch, 0, {
    kind: 'EpochStart',
    writerId: 'w1',
    previousOrigin: previousEpoch === 0 ? '' : 'paris',
    previousEpoch,
    endSeq,
    endChain: Buffer.from(endChain, 'hex'),
    ownEpoch: previousEpoch,
    ownEndSeq: endSeq,
    ownEndChain: Buffer.from(endChain, 'hex'),
  });
const seed = (r: Unsealed): string => epochSeed(r as Parameters<typeof epochSeed>[0]);
const mutate: Body = {
  kind: 'Mutate',
  table: 1,
  schemaVersion: 1,
  requestId: 'key-1/0',
  request: { verb: 'POST', batchRows: 0, rows: 2, hash: Buffer.alloc(16, 7) },
  source: { topic: 't1', partition: 0, first: 10, last: 20 },
  rowCount: 2,
  keys: Buffer.from([0, 4, 1, 2, 3]),
  flags: Buffer.alloc(0),
  stampOffsets: Buffer.alloc(0),
  columns: [{ column: 4, cells: Buffer.from([0, 1, 9]) }],
};

/** EPOCH_START, then MUTATE and NOOP records up to `seq`. */
function sequence(count: number): Buffer[] {
  const first = start(1, 0, -1, NO_CHAIN);
  const records = [sealRecord(first, seed(first))];
  for (let seq = 1; seq < count; seq++) {
    const body: Body = seq % 2 === 1 ? mutate : { kind: 'Noop' };
    records.push(sealRecord(record(1, seq, body), records[seq - 1]!.chain));
  }
  return records.map((r) => r.bytes);
}

function fold(values: readonly Uint8Array[]): LogHead {
  return values.reduce((logHead, value) => accept(logHead, value).logHead, emptyLogHead(NAME));
}

describe('envelope', () => {
  it('reads back what was written, whatever the kind of body', () => {
    const bodies: Body[] = [
      mutate,
      { ...mutate, source: null },
      { kind: 'Genesis', logId: 'l1' },
      { kind: 'Fence', closes: 1, by: 2, nonce: 'n' },
      { kind: 'Schema', version: 2, keyspace: '{}' },
      { kind: 'Noop' },
      { kind: 'Barrier', heads: [1, 2, -1], rows: [7, 0, 0], committed: [0, 0, -1] },
    ];
    for (const body of bodies) {
      const { bytes, chain } = sealRecord(record(2, 5, body), NO_CHAIN);
      const { envelope } = openRecord(bytes);
      expect(envelope).toMatchObject({ ...record(2, 5, body), chain });
    }
  });

  it('is single-object Avro named by the CRC-64-AVRO of its canonical form', () => {
    // The fingerprint of "null" is given in the Avro specification's reference implementations.
    expect(rabin(Buffer.from('"null"')).toString(16)).toBe('63dd24e7cc258f8a');
    const bytes = sequence(1)[0]!;
    expect(bytes.subarray(0, 2).toString('hex')).toBe('c301');
    expect(bytes.subarray(2, 10)).toEqual(fingerprint(ENVELOPE_SCHEMA));
    expect(canonicalForm(ENVELOPE_SCHEMA)).not.toContain('doc');
  });
});

describe('accept', () => {
  it('accepts a sequence in order', () => {
    expect(fold(sequence(6))).toMatchObject({ epoch: 1, seq: 5 });
  });

  it('calls a repeated record a duplicate and changes nothing', () => {
    const values = sequence(4);
    const before = fold(values);
    for (const value of values) {
      const verdict = accept(before, value);
      expect(verdict.kind).toBe('DUPLICATE');
      expect(verdict.logHead).toBe(before);
    }
  });

  it('ignores what lies beyond a gap without alarm, and goes on when the gap is filled', () => {
    const values = sequence(4);
    const verdict = accept(fold(values.slice(0, 2)), values[3]!);
    expect(verdict).toMatchObject({ kind: 'IGNORE', alarm: false });
    expect(fold([values[0]!, values[3]!, values[1]!, values[2]!, values[3]!]).seq).toBe(3);
  });

  it('ignores with an alarm a record of another cluster, keyspace, origin or partition', () => {
    for (const change of [{ cluster: 'c2' }, { keyspace: 'x' }, { origin: 'tokyo' }, { partition: 4 }]) {
      const foreign = sealRecord({ ...record(1, 1, { kind: 'Noop' }), ...change }, NO_CHAIN).bytes;
      expect(accept(fold(sequence(1)), foreign)).toMatchObject({ kind: 'IGNORE', alarm: true });
    }
  });

  it('ignores with an alarm a record with any one bit flipped, at every byte', () => {
    const values = sequence(2);
    const before = fold(values.slice(0, 1));
    const good = values[1]!;
    for (let at = 0; at < good.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bad = Buffer.from(good);
        bad[at]! ^= 1 << bit;
        const verdict = accept(before, bad);
        expect(verdict).toMatchObject({ kind: 'IGNORE', alarm: true });
        expect(verdict.logHead).toBe(before);
      }
    }
    expect(accept(before, good).kind).toBe('ACCEPT');
  });

  it('ignores a record cut short anywhere', () => {
    const good = sequence(1)[0]!;
    for (let length = 0; length < good.length; length++) {
      expect(accept(emptyLogHead(NAME), good.subarray(0, length))).toMatchObject({ kind: 'IGNORE', alarm: true });
    }
  });

  it('ignores a record whose chain follows another history', () => {
    const other = sealRecord(record(1, 1, { kind: 'Noop' }), 'ab'.repeat(16)).bytes;
    expect(accept(fold(sequence(1)), other)).toMatchObject({ kind: 'IGNORE', alarm: true });
  });

  it('halts on two different records under one position', () => {
    const values = sequence(3);
    const first = fold(values.slice(0, 1));
    const forged = sealRecord(record(1, 1, { kind: 'Noop' }), first.chain).bytes;
    expect(accept(fold(values), forged)).toMatchObject({ kind: 'HALT' });
  });

  it('ignores a forged record at a known position that follows nothing there', () => {
    const values = sequence(40);
    for (const seq of [0, 1, 5, 9, 20, 39]) {
      const forged = sealRecord(record(1, seq, { kind: 'Noop' }), 'ab'.repeat(16)).bytes;
      const verdict = accept(fold(values), forged);
      // Beyond what is remembered it cannot be told from a repeat, and is as harmless.
      expect(['IGNORE', 'DUPLICATE']).toContain(verdict.kind);
      if (seq >= 10) expect(verdict).toMatchObject({ kind: 'IGNORE', alarm: true });
    }
  });

  it('opens the next epoch only where the one before has ended here', () => {
    const values = sequence(3);
    const whole = fold(values);
    const next = start(2, 1, whole.seq, whole.chain);
    const value = sealRecord(next, seed(next)).bytes;
    expect(accept(fold(values.slice(0, 2)), value)).toMatchObject({ kind: 'IGNORE', alarm: false });
    expect(accept(whole, value)).toMatchObject({ kind: 'ACCEPT', logHead: { epoch: 2, seq: 0 } });
    const wrong = start(2, 1, whole.seq, 'cd'.repeat(16));
    expect(accept(whole, sealRecord(wrong, seed(wrong)).bytes).kind).toBe('HALT');
  });

  it('takes an epoch over no hole where another site led in between', () => {
    const values = sequence(2);
    const whole = fold(values);
    const next = start(3, 1, whole.seq, whole.chain);
    const body = { ...next.body, previousOrigin: 'tokyo', previousEpoch: 2, endSeq: 0, endChain: Buffer.alloc(16, 7) };
    const third = { ...next, body } as Unsealed;
    const value = sealRecord(third, seed(third)).bytes;
    for (const held of [[], values.slice(0, 1)]) {
      expect(accept(fold(held), value)).toMatchObject({ kind: 'IGNORE', alarm: false });
    }
    expect(accept(whole, value)).toMatchObject({ kind: 'ACCEPT', logHead: { epoch: 3, seq: 0 } });
    // Beyond the epoch end, and in an epoch of which nothing counts: both hold what the start names.
    const beyond = fold([...values, sealRecord(record(1, 2, { kind: 'Noop' }), whole.chain).bytes]);
    const second = start(2, 1, whole.seq, whole.chain);
    const cutOff = fold([...values, sealRecord(second, seed(second)).bytes]);
    for (const logHead of [beyond, cutOff]) expect(accept(logHead, value).kind).toBe('ACCEPT');
  });

  it('halts on an epoch that follows another history of its own origin, also behind records that do not count', () => {
    const whole = fold(sequence(5));
    const wrong = start(2, 1, 2, 'cd'.repeat(16));
    expect(accept(whole, sealRecord(wrong, seed(wrong)).bytes).kind).toBe('HALT');
  });

  it('takes away the right to be acked after a fence, and nothing else', () => {
    const values = sequence(2);
    const fence = sealRecord({ ...record(0, -1, { kind: 'Fence', closes: 1, by: 2, nonce: 'n' }) }, NO_CHAIN).bytes;
    expect(accept(fold([values[0]!]), values[1]!)).toMatchObject({ kind: 'ACCEPT', ackable: true });
    expect(accept(fold([values[0]!, fence]), values[1]!)).toMatchObject({ kind: 'ACCEPT', ackable: false });
  });

  it('halts when a topic turns out to have another identity', () => {
    const genesis = (logId: string) => sealRecord(record(0, -1, { kind: 'Genesis', logId }), NO_CHAIN).bytes;
    expect(fold([genesis('a'), genesis('a')]).logId).toBe('a');
    expect(accept(fold([genesis('a')]), genesis('b')).kind).toBe('HALT');
  });
});
