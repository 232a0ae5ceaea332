import type { Term } from '@tidemark/control/consensus/register-value';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Body, NO_CHAIN, type Unsealed } from '@tidemark/record/envelope';
import { epochSeed, sealRecord } from '@tidemark/record/seal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRecent } from './recent.ts';

const NAME = { cluster: 'c', keyspace: 'travel', origin: 'paris', partition: 0 };
const TOPIC = topicNames.mirror('travel', 'paris');
const COUNT = 400;
const { signal: SIGNAL } = new AbortController();

/** Records 0 … of an epoch as their origin made them. */
function originals(epoch: number, salt = ''): { bytes: Buffer; chain: string }[] {
  const made: { bytes: Buffer; chain: string }[] = [];
  for (let seq = 0; seq < COUNT; seq++) {
    const endChain = Buffer.from(NO_CHAIN, 'hex');
    const before = { previousOrigin: '', previousEpoch: 0, endSeq: -1, endChain };
    const start = { writerId: `w${salt}`, ...before, ownEpoch: 0, ownEndSeq: -1, ownEndChain: endChain };
    const body: Body = seq === 0 ? { kind: 'EpochStart', ...start } : { kind: 'Noop' };
    const base = { ...NAME, epoch, seq, stampMs: 1_000 + seq, stampCounter: 0, writer: 1, committed: -1 };
    const record: Unsealed = { ...base, body };
    const seed = body.kind === 'EpochStart' ? epochSeed({ ...base, body }) : made[seq - 1]!.chain;
    made.push(sealRecord(record, salt !== '' && seq > 0 ? NO_CHAIN : seed));
  }
  return made;
}

const RECORDS = originals(1);
const STRANGERS = originals(1, 'stranger');

/** A mirror that holds these records, in the order of their appends. */
async function mirrorOf(appends: readonly (readonly Buffer[])[]) {
  const clock = { now: 0, nowMs: () => clock.now, monotonicMs: () => clock.now, sleep: new SystemClock().sleep };
  const store = new SimLogStore(clock);
  const log = new SimLog(store, 'tokyo');
  const local = { ...NAME, epoch: 0, seq: -1, stampMs: 0, stampCounter: 0, writer: 0, committed: -1 };
  const genesis = sealRecord({ ...local, body: { kind: 'Genesis', logId: 'm' } }, NO_CHAIN).bytes;
  await log.ensureTopic({ name: TOPIC, partitions: 1, flushed: true, genesis: () => genesis });
  for (const values of appends) {
    clock.now += 1_000;
    if (values.length > 0)
      await log.append(
        TOPIC,
        0,
        values.map((value) => ({ value })),
      );
  }
  return log;
}

const termTo = (seq: number): Term => {
  return { epoch: 1, site: 'paris', writerId: 'w', epochEnds: [{ seq, chain: RECORDS[seq]!.chain }] };
};

async function seqsOf(log: SimLog, terms: readonly Term[], windowMs: number): Promise<number[]> {
  const seqs: number[] = [];
  const { signal } = new AbortController();
  await readRecent(log, NAME, terms, windowMs, signal, ({ seq }) => seqs.push(seq));
  return seqs;
}

const upTo = (from: number, to: number): Buffer[] => RECORDS.slice(from, to).map(({ bytes }) => bytes);

describe('the last records of another site', () => {
  it('are found behind repeats of older ones', async () => {
    const log = await mirrorOf([upTo(0, 330), upTo(200, 260), upTo(330, 370)]);
    const seqs = await seqsOf(log, [termTo(369)], 0);
    expect([seqs.at(-1), seqs.length >= 40]).toEqual([369, true]);
    const repeats = await mirrorOf([upTo(0, 370), upTo(100, 300)]);
    expect((await seqsOf(repeats, [termTo(369)], 0)).at(-1)).toBe(369);
  });

  it('are all that were taken within the window, whatever repeats, strangers and records beyond the epoch end stand there', async () => {
    // From a little beyond what is there, which is not copied, to far behind it, which repeats.
    const back = fc.integer({ min: -3, max: 150 });
    const piece = fc.record({ back, count: fc.integer({ min: 1, max: 200 }), strange: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.nat(12), fc.nat(9), async (pieces, windows, short) => {
        const appends: Buffer[][] = [];
        /** By seq: the number of the append that brought it first. */
        const cameBy: number[] = [];
        for (const { back, count, strange } of [{ back: 0, count: 20, strange: false }, ...pieces]) {
          const known = cameBy.length;
          const from = Math.max(0, Math.min(COUNT - 1, known - back));
          const to = Math.min(COUNT, from + count);
          const source = strange ? STRANGERS : RECORDS;
          // What has no predecessor here yet is not copied.
          appends.push(from > known && !strange ? [] : source.slice(from, to).map(({ bytes }) => bytes));
          if (!strange && from <= known) for (let seq = known; seq < to; seq++) cameBy[seq] = appends.length;
        }
        const epochEnd = Math.max(0, cameBy.length - 1 - short);
        const log = await mirrorOf(appends);
        const last = appends.findLastIndex((values) => values.length > 0) + 1;
        const seqs = await seqsOf(log, [termTo(epochEnd)], windows * 1_000);
        const wanted = cameBy.flatMap((by, seq) => (by >= last - windows && seq <= epochEnd ? [seq] : []));
        expect(seqs).toEqual(Array.from({ length: epochEnd - seqs[0]! + 1 }, (_, i) => seqs[0]! + i));
        for (const seq of wanted) expect(seqs).toContain(seq);
        expect(seqs.at(-1)).toBe(epochEnd);
      }),
      { numRuns: 200 },
    );
  });

  it('are told to be all only where nothing before them is gone or damaged', async () => {
    const later = originals(2);
    const terms = [termTo(99), { ...termTo(0), epoch: 2, epochEnds: [{ seq: 49, chain: later[49]!.chain }] }];
    const all = [...upTo(0, 100), ...later.slice(0, 50).map(({ bytes }) => bytes)];
    for (const lost of [null, 0, 1, 60, 99, 100, 120]) {
      const damaged = all.map((bytes, i) =>
        i === lost ? Buffer.concat([bytes.subarray(0, -1), Buffer.of(0)]) : bytes,
      );
      const places: string[] = [];
      const isAll = await readRecent(await mirrorOf([damaged]), NAME, terms, 1_000_000, SIGNAL, ({ epoch, seq }) =>
        places.push(`${epoch}:${seq}`),
      );
      const whole = all.map((_, i) => (i < 100 ? `1:${i}` : `2:${i - 100}`));
      expect([lost, isAll]).toEqual([lost, lost === null]);
      expect(places).toEqual(lost === null ? whole : whole.slice(lost + 1));
    }
  });

  it('are not to be had of a copy that was trimmed to its end', async () => {
    const log = await mirrorOf([upTo(0, 100)]);
    await log.trim(TOPIC, 0, (await log.bounds(TOPIC, 0)).end);
    await expect(seqsOf(log, [termTo(99)], 0)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('the end of epoch 1, seq 99, is not here'),
    });
  });

  it('are not to be had of a copy that lacks the end of the term', async () => {
    const log = await mirrorOf([upTo(0, 100)]);
    await expect(seqsOf(log, [termTo(200)], 0)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
