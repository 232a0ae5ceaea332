import { PartitionMaker, sampleKeyspace } from '@tidemark/applier/testing/log-maker';
import type { Heard, Mark } from '@tidemark/control/consensus/loss-rule';
import type { EpochEndAt } from '@tidemark/control/consensus/register-value';
import { farthest } from '@tidemark/control/failover/loss';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countLoss, epochEndsAt } from './lossy-ends.ts';

const TOPIC = 'tidemark.ks.mirror.paris';
const PARTITIONS = 3;
const EPOCH = 2;

/** One record: so many rows in a partition, or a barrier. */
type Step = { readonly partition: number; readonly rows: number } | 'barrier';
type Made = { readonly bytes: Buffer; readonly chain: string; readonly rows: number; readonly mark: Mark | null };

/** A term as its writer wrote it, by partition and seq; and the moment after each step. */
function termOf(steps: readonly Step[]): { readonly term: Made[][]; readonly moments: Mark[] } {
  const keyspace = sampleKeyspace({ partitions: PARTITIONS });
  const makers = Array.from({ length: PARTITIONS }, (_, p) => new PartitionMaker(keyspace, 'paris', p));
  const before = { origin: '', epoch: 0, endSeq: -1, chain: '0'.repeat(32) };
  const term = makers.map((maker): Made[] => [
    { bytes: maker.start(EPOCH, before), chain: maker.chain, rows: 0, mark: null },
  ]);
  const sums = term.map(() => 0);
  const now = (): Mark => ({ heads: term.map((all) => all.length - 1), rows: [...sums] });
  const moments = [now()];
  for (const step of steps) {
    const { partition, rows } = step === 'barrier' ? { partition: 0, rows: 0 } : step;
    const maker = makers[partition]!;
    const mark = step === 'barrier' ? now() : null;
    const bytes =
      mark === null
        ? maker.rows(Array.from({ length: rows }, (_, i) => ({ k: `k${i}`, v: i })))
        : maker.record({ kind: 'Barrier', ...mark, committed: mark.heads });
    sums[partition] = sums[partition]! + rows;
    term[partition]!.push({ bytes, chain: maker.chain, rows, mark });
    moments.push(now());
  }
  return { term, moments };
}

/** A copy of the beginning of each partition; `repeats` are appended once more behind the record they follow. */
async function copyOf(term: readonly Made[][], held: readonly number[], repeats: readonly number[]): Promise<SimLog> {
  const log = new SimLog(new SimLogStore(new SimClock()));
  await log.ensureTopic({ name: TOPIC, partitions: PARTITIONS, genesis: null, flushed: true });
  for (const [partition, all] of term.entries()) {
    const kept = all.slice(0, held[partition]! + 1);
    const written = kept.flatMap(({ bytes }, seq) =>
      repeats.includes(seq) ? [bytes, ...kept.slice(0, seq + 1).map((made) => made.bytes)] : [bytes],
    );
    for (const value of written) await log.append(TOPIC, partition, [{ value }]);
  }
  return log;
}

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ partition: fc.nat(PARTITIONS - 1), rows: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant('barrier' as const) },
);

const placeOf = (log: SimLog, held: readonly EpochEndAt[], countedMax = 1_000) => ({
  log,
  topic: TOPIC,
  term: { epoch: EPOCH, site: 'paris', writerId: 'w', epochEnds: null },
  held,
  countedMax,
});
const epochEndsOf = (term: readonly Made[][], seqs: readonly number[]): EpochEndAt[] =>
  seqs.map((seq, p) => ({ seq, chain: seq < 0 ? '' : term[p]![seq]!.chain }));

/** What is lost of a term, looked at record by record. */
function lossIn(term: readonly Made[][], written: Mark, kept: readonly number[]): number {
  const rowsUpTo = (p: number, seq: number): number =>
    term[p]!.slice(0, seq + 1).reduce((sum, { rows }) => sum + rows, 0);
  return written.heads.reduce((sum, head, p) => sum + Math.max(0, rowsUpTo(p, head) - rowsUpTo(p, kept[p]!)), 0);
}

describe('what a term costs that is cut without all its records', () => {
  it('is counted to the row, in copies of any length, with repeats in them', async () => {
    const shares = fc.tuple(...Array.from({ length: PARTITIONS }, () => fc.double({ min: 0, max: 1, noNaN: true })));
    const repeats = fc.array(fc.nat(60), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepOf, { maxLength: 150 }),
        shares,
        fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        repeats,
        async (steps, share, heardAt, again) => {
          const { term, moments } = termOf(steps);
          const held = term.map((all, p) => Math.round(share[p]! * all.length) - 1);
          const heard: Heard | null =
            heardAt === null ? null : { ...moments[Math.floor(heardAt * (moments.length - 1))]!, unheardRows: 7 };
          const log = await copyOf(term, held, again);
          const received = epochEndsOf(term, held);
          const count = await countLoss(placeOf(log, received), received, heard);
          const barriers = term[0]!.flatMap(({ mark }, seq) =>
            mark === null || seq > held[0]! ? [] : [{ seq, mark }],
          );
          const known = [{ heads: held, rows: [] }, ...barriers.map(({ mark }) => mark), ...(heard ? [heard] : [])];
          const written = farthest(known);
          const unheard = heard?.unheardRows ?? count.received.rows - lossIn(term, written, held);
          expect(unheard).toBeGreaterThanOrEqual(0);
          expect(count.received.rows).toBe(lossIn(term, written, held) + unheard);
          const whole = barriers.findLast(({ mark }) => mark.heads.every((head, p) => p === 0 || head <= held[p]!));
          const seqs = whole?.mark.heads.map((head, p) => (p === 0 ? whole.seq : head)) ?? null;
          expect(count.consistentSeqs).toEqual(seqs);
          if (seqs === null) return;
          expect(count.consistent!.rows).toBe(lossIn(term, written, seqs) + unheard);
          expect(await epochEndsAt(placeOf(log, received), seqs)).toEqual(epochEndsOf(term, seqs));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('finds the newest barrier received whole however far back it is, with about as many reads', async () => {
    const quiet: Step[] = Array.from({ length: 30_000 }, (_, i) =>
      i % 10 === 9 ? 'barrier' : { partition: 0, rows: 1 },
    );
    const steps: Step[] = [{ partition: 1, rows: 3 }, 'barrier', { partition: 1, rows: 5 }, ...quiet];
    const { term } = termOf(steps);
    const held = [term[0]!.length - 1, 1, 0];
    const log = await copyOf(term, held, []);
    let reads = 0;
    const read = log.read.bind(log);
    log.read = (options) => {
      reads++;
      return read(options);
    };
    const received = epochEndsOf(term, held);
    const count = await countLoss(placeOf(log, received, 100), received, { heads: [], rows: [], unheardRows: 0 });
    expect(count.consistentSeqs).toEqual([1, 1, 0]);
    expect([count.received.rows, count.consistent!.rows]).toEqual([5, 5 + 27_000]);
    expect(reads).toBeLessThan(300);
  });

  it('of more records than are counted the bound is told, and of a copy that lacks what others have', async () => {
    const { term } = termOf([...Array.from({ length: 50 }, () => ({ partition: 1, rows: 2 }))]);
    const held = [0, 40, 0];
    const log = await copyOf(term, held, []);
    const received = epochEndsOf(term, held);
    const heard: Heard = { heads: [0, 50, 0], rows: [0, 100, 0], unheardRows: 0 };
    expect((await countLoss(placeOf(log, received), received, heard)).received.rows).toBe(20);
    expect((await countLoss(placeOf(log, received, 10), received, heard)).received.rows).toBe(100);
    const behind = epochEndsOf(term, [0, 30, 0]);
    expect((await countLoss(placeOf(log, behind), received, heard)).received.rows).toBe(40);
  });
});
